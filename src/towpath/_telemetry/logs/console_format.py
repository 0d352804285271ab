"""Records as text: on a terminal, and where somebody asks for text.

    10:41:07.318 WARNING shop.stock: 3 of 4 are left sku=A-17 [ShopService/Reserve acme 4bf92f35]

On a terminal a line has the time of day, and in brackets the call without its package, the tenant, and the beginning of the trace's id.
Elsewhere it has the date, and the whole id, which can be searched for. No text of a caller clears a terminal or looks like another record:
control characters are escapes, and lines after the first one are indented.
"""

import logging
import os
import time
from collections.abc import Mapping
from typing import Any, Final

from towpath._core.disclosure.printable import printable, printable_lines
from towpath._telemetry.logs.record_fields import CALL, call_fields, failure_of, message_of, own_fields, stack_of, text_of

ACCESS: Final = "towpath.access"
"""The logger of the lines for calls. Their message says what a person wants to see of their fields."""

DIM: Final = "2"
"""The code of what a person looks at last."""

_COLOURS: Final = ((logging.ERROR, "31"), (logging.WARNING, "33"), (logging.INFO, "32"))
_ID: Final = 8
"""Characters of a trace's id on a terminal."""


def wants_colour(environ: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether there is to be colour: never with NO_COLOR (https://no-color.org), always with FORCE_COLOR, and else on a terminal that has
    it."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return terminal and environ.get("TERM") != "dumb"


class ConsoleLogFormatter(logging.Formatter):
    """A formatter of the standard `logging`: text for each record, with the call that is being handled where the record is formatted. With
    `terminal` the text is short. By default it has colours where NO_COLOR and FORCE_COLOR want it so, and else if it is for a terminal;
    `colour` decides it. The formatter never raises, and redacts what it recognises as a secret."""

    def __init__(self, *, terminal: bool = False, colour: bool | None = None) -> None:
        super().__init__()
        self._terminal = terminal
        self._colour = wants_colour(os.environ, terminal=terminal) if colour is None else colour

    def format(self, record: logging.LogRecord) -> str:
        """The text, without the end of its last line."""
        try:
            return self._text(record)
        except Exception as error:  # noqa: BLE001 # a log line never fails the code that logs
            return f"ERROR towpath.logs: a record could not be formatted: {type(error).__name__}"

    def _text(self, record: logging.LogRecord) -> str:
        level = printable(text_of(record.levelname))
        message = message_of(record)
        call, own = call_fields(), own_fields(record)
        if record.name == ACCESS:
            call, own = {**call, **own, "method": ""}, {}
        for name in CALL:
            if name in own:
                call[name] = own.pop(name) or call.get(name, "")
        message = " ".join((message, *(f"{name}={_short(value)}" for name, value in own.items())))
        parts = [
            self._paint(self._time(record), DIM),
            self._paint(level, colour_of(record.levelno)),
            f"{printable(text_of(record.name))}: {printable_lines(message)}",
        ]
        suffix = self._suffix(call)
        if suffix:
            parts.append(self._paint(f"[{printable(suffix)}]", DIM))
        failure, stack = failure_of(record), stack_of(record)
        more = (failure.stacktrace if failure is not None else "", stack)
        return "\n  ".join((" ".join(parts), *(printable_lines(text) for text in more if text)))

    def _suffix(self, call: Mapping[str, Any]) -> str:
        method, trace = str(call.get("method", "")), str(call.get("trace_id", ""))
        if self._terminal:
            method, trace = method.rpartition(".")[2], trace[:_ID]
        return " ".join(filter(None, (method, str(call.get("tenant", "")), trace)))

    def _time(self, record: logging.LogRecord) -> str:
        form = "%H:%M:%S." if self._terminal else "%Y-%m-%d %H:%M:%S,"
        return f"{time.strftime(form, time.localtime(record.created))}{int(record.msecs):03d}"

    def _paint(self, text: str, code: str) -> str:
        return painted(text, code, colour=self._colour)


def painted(text: str, code: str, *, colour: bool) -> str:
    """`text` in the colour of a terminal's `code`, if there is to be one."""
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def colour_of(level: int) -> str:
    """The code of the colour in which the name of `level` is shown."""
    return next((code for least, code in _COLOURS if level >= least), DIM)


def _short(value: object) -> str:
    text = text_of(value)
    return text if text and not any(of.isspace() for of in text) else repr(text)
