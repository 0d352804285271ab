"""Spans of OpenTelemetry's SDK as OTLP, for programs that have set up no exporter of their own.

They are taken as they are when they end, in whichever thread that is. OpenTelemetry is not imported here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from towpath._telemetry.otlp.protobuf import DOUBLE, delimited, varint

_BITS: Final = 0xFFFF_FFFF_FFFF_FFFF
_STATUS: Final = {"UNSET": 0, "OK": 1, "ERROR": 2}
_DEPTH: Final = 4
"""How deep lists of values may be in each other. A deeper one is text."""


def scope_spans_of(span: Any) -> bytes:
    """A ScopeSpans of this one `ReadableSpan`, as an element of ResourceSpans."""
    context, parent, scope = span.context, span.parent, span.instrumentation_scope
    flags = context.trace_flags & 0xFF | 0x100 | (0x200 if parent is not None and parent.is_remote else 0)
    state = "" if not context.trace_state else context.trace_state.to_header()
    written = b"".join(
        (
            delimited(1, context.trace_id.to_bytes(16, "big")),
            delimited(2, context.span_id.to_bytes(8, "big")),
            delimited(3, state.encode()) if state else b"",
            b"" if parent is None else delimited(4, parent.span_id.to_bytes(8, "big")),
            delimited(5, _utf8(span.name)),
            b"\x30" + varint(span.kind.value + 1),
            b"\x39" + span.start_time.to_bytes(8, "little"),
            b"\x41" + span.end_time.to_bytes(8, "little"),
            _attributes(9, span.attributes),
            _number(10, span.dropped_attributes),
            *(delimited(11, _event(event)) for event in span.events),
            _number(12, span.dropped_events),
            *(delimited(13, _link(link)) for link in span.links),
            _number(14, span.dropped_links),
            _status(span.status),
            b"\x85\x01" + flags.to_bytes(4, "little"),
        )
    )
    described = b"" if scope is None else delimited(1, delimited(1, _utf8(scope.name)) + delimited(2, _utf8(scope.version or "")))
    return delimited(2, described + delimited(2, written))


def _event(event: Any) -> bytes:
    return b"\x09" + event.timestamp.to_bytes(8, "little") + delimited(2, _utf8(event.name)) + _attributes(3, event.attributes)


def _link(link: Any) -> bytes:
    context = link.context
    return (
        delimited(1, context.trace_id.to_bytes(16, "big"))
        + delimited(2, context.span_id.to_bytes(8, "big"))
        + _attributes(4, link.attributes)
    )


def _status(status: Any) -> bytes:
    code = _STATUS[status.status_code.name]
    if not code:
        return b""
    text = delimited(2, _utf8(status.description)) if status.description else b""
    return delimited(15, text + b"\x18" + varint(code))


def _attributes(field: int, attributes: Mapping[str, Any] | None) -> bytes:
    pairs: Iterable[tuple[str, Any]] = (attributes or {}).items()
    return b"".join(delimited(field, delimited(1, _utf8(key)) + delimited(2, _value(value, _DEPTH))) for key, value in pairs)


def _value(value: Any, depth: int) -> bytes:
    """An AnyValue. What it cannot be is text."""
    if isinstance(value, str):
        return delimited(1, _utf8(value))
    if isinstance(value, bool):
        return b"\x10" + varint(value)
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return b"\x18" + varint(value & _BITS)
    if isinstance(value, float):
        return b"\x21" + DOUBLE.pack(value)
    if isinstance(value, bytes):
        return delimited(7, value)
    if isinstance(value, (tuple, list)) and depth:
        each = cast("Sequence[Any]", value)
        return delimited(5, b"".join(delimited(1, _value(one, depth - 1)) for one in each))
    return delimited(1, _utf8(str(cast("object", value))))


def _number(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number) if number else b""


def _utf8(text: str) -> bytes:
    return text.encode(errors="replace")
