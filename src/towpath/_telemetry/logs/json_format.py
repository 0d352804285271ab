"""Records as lines of JSON, for whatever collects logs.

The names of the fields are those of OpenTelemetry's log data model and attributes where it has them: `timestamp` (ISO 8601, UTC, with
microseconds), `severity`, `message`, `logger`, `service`, `trace_id`, `span_id`, `exception.type`, `exception.message`,
`exception.stacktrace`; and `method`, `tenant` and `request_id` of the call. What a record was given by `extra=` stands beside them under
its own name. A record is one line, whatever is in it, of at most `MAX_LINE` bytes: Docker and Kubernetes cut lines at 16 KiB.
"""

import logging
import time
from typing import Any, Final, cast

import msgspec

from towpath._telemetry.logs.record_fields import CALL, call_fields, failure_of, message_of, own_fields, stack_of, tail, text_of

MAX_LINE: Final = 16_000
"""Bytes of a line."""

_SHORTER: Final = (4096, 1024, 256, 64)
"""Characters of each text of a line that is too long, until it is not."""

_RESERVED: Final = frozenset(
    (
        "timestamp",
        "severity",
        "logger",
        "message",
        "service",
        "worker",
        "exception.type",
        "exception.message",
        "exception.stacktrace",
        "stack",
    )
)
_TRACEBACKS: Final = ("exception.stacktrace", "stack")
_encode: Final = msgspec.json.Encoder().encode


class JsonLogFormatter(logging.Formatter):
    """A formatter of the standard `logging`: a line of JSON for each record, with the call that is being handled where the record is
    formatted. `service` is the service's name, and `worker` the number of the process among several. It never raises, and redacts what it
    recognises as a secret."""

    def __init__(self, *, service: str = "", worker: int | None = None) -> None:
        super().__init__()
        self._constant: dict[str, Any] = {"service": service} if service else {}
        if worker is not None:
            self._constant["worker"] = worker
        self._second = -1, ""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        try:
            fields = self._fields(record)
        except Exception as error:  # noqa: BLE001 # a log line never fails the code that logs
            fields = {"timestamp": self._timestamp(time.time()), "severity": "ERROR", "logger": "towpath.logs"}
            fields["message"] = f"a record could not be formatted: {type(error).__name__}"
        return _line(fields).decode()

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = {
            "timestamp": self._timestamp(record.created),
            "severity": text_of(record.levelname),
            "logger": text_of(record.name),
            "message": message_of(record),
            **self._constant,
            **call_fields(),
        }
        for name, value in own_fields(record).items():
            if value == "" and name in CALL:
                continue  # what `CallFilter` gives a record outside a call
            fields[f"extra.{name}" if name in _RESERVED else name] = value
        failure = failure_of(record)
        if failure is not None:
            fields |= {f"exception.{name}": value for name, value in failure._asdict().items() if value}
        stack = stack_of(record)
        if stack:
            fields["stack"] = stack
        return fields

    def _timestamp(self, seconds: float) -> str:
        whole = int(seconds)
        second = self._second  # both at once, since other threads replace it
        if second[0] != whole:
            second = self._second = whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        return f"{second[1]}.{min(999_999, round((seconds - whole) * 1e6)):06d}Z"


def _line(fields: dict[str, Any]) -> bytes:
    line = _encoded(fields)
    for most in _SHORTER:
        if len(line) <= MAX_LINE:
            return line
        # The end of a traceback says what happened, and its beginning where.
        ends = {name: tail(fields[name], most) for name in _TRACEBACKS if name in fields}
        fields = {**_shortened(fields, most), **ends}
        line = _encoded(fields)
    if len(line) <= MAX_LINE:
        return line
    return _encoded({name: fields[name] for name in ("timestamp", "severity", "logger", "message")})


def _encoded(fields: dict[str, Any]) -> bytes:
    try:
        return _encode(fields)
    except UnicodeEncodeError:  # half of a surrogate pair, such as a byte of a file's name that is no UTF-8
        return _encode(_readable(fields))


def _shortened(value: Any, most: int) -> Any:
    match value:
        case str() if len(value) > most:
            return f"{value[:most]}..."
        case list():
            elements = cast("list[Any]", value)
            return [_shortened(of, most) for of in elements[: max(1, most // 64)]]
        case dict():
            pairs = list(cast("dict[str, Any]", value).items())
            return {name: _shortened(of, most) for name, of in pairs[: max(10, most // 64)]}
        case _:
            return value


def _readable(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case list():
            return [_readable(of) for of in cast("list[Any]", value)]
        case dict():
            return {_readable(name): _readable(of) for name, of in cast("dict[str, Any]", value).items()}
        case _:
            return value
