"""OTLP's JSON, as collectors write it to files: `{"resourceSpans": [...]}`, one document or one in each line.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from collections.abc import Mapping
from typing import Any, Final

from towpath._telemetry.traces.foreign.span import (
    Span,
    SpanKind,
    branch_of,
    code_of,
    id_of,
    list_of,
    number_of,
    table_of,
    text_of,
)

_ORDER: Final = (SpanKind.INTERNAL, SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER)
"""Kinds by their numbers."""
_KINDS: Final = {
    **dict(enumerate(_ORDER)),
    **{str(number): kind for number, kind in enumerate(_ORDER)},
    **{f"SPAN_KIND_{kind.name}": kind for kind in SpanKind},
}
_ERRORS: Final = (2, "2", "STATUS_CODE_ERROR")


def otlp_spans(document: Mapping[str, Any], where: str, first_process: int = 0) -> list[Span]:
    """The spans of a document. Each resource is a process, from `first_process` on. Raises ForeignTraceError that names the place."""
    spans: list[Span] = []
    for index, item in enumerate(list_of(document.get("resourceSpans"), f"{where}: resourceSpans")):
        place = f"{where}: resourceSpans[{index}]"
        of_resource = table_of(item, place)
        resource = _attributes(table_of(of_resource.get("resource"), f"{place}.resource").get("attributes"), f"{place}.resource.attributes")
        scopes = of_resource.get("scopeSpans", of_resource.get("instrumentationLibrarySpans"))
        for number, scope in enumerate(list_of(scopes, f"{place}.scopeSpans")):
            there = f"{place}.scopeSpans[{number}]"
            for count, span in enumerate(list_of(table_of(scope, there).get("spans"), f"{there}.spans")):
                spans.append(_span(span, f"{there}.spans[{count}]", str(resource.get("service.name", "")), first_process + index))
    return spans


def _span(item: Any, where: str, service: str, process: int) -> Span:
    span = table_of(item, where)
    attributes = _attributes(span.get("attributes"), f"{where}.attributes")
    status = table_of(span.get("status"), f"{where}.status")
    kind = span.get("kind", 0)
    return Span(
        id_of(span.get("traceId"), f"{where}.traceId"),
        id_of(span.get("spanId"), f"{where}.spanId"),
        id_of(span.get("parentSpanId") or None, f"{where}.parentSpanId"),
        text_of(span.get("name"), f"{where}.name"),
        _KINDS.get(kind, SpanKind.INTERNAL) if isinstance(kind, int | str) else SpanKind.INTERNAL,
        service,
        process,
        number_of(span.get("startTimeUnixNano", 0), f"{where}.startTimeUnixNano") // 1000,
        number_of(span.get("endTimeUnixNano", 0), f"{where}.endTimeUnixNano") // 1000,
        code_of(attributes, failed=status.get("code") in _ERRORS),
        branch_of(attributes),
    )


def _attributes(value: Any, where: str) -> dict[str, Any]:
    """Attributes whose values are texts, numbers or truth values. Others are left out."""
    found: dict[str, Any] = {}
    for index, item in enumerate(list_of(value, where)):
        attribute = table_of(item, f"{where}[{index}]")
        holder = table_of(attribute.get("value"), f"{where}[{index}].value")
        for kind in ("stringValue", "intValue", "boolValue", "doubleValue"):
            if kind in holder:
                found[str(attribute.get("key"))] = holder[kind]
    return found
