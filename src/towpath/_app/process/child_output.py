"""The output of children, line by line, each with the name of the service in front.

A child may print anything: half a line, megabytes without a newline, or bytes that would reprogram the terminal. So lines are cut at a
maximal length, and every control character is escaped, as are bytes that are not UTF-8.
"""

import json
import logging
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, TextIO, cast

from towpath._telemetry.logs.console_format import DIM, colour_of, painted, wants_colour

Emit = Callable[[str, str], None]
"""A function that takes the name of a service and one line of its output."""

MAX_LINE_BYTES: Final = 16_384
"""The length at which a line without an end is cut. A line of JSON that `towpath.run` logs is shorter."""

_LOGGED: Final = re.compile(r"\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d),(\d{3}) (DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)")
"""A record as `towpath.run` logs it for a console that is none itself."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COLOURS: Final = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")


class Lines:
    """Cuts a stream of bytes into printable lines."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Add `data`, and return the lines that it completes."""
        *whole, rest = (self._rest + data).split(b"\n")
        while len(rest) > MAX_LINE_BYTES:
            whole.append(rest[:MAX_LINE_BYTES])
            rest = rest[MAX_LINE_BYTES:]
        self._rest = rest
        return [text for line in whole for text in _printable(line)]

    def end(self) -> list[str]:
        """Return the unfinished last line, once the stream has ended."""
        rest, self._rest = self._rest, b""
        return list(_printable(rest)) if rest else []


def _printable(line: bytes) -> Iterable[str]:
    line = line.removesuffix(b"\r")
    for start in range(0, max(1, len(line)), MAX_LINE_BYTES):
        text = line[start : start + MAX_LINE_BYTES].decode(errors="backslashreplace")
        yield _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def prefixed(names: Iterable[str], stream: TextIO) -> Emit:
    """A function that writes lines to `stream`, each behind the name of the service that printed it. Names are padded to one width. Each
    name has a colour if the stream is a terminal and NO_COLOR is not set, or if FORCE_COLOR is. On a terminal a record that a service
    logged has the time of day alone."""
    ordered = list(names)
    width = max(map(len, ordered), default=0)
    terminal = stream.isatty()
    colour = wants_colour(os.environ, terminal=terminal)
    prefixes: dict[str, str] = {}
    for index, name in enumerate(ordered):
        text = f"{name:<{width}} |"
        prefixes[name] = f"\x1b[{_COLOURS[index % len(_COLOURS)]}m{text}\x1b[0m" if colour else text

    def emit(name: str, line: str) -> None:
        # A character that the stream's encoding lacks must not raise here.
        encoding = stream.encoding or "utf-8"
        shown = line.encode(encoding, "backslashreplace").decode(encoding)
        if terminal and (found := _LOGGED.fullmatch(shown)) is not None:
            shown = _for_terminal(found, colour=colour)
        stream.write(f"{prefixes.get(name, name)} {shown}".rstrip() + "\n")
        stream.flush()

    return emit


def _for_terminal(record: re.Match[str], *, colour: bool) -> str:
    time, milliseconds, level, rest = record.groups()
    time = painted(f"{time}.{milliseconds}", DIM, colour=colour)
    return f"{time} {painted(level, colour_of(logging.getLevelNamesMapping()[level]), colour=colour)} {rest}"


def json_lines(stream: TextIO) -> Emit:
    """A function that writes lines to `stream`, each as an object of JSON with `service` and `message`. A line that is such an object
    itself, as `towpath.run` logs it, keeps its fields, and gets the `service` by which the system knows it."""

    def emit(name: str, line: str) -> None:
        stream.write(json.dumps({**_object(line), "service": name}) + "\n")
        stream.flush()

    return emit


def _object(line: str) -> dict[str, Any]:
    if line.startswith("{"):
        with suppress(ValueError, RecursionError):
            found: Any = json.loads(line)
            if isinstance(found, dict) and "message" in found:
                return cast("dict[str, Any]", found)
    return {"message": line}
