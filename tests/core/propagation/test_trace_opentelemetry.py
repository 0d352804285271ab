"""OpenTelemetry's own propagators read what is written here, and are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from towpath._core.propagation import sampling
from towpath._core.propagation.baggage import Baggage
from towpath._core.propagation.sampling import Sampler
from towpath._core.propagation.trace import TraceContext

NAMES = st.text("abcXYZ019_-.", min_size=1, max_size=10)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FFF), max_size=20)


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_its_client_and_server_are_part_of_the_same_trace(ratio: float) -> None:
    propagator = TraceContextTextMapPropagator()
    with sampling.using(Sampler(ratio)):
        own = TraceContext.root()
    carrier = {"traceparent": own.traceparent.decode(), **({"tracestate": own.state} if own.state else {})}
    context = propagator.extract(carrier)
    theirs = trace.get_current_span(context).get_span_context()
    assert (f"{theirs.trace_id:032x}", f"{theirs.span_id:016x}") == (own.trace_id, own.span_id)
    assert theirs.trace_flags.sampled is own.sampled
    assert theirs.trace_state.get("ot") == ("th:0" if own.sampled else None)
    sent: dict[str, str] = {}
    propagator.inject(sent, context)
    back = TraceContext.received(sent["traceparent"].encode(), sent.get("tracestate", ""))
    assert (back.trace_id, back.parent_id, back.sampled, back.state) == (own.trace_id, own.span_id, own.sampled, own.state)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=5))
def test_its_baggage_is_the_same(values: dict[str, str]) -> None:
    propagator = W3CBaggagePropagator()
    context = None
    for name, value in values.items():
        context = baggage.set_baggage(name, value, context)
    sent: dict[str, str] = {}
    propagator.inject(sent, context)
    received = Baggage.received(sent["baggage"].encode())
    assert received is not None
    assert {name: value.replace("+", " ") for name, value in received.items()} == {
        name: value.replace("+", " ") for name, value in values.items()
    }  # OpenTelemetry for Python writes a blank as a plus sign
