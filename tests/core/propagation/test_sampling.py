"""Which traces are sampled: OpenTelemetry's ProbabilitySampler where a trace begins, and its caller's word below."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core import chance
from towpath._core.context import Context, Criticality
from towpath._core.context_factory import context_factory
from towpath._core.propagation import sampling
from towpath._core.propagation.sampling import NEVER, Sampler, reconsidered, threshold
from towpath._core.propagation.trace import TraceContext

TRACE = b"4bf92f3577b34da6a3" + b"ce929d0e0e4736"
PARENT = b"00f067aa0ba902b7"
METHOD = "shop.v1.Cart/Add"


def header(flags: bytes, low: bytes = b"ce929d0e0e4736") -> bytes:
    return b"00-" + TRACE[:18] + low + b"-" + PARENT + b"-" + flags


@pytest.mark.parametrize(
    ("ratio", "digits", "th"),
    [
        (1, b"0" * 14, "0"),
        (0.5, b"80000000000000", "8"),
        (0.25, b"c0000000000000", "c"),
        (0.1, b"e6660000000000", "e666"),
        (0.01, b"fd70a000000000", "fd70a"),
        (0.001, b"ffbe7700000000", "ffbe77"),
        (2**-56, b"f" * 14, "f" * 14),
        (1 - 2**-60, b"0" * 14, "0"),
        (1e-6, b"ffffef39000000", "ffffef39"),
    ],
)
def test_a_threshold_rejects_the_rest_of_the_traces(ratio: float, digits: bytes, th: str) -> None:
    assert threshold(ratio) == (digits, th)


@pytest.mark.parametrize("ratio", [0, 0.0, 1e-20])
def test_a_ratio_of_nothing_is_never_reached(ratio: float) -> None:
    assert threshold(ratio) is NEVER
    assert NEVER.digits > b"f" * 14


@given(st.floats(1e-9, 1))
def test_a_threshold_is_the_ratio_but_for_its_last_digits(ratio: float) -> None:
    digits, th = threshold(ratio)
    assert abs(1 - int(digits, 16) / 2**56 - ratio) <= ratio / 4000
    assert digits.decode().rstrip("0") == th.rstrip("0")


def test_a_trace_that_begins_is_sampled_by_its_last_bits() -> None:
    with chance.using(random.Random(7)), sampling.using(Sampler(0.25)):
        traces = [TraceContext.root(METHOD) for _ in range(4000)]
    assert all(trace.sampled == (trace.traceparent[21:22] in b"cdef") for trace in traces)
    assert {(trace.traceparent[53:], trace.state) for trace in traces} == {(b"02", ""), (b"03", "ot=th:c")}
    assert 900 < sum(trace.sampled for trace in traces) < 1100


def test_without_a_sampler_no_trace_that_begins_is_sampled() -> None:
    assert sampling.current is None
    assert not any(TraceContext.root(METHOD).sampled for _ in range(100))


def test_a_sample_is_part_of_every_larger_one() -> None:
    with chance.using(random.Random(7)):
        roots = [TraceContext.root() for _ in range(2000)]
    samples = [{root.trace_id for root in roots if root.traceparent[21:35] >= threshold(ratio).digits} for ratio in (0.01, 0.1, 0.5, 1)]
    assert all(smaller < larger for smaller, larger in pairwise(samples))


def test_what_is_sampled_is_of_every_cohort() -> None:
    """The cohort is of the last 7 bits of the trace id, and a threshold of a usual ratio has none of them."""
    assert all(threshold(ratio).digits.endswith(b"00") for ratio in (1, 0.5, 0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6))
    with chance.using(random.Random(7)), sampling.using(Sampler(0.1)):
        cohorts = Counter(trace.cohort for trace in (TraceContext.root() for _ in range(60_000)) if trace.sampled)
    assert len(cohorts) == 128
    assert max(cohorts.values()) < 2.2 * min(cohorts.values())


def test_a_method_or_a_service_has_a_ratio_of_its_own() -> None:
    sampler = Sampler(0, {METHOD: 1, "shop.v1.Catalog": 1, "shop.v1.Catalog/List": 0})
    with sampling.using(sampler):
        begun = {
            name: TraceContext.root(name).sampled
            for name in (METHOD, "shop.v1.Cart/Get", "shop.v1.Catalog/Get", "shop.v1.Catalog/List", "")
        }
    assert list(begun.values()) == [True, False, True, False, False]


def test_a_trace_begins_with_the_method_that_is_called_or_received() -> None:
    with sampling.using(Sampler(0, {METHOD: 1})):
        for name, sampled in ((METHOD, True), ("shop.v1.Cart/Get", False)):
            make = context_factory(name, None, None, inherits=True)
            assert make(None).trace.sampled is sampled
            assert Context(name).trace.sampled is sampled
            assert Context(name, traceparent=b"garbage").trace.sampled is sampled
            assert TraceContext.root().root_of(name).sampled is sampled
    trace = TraceContext.root()
    assert trace.root_of(METHOD) is trace


@pytest.mark.parametrize("sampler", [None, Sampler(0), Sampler(1)])
@pytest.mark.parametrize(("flags", "sampled"), [(b"00", False), (b"01", True), (b"02", False), (b"03", True)])
def test_below_its_root_a_trace_is_sampled_if_its_caller_says_so(sampler: Sampler | None, flags: bytes, *, sampled: bool) -> None:
    with sampling.using(sampler):
        trace = TraceContext.received(header(flags), "ot=th:8,x=1", METHOD)
    assert (trace.sampled, trace.child().sampled, trace.child().state) == (sampled, sampled, "ot=th:8,x=1")


def test_a_call_inside_another_is_of_its_trace_whatever_its_own_ratio() -> None:
    with sampling.using(Sampler(0, {METHOD: 1})):
        parent = Context("a.B/C")
        assert not parent.child(METHOD, None).trace.sampled
        parent = Context.root(METHOD, None, Criticality.CRITICAL, trace=TraceContext.root(METHOD))
        assert parent.child("a.B/C", None).trace.sampled
        assert parent.again(1).trace.state == "ot=th:0"


def test_a_sampler_that_follows_no_caller_decides_by_the_bits_of_the_trace() -> None:
    with sampling.using(Sampler(0.5, follows_parents=False)):
        assert sampling.decides_anew
        assert reconsidered(header(b"00", b"80000000000000"), "", METHOD, believed=True) == (header(b"01", b"80000000000000"), "ot=th:8")
        assert reconsidered(header(b"03", b"7fffffffffffff"), "", METHOD, believed=True) == (header(b"02", b"7fffffffffffff"), "")
        low = header(b"02", b"00000000000000")
        explicit = "x=1,ot=p:8;rv:ffffffffffffff;th:c"
        assert reconsidered(low, explicit, METHOD, believed=True) == (low[:-1] + b"3", "ot=p:8;rv:ffffffffffffff;th:8,x=1")
        high = header(b"03", b"f" * 14)
        explicit = "x=1,ot=rv:00000000000000;th:c"
        assert reconsidered(high, explicit, METHOD, believed=True) == (high[:-1] + b"2", "ot=rv:00000000000000,x=1")
        assert reconsidered(high, "ot=rv:0", METHOD, believed=True) == (high, "ot=rv:0;th:8")
    assert not sampling.decides_anew


def test_a_stranger_neither_has_a_trace_sampled_nor_chooses_the_bits() -> None:
    chosen = header(b"03", b"f" * 14)
    for state in ("", "ot=rv:ffffffffffffff;th:0"):
        assert reconsidered(chosen, state, METHOD, believed=False) == (chosen[:-1] + b"2", "")
    assert reconsidered(chosen, "ot=th:0,x=1", METHOD, believed=False)[1] == "x=1"
    with chance.using(random.Random(7)), sampling.using(Sampler(0.25)):
        answers = [reconsidered(chosen, "ot=rv:ffffffffffffff;th:0,x=1", METHOD, believed=False) for _ in range(2000)]
    sampled = [state for traceparent, state in answers if traceparent == chosen]
    assert 400 < len(sampled) < 600
    assert all(state.startswith("ot=rv:") and state.endswith(";th:c,x=1") and state[6] in "cdef" for state in sampled)
    assert {answer for answer in answers if answer[0] != chosen} == {(chosen[:-1] + b"2", "x=1")}


@given(st.binary(max_size=60), st.text(max_size=60), st.booleans(), st.sampled_from([None, Sampler(0), Sampler(1), Sampler(0.5)]))
def test_any_header_is_decided_on(traceparent: bytes, state: str, believed: bool, sampler: Sampler | None) -> None:
    with sampling.using(sampler):
        decided, _ = reconsidered(traceparent, state, METHOD, believed=believed)
    assert len(decided) == len(traceparent)
    assert (decided[:54], decided[55:]) == (traceparent[:54], traceparent[55:])
