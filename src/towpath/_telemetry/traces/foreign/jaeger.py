"""Jaeger's JSON, as its UI downloads it and its query service answers: `{"data": [{"traceID", "spans", "processes"}]}`.

CRISP reads folders of such files, one trace in each (https://github.com/uber-research/CRISP).
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

_KINDS: Final = {kind.value: kind for kind in SpanKind}
_TRUE: Final = (True, "true", "True")


def jaeger_spans(document: Mapping[str, Any], where: str) -> list[Span]:
    """The spans of a document, which is an answer with `data` or a single trace. Raises ForeignTraceError that names the place."""
    traces = list_of(document["data"], f"{where}: data") if "data" in document else [document]
    spans: list[Span] = []
    for index, item in enumerate(traces):
        place = f"{where}: data[{index}]" if "data" in document else where
        trace = table_of(item, place)
        processes = table_of(trace.get("processes"), f"{place}.processes")
        clocks = {name: (index << 16) + number for number, name in enumerate(processes)}
        for number, one in enumerate(list_of(trace.get("spans"), f"{place}.spans")):
            spans.append(_span(one, f"{place}.spans[{number}]", trace, processes, clocks))
    return spans


def _span(item: Any, where: str, trace: dict[str, Any], processes: dict[str, Any], clocks: dict[str, int]) -> Span:
    span = table_of(item, where)
    trace_id = id_of(span.get("traceID") or trace.get("traceID"), f"{where}.traceID")
    span_id = id_of(span.get("spanID"), f"{where}.spanID")
    tags = _tags(span.get("tags"), f"{where}.tags")
    name = text_of(span.get("processID"), f"{where}.processID")
    given = processes.get(name, span.get("process"))
    process = table_of(given, f"{where}.process")
    parent, follows = _parent(span, where, trace_id)
    start = number_of(span.get("startTime", 0), f"{where}.startTime")
    return Span(
        trace_id,
        span_id,
        parent,
        text_of(span.get("operationName"), f"{where}.operationName"),
        _KINDS.get(str(tags.get("span.kind", "")).lower(), SpanKind.INTERNAL),
        text_of(process.get("serviceName"), f"{where}.process.serviceName"),
        clocks.get(name, -1),
        start,
        start + number_of(span.get("duration", 0), f"{where}.duration"),
        code_of(tags, failed=tags.get("error") in _TRUE or tags.get("otel.status_code") == "ERROR"),
        branch_of(tags),
        follows,
    )


def _tags(value: Any, where: str) -> dict[str, Any]:
    tables = (table_of(tag, f"{where}[{index}]") for index, tag in enumerate(list_of(value, where)))
    return {str(tag.get("key")): tag.get("value") for tag in tables}


def _parent(span: dict[str, Any], where: str, trace_id: str) -> tuple[str, bool]:
    """The parent's id, and whether the span only follows it. A reference to another trace is a link and no parent."""
    found: dict[bool, str] = {}
    for index, item in enumerate(list_of(span.get("references"), f"{where}.references")):
        place = f"{where}.references[{index}]"
        reference = table_of(item, place)
        if id_of(reference.get("traceID"), f"{place}.traceID") in {trace_id, ""}:
            found.setdefault(reference.get("refType") == "FOLLOWS_FROM", id_of(reference.get("spanID"), f"{place}.spanID"))
    if False in found:
        return found[False], False
    if True in found:
        return found[True], True
    return id_of(span.get("parentSpanID"), f"{where}.parentSpanID"), False
