"""A span of another tracing system, with what a trace needs of it."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, cast


class ForeignTraceError(ValueError):
    """A file holds no traces that can be read. The message names the file, the place in it, and what would be right."""


class SpanKind(Enum):
    """What a span is about, in OpenTelemetry's terms."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


@dataclass(slots=True, eq=False)
class Span:
    """One span. Its times are those of its process' clock, and no two processes' are compared where that can be helped."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty for a root."""
    name: str
    kind: SpanKind
    service: str
    process: int
    """What has one clock: a number in the file."""
    start: int
    """Microseconds since 1970."""
    end: int
    code: int
    """The status of gRPC, where the span says it; else 0, or 2 (UNKNOWN) for a failure."""
    branch: str = ""
    """What ran it, a task or a thread, where the span says so: the spans of one branch came one after the other."""
    follows: bool = False
    """Whether it was caused by its parent, which did not wait for it."""

    @property
    def duration(self) -> int:
        """Microseconds."""
        return self.end - self.start


_BRANCH: Final = ("towpath.branch", "thread.id")
_CODES: Final = ("rpc.status_code", "rpc.response.status_code", "rpc.grpc.status_code")
_NAMES: Final = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED"),
    *("RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)
_UNKNOWN: Final = 2
_ID_BYTES: Final = (8, 16)


def code_of(attributes: Mapping[str, Any], *, failed: bool) -> int:
    """The status that the attributes say, by name or number; else whether the span failed."""
    for key in _CODES:
        value = attributes.get(key)
        if isinstance(value, str) and value in _NAMES:
            return _NAMES.index(value)
        if isinstance(value, int | str) and str(value).isdecimal() and int(value) < len(_NAMES):
            return int(value)
    return _UNKNOWN if failed else 0


def branch_of(attributes: Mapping[str, Any]) -> str:
    """The task or thread that the attributes name; empty without one."""
    return next((str(attributes[key]) for key in _BRANCH if key in attributes), "")


def id_of(value: Any, where: str) -> str:
    """A trace or span id in lower-case hex; empty for none, as for one of zeros. Raises ForeignTraceError for anything else."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = value.lower()
        if len(text) <= 2 * max(_ID_BYTES) and all(character in "0123456789abcdef" for character in text):
            return text if text.strip("0") else ""
        try:
            raw = base64.b64decode(value, validate=True)  # what a plain encoder of protobuf makes of bytes in JSON
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) in _ID_BYTES:
            return raw.hex()
    raise ForeignTraceError(f"{where} is {value!r:.60}; give an id in hex")


def text_of(value: Any, where: str) -> str:
    """A text; empty for none. Raises ForeignTraceError for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ForeignTraceError(f"{where} is {value!r:.60}; give a text")
    return value


def number_of(value: Any, where: str) -> int:
    """A whole number, which may be a text. Raises ForeignTraceError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, float) and 0 <= value < 2**63:
        return int(value)
    if isinstance(value, str) and len(value) <= 20 and value.isdecimal() and value.isascii():
        return int(value)
    raise ForeignTraceError(f"{where} is {value!r:.60}; give a whole number of 0 or more")


def list_of(value: Any, where: str) -> list[Any]:
    """A list; empty for none. Raises ForeignTraceError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ForeignTraceError(f"{where} is {value!r:.60}; give a list")
    return cast("list[Any]", value)


def table_of(value: Any, where: str) -> dict[str, Any]:
    """An object of JSON; empty for none. Raises ForeignTraceError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ForeignTraceError(f"{where} is {value!r:.60}; give an object")
    return cast("dict[str, Any]", value)
