"""The log of a process that `towpath.run` runs: where and how records are written, and which calls have a line (ADR 0047).

A program that has given the root logger a handler of its own before `run` has its own log, and nothing of it is changed: neither format nor
level. The lines for calls are records as any others, and go where the program lets them go.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final, TextIO

from towpath._app.settings.service_file import ServiceConfig
from towpath._app.settings.telemetry.logs import LogFormat, LogsOptions, format_of
from towpath._core.errors import SetupError
from towpath._telemetry.logs import access_log
from towpath._telemetry.logs.access_log import AccessLog
from towpath._telemetry.logs.console_format import ConsoleLogFormatter
from towpath._telemetry.logs.json_format import JsonLogFormatter
from towpath._telemetry.logs.log_handler import LogHandler

log: Final = logging.getLogger("towpath.app")


class ProcessLog:
    """The log of this process, which writes to standard error. Before `take` it has the format that the environment says, and INFO."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._service = ""
        self._worker: int | None = None
        self._format: LogFormat = format_of(environ)
        self._config: ServiceConfig | None = None
        self._set: dict[str, int] = {}
        """The loggers to which the service file gives a level, and the level that each had."""
        self._access: AccessLog | None = None
        self._handler: logging.Handler | None = None
        self._terminal = False
        stream: TextIO | None = sys.stderr
        if not logging.root.handlers:
            if stream is None or stream.closed:
                self._handler = logging.NullHandler()
            else:
                self._terminal = stream.isatty()
                self._handler = _handler(stream, self._formatter())
            logging.basicConfig(level=logging.INFO, handlers=[self._handler])

    @property
    def writes(self) -> bool:
        """Whether the log is towpath's, and not the program's own."""
        return self._handler is not None and self._handler in logging.root.handlers

    def take(self, config: ServiceConfig) -> None:
        """Write the log as `config` says from now on."""
        self._config = config
        logs = config.telemetry.logs
        if self._handler is not None and self.writes:
            if (config.name, config.worker, logs.format) != (self._service, self._worker, self._format):
                self._service, self._worker, self._format = config.name, config.worker, logs.format
                self._handler.setFormatter(self._formatter())
            logging.root.setLevel(logs.level)
        elif logs.level != LogsOptions.level or logs.format != LogsOptions.format:
            log.warning("telemetry.logs.level and format are not taken over, since the program has configured its logging by itself")
        self._take_levels(logs.levels)
        if self._access is None:
            self._access = AccessLog(logs.access)
            access_log.use(self._access)
        elif self._access.options != logs.access:
            self._access.configure(logs.access)

    def end(self) -> None:
        """The process runs no service any more: applications that are made from now on have no lines for calls."""
        access_log.use(None)

    def taking(self, take: Callable[[ServiceConfig], None]) -> Callable[[ServiceConfig], None]:
        """`take`, and `take` of this log before it, for a reload. If it raises a SetupError, the log is as it was."""

        def both(config: ServiceConfig) -> None:
            before = self._config
            self.take(config)
            try:
                take(config)
            except SetupError:
                if before is not None:
                    self.take(before)
                raise

        return both

    def reading(self, read: Callable[[], ServiceConfig]) -> Callable[[], ServiceConfig]:
        """`read`, whose configuration this log takes, for a process that has nothing else to take."""

        def both() -> ServiceConfig:
            config = read()
            self.take(config)
            return config

        return both

    def _take_levels(self, levels: Mapping[str, str]) -> None:
        for name in [name for name in self._set if name not in levels]:
            logging.getLogger(name).setLevel(self._set.pop(name))
        for name, level in levels.items():
            logger = logging.getLogger(name)
            self._set.setdefault(name, logger.level)
            logger.setLevel(level)

    def _formatter(self) -> logging.Formatter:
        if self._format == "json" or (self._format == "auto" and not self._terminal):
            return JsonLogFormatter(service=self._service, worker=self._worker)
        return ConsoleLogFormatter(terminal=self._terminal)


def _handler(stream: TextIO, formatter: logging.Formatter) -> logging.Handler:
    try:
        descriptor = stream.fileno()
        os.fstat(descriptor)
    except (OSError, AttributeError):  # what a tool has put in its place, or a descriptor that is closed
        handler: logging.Handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        return handler
    return LogHandler(descriptor, formatter, stream.encoding or "utf-8")
