"""W3C Trace Context, level 1 and 2: what `traceparent` may look like and what becomes of it (sections 3.2 and 4.3)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.propagation.trace import TraceContext, cohort_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{PARENT}-01".encode()


def started_anew(trace: TraceContext) -> bool:
    return trace.trace_id != TRACE and trace.parent_id == "" and trace.state == "" and not trace.sampled


def test_a_root_has_ids_of_its_own_and_nobody_above() -> None:
    one, other = TraceContext.root(), TraceContext.root()
    assert re.fullmatch("[0-9a-f]{32}", one.trace_id)
    assert re.fullmatch("[0-9a-f]{16}", one.span_id)
    assert (one.parent_id, one.sampled, one.state) == ("", False, "")
    assert one.traceparent.endswith(b"-02")
    assert one.trace_id != other.trace_id
    assert one.span_id != other.span_id


def test_a_received_header_gives_a_hop_of_its_trace() -> None:
    trace = TraceContext.received(HEADER, "congo=t61")
    assert (trace.trace_id, trace.parent_id, trace.sampled, trace.state) == (TRACE, PARENT, True, "congo=t61")
    assert trace.span_id != PARENT


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("fe", False), ("ff", True)])
def test_only_the_lowest_flag_says_sampled(flags: str, sampled: bool) -> None:
    assert TraceContext.received(HEADER[:-2] + flags.encode()).sampled is sampled


@pytest.mark.parametrize("future", [b"", b"-", b"-what-comes-next"])
def test_a_later_version_is_read_as_far_as_it_is_known(future: bytes) -> None:
    trace = TraceContext.received(b"cc" + HEADER[2:] + future)
    assert (trace.trace_id, trace.parent_id, trace.sampled) == (TRACE, PARENT, True)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"ff" + HEADER[2:],
        HEADER + b"-",
        HEADER + b"-more",
        b"cc" + HEADER[2:] + b"more",
        HEADER.upper(),
        HEADER[:-1],
        HEADER + b"0",
        HEADER.replace(b"-", b"_"),
        b" " + HEADER,
        HEADER + b"\n",
        b"00-" + b"0" * 32 + b"-" + PARENT.encode() + b"-01",
        b"00-" + TRACE.encode() + b"-" + b"0" * 16 + b"-01",
        b"0g" + HEADER[2:],
    ],
)
def test_a_malformed_header_starts_a_trace_and_drops_the_state(header: bytes) -> None:
    assert started_anew(TraceContext.received(header, "congo=t61"))


@given(st.binary(max_size=80))
def test_any_bytes_give_a_trace(header: bytes) -> None:
    assert re.fullmatch("[0-9a-f]{32}", TraceContext.received(header).trace_id)


def test_a_child_is_the_next_hop_of_the_same_trace() -> None:
    trace = TraceContext.received(HEADER, "congo=t61")
    child = trace.child()
    assert (child.trace_id, child.parent_id, child.sampled, child.state) == (TRACE, trace.span_id, True, "congo=t61")
    assert child.span_id not in {trace.span_id, PARENT}


@pytest.mark.parametrize("sampled", [False, True])
def test_the_header_of_a_hop_is_understood_by_the_next(sampled: bool) -> None:
    trace = TraceContext(f"00-{TRACE}-{PARENT}-0{int(sampled)}".encode())
    assert (trace.trace_id, trace.span_id, trace.sampled) == (TRACE, PARENT, sampled)
    following = TraceContext.received(trace.traceparent)
    assert (following.trace_id, following.parent_id, following.sampled) == (TRACE, PARENT, sampled)
    assert repr(trace) == f"TraceContext(b'00-{TRACE}-{PARENT}-0{int(sampled)}')"


@given(st.integers(1, 2**128 - 1))
def test_the_cohort_of_a_header_is_that_of_its_trace(trace_id: int) -> None:
    header = b"00-%032x-%016x-00" % (trace_id, 1)
    assert cohort_of(header) == trace_id % 128
    assert cohort_of(b"01" + header[2:] + b"-future") == trace_id % 128
    assert TraceContext.received(header).cohort == TraceContext.received(header).child().cohort == trace_id % 128


@pytest.mark.parametrize("digits", [b"", b"z", b"zz", b"+1", b" 1", b"FF"])
def test_a_header_without_the_digits_of_a_trace_has_no_cohort(digits: bytes) -> None:
    assert cohort_of(b"00-" + b"0" * 30 + digits) is None


@pytest.mark.parametrize(("flags", "passed_on"), [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("fe", "02"), ("ff", "03")])
def test_that_the_trace_id_is_random_is_passed_on(flags: str, passed_on: str) -> None:
    assert TraceContext.received(HEADER[:-2] + flags.encode()).child().traceparent[-2:] == passed_on.encode()


@pytest.mark.parametrize(("state", "passed_on"), [("foo=1 ,\t bar=2", "foo=1 ,\t bar=2"), ("foo=1,foo=2", ""), ("foo", "")])
def test_a_well_formed_state_is_passed_on_and_the_trace_kept_in_any_case(state: str, passed_on: str) -> None:
    trace = TraceContext.received(HEADER, state)
    assert (trace.trace_id, trace.child().state) == (TRACE, passed_on)
