"""What a line says of a log record: its message, its exception, the fields that the code gave it, and the call that it belongs to.

Nothing here raises, whatever the record holds: arguments that do not fit the message, an object whose `__str__` fails or logs itself,
bytes, megabytes. Each text is redacted (`towpath._core.disclosure.redaction`) before it is cut, so that no half of a secret is left at
the cut.
"""

import logging
import math
import threading
import traceback
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple, cast

from towpath._core.context import current
from towpath._core.disclosure.redaction import REDACTED, is_secret, redacted

MAX_TEXT: Final = 8192
"""Characters of a message, and of a traceback."""

MAX_VALUE: Final = 2048
"""Characters of the text of any other field."""

MAX_FIELDS: Final = 64
"""Fields of a record's own, and elements of a field that is a list or a mapping."""

CALL: Final = ("method", "tenant", "trace_id", "span_id", "request_id")
"""The fields of the call that a record belongs to."""

_MAX_DEPTH: Final = 4
_MAX_VALUES: Final = 512
_MAX_NAME: Final = 100
_LOOKED_AT: Final = 8
"""How many times the characters that are shown are looked at for secrets."""

_STRADDLES: Final = 1300
"""Characters at the end of what was looked at that may be the beginning of a secret."""

_LARGEST: Final = 2**63 - 1
_PLAIN: Final = len(vars(logging.makeLogRecord({})))
_STANDARD: Final = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))


class Failure(NamedTuple):
    """The exception of a record."""

    type: str
    message: str
    stacktrace: str


class _Formatting(threading.local):
    depth = 0


_formatting: Final = _Formatting()


def call_fields() -> dict[str, Any]:
    """The call that is being handled, as fields: `method`, `tenant`, `trace_id`, `span_id`, `request_id`. Empty outside a call."""
    ctx = current()
    if ctx is None:
        return {}
    trace = ctx.trace
    fields = {"method": ctx.method, "trace_id": trace.trace_id, "span_id": trace.span_id, "request_id": ctx.request_id}
    if ctx.tenant:
        fields["tenant"] = ctx.tenant
    return fields


def own_fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the code gave the record by `extra=`, as values that JSON has. A value behind the name of a credential is redacted."""
    given = vars(record)
    if len(given) == _PLAIN:
        return {}
    own = [(name, value) for name, value in given.items() if name not in _STANDARD][:MAX_FIELDS]
    values = _Values()
    return {name[:_MAX_NAME]: values.field(name, value) for name, value in own}


def message_of(record: logging.LogRecord) -> str:
    """The record's message with its arguments."""
    _formatting.depth += 1
    try:
        if _formatting.depth > 2:  # an argument that logs where it is formatted logs itself in the end
            return shown(f"{_plain_text(record.msg)} (its arguments were left out: they log where they are formatted)", MAX_TEXT)
        return shown(record.getMessage(), MAX_TEXT)
    except Exception as error:  # noqa: BLE001 # whatever the application logs, its record is a line
        return shown(f"{_plain_text(record.msg)} {text_of(record.args)} (they could not be formatted: {type(error).__name__})", MAX_TEXT)
    finally:
        _formatting.depth -= 1


def failure_of(record: logging.LogRecord) -> Failure | None:
    """The record's exception; None without one."""
    info = record.exc_info
    if not info or info[1] is None:
        # A record that came through a queue has the text alone.
        return Failure("", "", tail(record.exc_text, MAX_TEXT)) if isinstance(record.exc_text, str) and record.exc_text else None
    kind, error, _ = info
    try:
        stacktrace = "".join(traceback.format_exception(*info))
    except Exception as fault:  # noqa: BLE001 # from the exception's own attributes
        stacktrace = f"(the traceback could not be formatted: {type(fault).__name__})"
    return Failure(f"{kind.__module__}.{kind.__qualname__}", shown(text_of(error), MAX_VALUE), tail(stacktrace.rstrip("\n"), MAX_TEXT))


def stack_of(record: logging.LogRecord) -> str:
    """The stack of a record that was logged with `stack_info`; empty without one."""
    return tail(str(record.stack_info), MAX_TEXT) if record.stack_info else ""


def shown(text: str, most: int) -> str:
    """`text` without secrets, and its beginning alone if it has more than `most` characters."""
    length = len(text)
    looked_at = most * _LOOKED_AT
    safe = redacted(text if length <= looked_at else text[:looked_at])
    if length > looked_at:
        safe = safe[:-_STRADDLES]
    if length <= looked_at and len(safe) <= most:
        return safe
    return f"{safe[:most]}... ({max(0, length - most)} more characters)"


def tail(text: str, most: int) -> str:
    """`text` without secrets. Of a longer one than `most` characters a quarter from its beginning and the rest from its end: a traceback
    ends with what happened."""
    looked_at = most * _LOOKED_AT
    if len(text) > looked_at * 2:
        end = text[-looked_at:]
        text = f"{text[:looked_at][:-_STRADDLES]}\n{end[max(_STRADDLES, end.find(chr(10)) + 1) :]}"
    safe = redacted(text)
    if len(safe) <= most:
        return safe
    return f"{safe[: most // 4]}\n... ({len(safe) - most} characters) ...\n{safe[most // 4 - most :]}"


def text_of(value: object) -> str:
    """`str(value)`, or the name of its class if that fails."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 # from the object's own code
        return f"(a {type(value).__name__} whose text could not be had: {type(error).__name__})"


def _plain_text(message: object) -> str:
    return message if isinstance(message, str) else f"(a {type(message).__name__})"


class _Values:
    """Turns values into those that JSON has, as many of one record as a line could hold."""

    def __init__(self) -> None:
        self._left = _MAX_VALUES

    def field(self, name: object, value: object, depth: int = 0) -> Any:
        """The value behind `name`."""
        return REDACTED if isinstance(name, str) and is_secret(name) else self._value(value, depth)

    def _value(self, value: object, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            return "..."
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return shown(str.__str__(value), MAX_VALUE)
        if isinstance(value, int):
            return int(value) if -_LARGEST <= value <= _LARGEST else shown(hex(value), MAX_VALUE)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else text_of(value)
        if depth < _MAX_DEPTH and isinstance(value, (Mapping, list, tuple, set, frozenset)):
            return self._several(cast("Collection[object]", value), depth + 1)
        return shown(text_of(value), MAX_VALUE)

    def _several(self, value: Collection[Any], depth: int) -> Any:
        try:
            if isinstance(value, Mapping):
                pairs = islice(cast("Mapping[Any, Any]", value).items(), min(MAX_FIELDS, max(0, self._left)))
                return {text_of(key)[:_MAX_NAME]: self.field(key, of, depth) for key, of in pairs}
            return [self._value(of, depth) for of in islice(value, min(MAX_FIELDS, max(0, self._left)))]
        except Exception:  # noqa: BLE001 # from a mapping of the application's
            return f"(a {type(cast('object', value)).__name__} that could not be read)"
