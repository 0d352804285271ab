"""Spans of OpenTelemetry's SDK, as its own contract reads them."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

from tests.telemetry.otlp.collector import collector
from tests.telemetry.otlp.test_exporter import Exporting, exporting
from towpath._core.context import Context, enter, leave
from towpath._telemetry import user_spans
from towpath._telemetry.otlp.sdk_spans import scope_spans_of
from towpath._telemetry.otlp.spans import request, scope_spans

SAMPLED = b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01"


class Sdk:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("shop", "2.0")

    def read(self) -> Any:
        """The spans that have ended, as a collector reads them."""
        found: tuple[ReadableSpan, ...] = self.exporter.get_finished_spans()
        message = ExportTraceServiceRequest.FromString(request(b"", scope_spans("1"), [], map(scope_spans_of, found)))
        return message.resource_spans[0].scope_spans


def test_a_span_has_all_that_the_sdk_has_of_it() -> None:
    sdk = Sdk()
    remote = trace.SpanContext(5, 6, is_remote=True, trace_flags=trace.TraceFlags(1), trace_state=trace.TraceState([("vendor", "1")]))
    parent = trace.set_span_in_context(trace.NonRecordingSpan(remote))
    with sdk.tracer.start_as_current_span(
        "book", parent, kind=trace.SpanKind.PRODUCER, links=[trace.Link(remote, {"why": "batch"})]
    ) as span:
        span.set_attributes({"text": "\u20ac", "yes": True, "number": -5, "part": 0.5, "raw": b"\xff", "list": ["a", "b"]})
        span.add_event("found", {"items": 2})
        span.set_status(trace.StatusCode.ERROR, "no room")
    (scope,) = sdk.read()
    (found,) = scope.spans
    (ended,) = sdk.exporter.get_finished_spans()
    assert (scope.scope.name, scope.scope.version) == ("shop", "2.0")
    assert (found.trace_id, found.parent_span_id) == ((5).to_bytes(16, "big"), (6).to_bytes(8, "big"))
    assert found.span_id == ended.context.span_id.to_bytes(8, "big")
    assert (found.name, found.kind, found.trace_state, found.flags) == ("book", found.SPAN_KIND_PRODUCER, "vendor=1", 0x301)
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (ended.start_time, ended.end_time)
    assert {pair.key: pair.value for pair in found.attributes} == {
        "text": AnyValue(string_value="\u20ac"),
        "yes": AnyValue(bool_value=True),
        "number": AnyValue(int_value=-5),
        "part": AnyValue(double_value=0.5),
        "raw": AnyValue(bytes_value=b"\xff"),
        "list": AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="a"), AnyValue(string_value="b")])),
    }
    (event,), (link,) = found.events, found.links
    assert (event.name, event.time_unix_nano, event.attributes[0].value.int_value) == ("found", ended.events[0].timestamp, 2)
    assert (link.trace_id, link.span_id, link.attributes[0].key) == (found.trace_id, found.parent_span_id, "why")
    assert (found.status.code, found.status.message) == (2, "no room")
    assert (found.dropped_attributes_count, found.dropped_events_count, found.dropped_links_count) == (0, 0, 0)


def test_a_root_that_is_well_has_neither_parent_nor_status() -> None:
    sdk = Sdk()
    sdk.tracer.start_span("root").end()
    (scope,) = sdk.read()
    assert (scope.spans[0].parent_span_id, scope.spans[0].HasField("status"), scope.spans[0].flags) == (
        b"",
        False,
        0x103 & scope.spans[0].flags,
    )


class _Of:
    """What stands for a span with values that the SDK lets through in some versions alone."""

    def __init__(self, span: ReadableSpan, attributes: Any) -> None:
        self._span, self.attributes = span, attributes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)


def test_a_value_that_otlp_has_no_type_for_is_text() -> None:
    sdk = Sdk()
    sdk.tracer.start_span("root").end()
    deep: Any = ["x"]
    for _ in range(10):
        deep = [deep]
    (ended,) = sdk.exporter.get_finished_spans()
    odd = _Of(ended, {"large": 2**70, "none": None, "object": {"a": 1}, "deep": deep})
    message = ExportTraceServiceRequest.FromString(request(b"", b"", [], [scope_spans_of(odd)]))
    found = {pair.key: pair.value for pair in message.resource_spans[0].scope_spans[0].spans[0].attributes}
    assert found["large"].string_value == str(2**70)
    assert (found["none"].string_value, found["object"].string_value) == ("None", "{'a': 1}")
    assert found["deep"].array_value.values[0].array_value.values[0].array_value.values[0].array_value.values[0].string_value


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A program that has set up nothing of OpenTelemetry."""
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", None)
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER_SET_ONCE", Once())
    user_spans.install()
    yield
    user_spans.uninstall()


async def test_without_a_set_up_users_spans_go_where_the_calls_go(unset: None) -> None:
    async with collector() as one:
        async with exporting(one) as way:
            assert user_spans.export(way.exporter.add)
            assert not user_spans.export(way.exporter.add)
            call = Context("a.B/C", traceparent=SAMPLED)
            token = enter(call)
            trace.get_tracer("users").start_span("inside").end()
            leave(token)
            token = enter(Context("a.B/C", traceparent=SAMPLED[:-1] + b"0"))
            trace.get_tracer("users").start_span("not sampled").end()
            leave(token)
            way.calls(1)
        (message,) = one.requests
        own, users = message.resource_spans[0].scope_spans
        assert (own.scope.name, len(own.spans), users.scope.name) == ("towpath", 1, "users")
        (span,) = users.spans
        assert (span.name, span.parent_span_id.hex()) == ("inside", call.trace.span_id)
        assert way.counted() == {"processor_span_processed/": 2, "exporter_span_exported/": 2}


async def test_users_spans_for_which_there_is_no_room_are_counted() -> None:
    way = Exporting(1)
    for _ in range(250):
        way.exporter.add(b"")
    for _ in range(3):
        way.exporter.flush()
    way.exporter.add(b"")
    way.exporter.flush()
    assert way.counted() == {"processor_span_queue_size": 100, "processor_span_processed/queue_full": 151}
    await way.exporter.close(0)
