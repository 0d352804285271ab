"""The handler of the standard `logging` that `towpath.run` gives the root logger.

It formats a record in the thread that logs, where the call's context is current, and without a lock: an argument's `__str__` may log, or
wait for another thread that logs. It has nothing to do with exporting, so no collector that is down is a reason to log.
"""

import logging
from contextvars import Context
from typing import Any, Final

from towpath._telemetry.logs.log_writer import LogWriter

_PATIENCE: Final = 2.0
"""Seconds without any progress after which the end of the process waits no longer for the reader of the log."""


class LogHandler(logging.Handler):
    """Writes records to the file descriptor `descriptor`, whose text is in `encoding`, and never waits for its reader. It has a formatter
    from the start, which never raises."""

    def __init__(self, descriptor: int, formatter: logging.Formatter, encoding: str = "utf-8") -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._encoding = encoding
        self._writer = LogWriter(descriptor, self._told)

    def createLock(self) -> None:  # noqa: N802 # the name of `logging`
        """This handler has no lock: what it shares is the writer."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Write the record if the filters let it through."""
        passed: Any = self.filter(record)
        if passed:
            self.emit(record if passed is True else passed)  # a filter may return another record, from Python 3.12 on
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or leave it to a thread."""
        self._writer.write(self._line(record))

    def flush(self) -> None:
        """Write what waits, as far as that is possible at once."""
        self._writer.pump()

    def close(self) -> None:
        """Wait until all is written, for as long as the reader takes something every 2 s. Records that come later are written too."""
        self._writer.finish(_PATIENCE)
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(self._encoding, "backslashreplace")

    def _told(self, count: int) -> bytes:
        text = "%d lines of the log before this one were dropped: their reader did not keep up, or they could not be written"
        record = logging.LogRecord("towpath.logs", logging.WARNING, __file__, 0, text, (count,), None)
        return Context().run(self._line, record)  # no line of the call that happens to be current
