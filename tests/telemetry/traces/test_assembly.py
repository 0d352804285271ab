"""Traces out of rows: joined by span and serial, whatever is missing, stands twice, or cannot be."""

import pytest

from tests.recordings import Called, Received, System, Tried, marks, once, plain
from towpath._telemetry.flight_recorder import ring
from towpath._telemetry.flight_recorder.row import UNKNOWN_CODE, Kind
from towpath._telemetry.traces.assembly import assembled
from towpath._telemetry.traces.critical_path import critical_path
from towpath._telemetry.traces.model import ClientCall, ReceivedCall, Trace

SPAN = b"00-" + b"ab" * 16 + b"-%016x"


def one_trace(system: System) -> Trace:
    (trace,) = assembled(system.recordings())
    return trace


def server(writer: ring.Writer, span: int, serial: int, *, took: int = 10, base: float = 1.0) -> None:
    """A row of a received call."""
    writer.write(Kind.SERVER, 0, 0, 0, base, SPAN % span, serial, 1, 0, 0, 0, 0, *marks(0, 0, 0, 0, took, took), 0, 0)


def attempt(writer: ring.Writer, span: int, serial: int, *, took: int = 10, base: float = 1.0, number: int = 0) -> None:
    """A row of an attempt."""
    writer.write(Kind.ATTEMPT, 0, 0, number, base, SPAN % span, serial, 1, 0, 0, 0, 0, *marks(0, 0, 0, took, took, took), 0, 0)


def read(*writers: ring.Writer) -> list[list[ring.Recording]]:
    return [[ring.parsed(memoryview(writer.buffer), "memory")] for writer in writers]


def test_three_processes_become_one_tree() -> None:
    system = System({"b": 3600.0, "c": -7200.5})
    system.add(7, plain("a", 100, once(10, plain("b", 60, once(5, plain("c", 20), wire=4)), wire=10), once(85, plain("c", 5))))
    root = one_trace(system).root
    assert isinstance(root, ReceivedCall)
    assert (root.service, root.duration, [call.base - root.base for call in root.calls]) == ("a", 100, pytest.approx([10e-6, 85e-6]))
    first, second = (call.attempts[0].received for call in root.calls)
    assert first is not None
    assert second is not None
    assert (first.service, second.service) == ("b", "c")
    assert first.calls[0].attempts[0].received is not None
    assert first.attempt is root.calls[0].attempts[0]


def test_a_call_with_several_attempts_is_one_call() -> None:
    tried = [Tried(marks(0, 0, 0, 5, 5, 5), None, 14), Tried(marks(9, 9, 9, 20, 20, 20), plain("b", 8), 0)]
    system = System()
    system.add(1, plain("a", 50, Called(2, tried, own=marks(0, None, None, None, 20, 21))))
    (call,) = one_trace(system).root.calls  # type: ignore[union-attr]
    assert ([attempt.number for attempt in call.attempts], call.made, call.code, call.duration) == ([0, 1], 2, 0, 21)
    assert (call.attempts[0].received, call.missing_attempts) == (None, 0)


def test_what_is_not_seen_is_said() -> None:
    unseen = Tried(marks(0, 0, 0, 9, 9, 9), plain("b", 8), seen=False)
    system = System()
    system.add(1, plain("a", 50, Called(2, [unseen, Tried(marks(10, 10, 10, 19, 19, 19), None)], own=marks(0, 0, 0, 0, 0, 19))))
    trace = one_trace(system)
    assert [root.service for root in trace.roots] == ["a", "b"]  # the longest first
    (call,) = trace.root.calls  # type: ignore[union-attr]
    assert (call.missing_attempts, call.attempts[0].received) == (1, None)


def test_a_client_without_a_received_call_is_a_root() -> None:
    writer = ring.Writer(None, service="script", rows=4)
    attempt(writer, 1, 0)
    server_ring = ring.Writer(None, service="a", rows=4)
    server(server_ring, 1, 5, took=8)
    (trace,) = assembled(read(writer, server_ring))
    assert isinstance(trace.root, ClientCall)
    assert trace.root.attempts[0].received is not None
    assert (trace.root.code, trace.root.duration, len(trace.roots)) == (0, 10, 1)


def test_a_call_that_made_no_attempt_has_its_own_code() -> None:
    system = System()
    system.add(1, plain("a", 50, Called(2, [], own=marks(0, None, None, None, None, 3), code=8)))
    (call,) = one_trace(system).root.calls  # type: ignore[union-attr]
    assert (call.code, call.made, call.answering, call.duration) == (8, 0, None, 3)
    assert ClientCall("a", 1, "m", 0.0, 0.0, 1).code == UNKNOWN_CODE


def test_a_row_that_is_in_two_rings_of_a_process_counts_once() -> None:
    system = System()
    system.add(1, plain("a", 50, once(2, plain("b", 8))))
    twice = [[recording, recording] for (recording,) in system.recordings()]
    (trace,) = assembled(twice)
    assert len(trace.root.calls) == 1  # type: ignore[union-attr]
    assert len(trace.roots) == 1


def test_serials_are_those_of_one_process() -> None:
    one, other = ring.Writer(None, service="a", rows=4), ring.Writer(None, service="a", rows=4)
    server(one, 1, 5)
    server(other, 2, 5)
    attempt(other, 3, 5)
    (trace,) = assembled(read(one, other))
    assert sorted(len(root.calls) for root in trace.roots) == [0, 1]  # type: ignore[union-attr]


def test_of_several_received_calls_with_one_span_the_longest_that_fits_is_the_one() -> None:
    client, server_ring = ring.Writer(None, service="a", rows=8), ring.Writer(None, service="b", rows=8)
    server(client, 1, 5, took=100)
    attempt(client, 2, 5, took=10)
    for serial, took in enumerate((3, 9, 40), 1):
        server(server_ring, 2, serial, took=took)
    (trace,) = assembled(read(client, server_ring))
    tried = trace.root.calls[0].attempts[0]  # type: ignore[union-attr]
    assert tried.received is not None
    assert (tried.received.duration, [call.duration for call in tried.also_received]) == (9, [40, 3])


def test_received_calls_go_to_the_attempts_with_their_span() -> None:
    client, server_ring = ring.Writer(None, service="a", rows=8), ring.Writer(None, service="b", rows=8)
    attempt(client, 2, 0, took=10, number=0)
    attempt(client, 2, 0, took=50, number=1)
    for serial, took in enumerate((5, 45, 1), 1):
        server(server_ring, 2, serial, took=took)
    (trace,) = assembled(read(client, server_ring))
    tried = trace.root.attempts  # type: ignore[union-attr]
    assert [one.received.duration for one in tried] == [5, 45]
    assert [call.duration for call in tried[1].also_received] == [1]


@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_circle_is_opened_and_what_hangs_on_it_stays(length: int) -> None:
    """Call number n says that the one before made it, and the first that the last did."""
    writer = ring.Writer(None, service="a", rows=32)
    for number in range(length):
        server(writer, number, number + 1, took=10 + number)
        attempt(writer, (number + 1) % length, number + 1, took=9)
    attempt(writer, 99, 1)
    server(writer, 99, 99)  # below the circle
    (trace,) = assembled(read(writer))
    (root,) = trace.roots
    assert isinstance(root, ReceivedCall)
    assert (root.in_circle, root.duration) == (True, 9 + length)
    assert sum(segment.duration for segment in critical_path(root)) == root.duration
    seen, waiting = 0, [root]
    while waiting:
        at = waiting.pop()
        seen += 1
        waiting += [tried.received for call in at.calls for tried in call.attempts if tried.received is not None]
    assert seen == length + 1


def test_one_call_in_a_circle_of_calls_with_one_span() -> None:
    """The span of an attempt that the received call itself made, and of which there are two."""
    writer = ring.Writer(None, service="a", rows=8)
    server(writer, 1, 1, took=5)
    server(writer, 1, 2, took=50)
    attempt(writer, 1, 2, took=9)
    (trace,) = assembled(read(writer))
    assert [(root.duration, root.in_circle) for root in trace.roots] == [(50, True)]  # type: ignore[union-attr]


def test_two_roots_the_longest_first() -> None:
    system = System()
    system.add(3, plain("a", 5))
    system.add(3, plain("b", 50))
    system.add(4, plain("b", 7))
    traces = assembled(system.recordings())
    assert [[root.duration for root in trace.roots] for trace in traces] == [[50, 5], [7]]


@pytest.mark.parametrize("base", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_a_time_that_no_clock_says_is_left_out(base: float) -> None:
    writer = ring.Writer(None, service="a", rows=8)
    server(writer, 1, 1, base=base)
    server(writer, 2, 2)
    writer.write(77, 0, 0, 0, 1.0, SPAN % 3, 1, 1, 0, 0, 0, 0, *marks(), 0, 0)
    (trace,) = assembled(read(writer))
    assert len(trace.roots) == 1


def test_calls_without_a_trace_have_nothing_to_do_with_each_other() -> None:
    writer = ring.Writer(None, service="a", rows=8)
    for serial in (1, 2):
        writer.write(Kind.SERVER, 0, 0, 0, 1.0, b"", serial, 1, 0, 0, 0, 0, *marks(0, 0, 0, 0, 9, 9), 0, 0)
    attempt(writer, 7, 2)
    writer.write(Kind.ATTEMPT, 0, 0, 0, 2.0, b"", 0, 1, 0, 0, 0, 0, *marks(0, 0, 0, 0, 9, 9), 0, 0)
    traces = assembled(read(writer))
    assert [(trace.trace_id, len(trace.roots)) for trace in traces] == [("ab" * 16, 1), ("", 1), ("", 1)]
    assert len(traces[0].root.calls) == 1  # type: ignore[union-attr]


def test_rows_of_nothing_but_bytes() -> None:
    writer = ring.Writer(None, service="a", rows=4)
    writer.write(Kind.SERVER, 3, 255, 255, -1.0, b"\xff" * 52, 0xFFFFFFFF, 0, 9999, 9999, 9999, 9999, *[0xFFFFFFFF] * 8, 0, 0)
    (trace,) = assembled(read(writer))
    assert trace.root.duration == 0
    assert critical_path(trace.root) == []


def test_tens_of_thousands_of_rows_of_one_trace() -> None:
    """Each step is linear; 200,000 rows take ten times as long."""
    calls = [once(5 * number, Received("b", marks(0, 0, 0, 0, 3, 3)), wire=1) for number in range(10_000)]
    system = System(rows=1 << 14)
    system.add(1, plain("a", 50_000, *calls))
    trace = one_trace(system)
    assert len(trace.root.calls) == 10_000  # type: ignore[union-attr]
    path = critical_path(trace.root)
    assert sum(segment.duration for segment in path) == 50_000
    assert len({segment.call for segment in path if segment.call is not None}) == 10_000
