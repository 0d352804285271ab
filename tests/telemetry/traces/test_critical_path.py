"""Where the time of a trace went, case by case."""

import pytest

from tests.recordings import Called, Received, System, Tried, marks, once, plain
from towpath._telemetry.traces.assembly import assembled
from towpath._telemetry.traces.critical_path import Segment, critical_path, durations
from towpath._telemetry.traces.model import ClientCall, ReceivedCall


def segments(root: Received, system: System | None = None) -> list[Segment]:
    system = system or System()
    system.add(1, root)
    (trace,) = assembled(system.recordings())
    found = critical_path(trace.root)
    assert tiles(found, trace.root.duration)
    return found


def tiles(found: list[Segment], duration: int) -> bool:
    """Whether the segments fill the time from 0 to `duration` without a gap or an overlap."""
    ends = [0, *(segment.end for segment in found)]
    return [segment.start for segment in found] == ends[:-1] and ends[-1] == duration and all(segment.duration > 0 for segment in found)


def whose(segment: Segment) -> str:
    if segment.call is not None:
        served = segment.attempt.received if segment.attempt else next((a.received for a in segment.call.attempts if a.received), None)
        return f"->{served.service if served else segment.call.method}"
    return segment.received.service if segment.received else "?"


def told(root: Received, system: System | None = None) -> list[str]:
    return [f"{segment.start}-{segment.end} {whose(segment)} {segment.phase}" for segment in segments(root, system)]


def test_the_phases_of_a_call_that_calls_nothing() -> None:
    root = Received("a", marks(1, 4, 9, 11, 30, 34))
    assert told(root) == ["0-1 a request", "1-4 a queue", "4-9 a loop delay", "9-11 a layers", "11-30 a handler", "30-34 a answer"]


def test_marks_out_of_order_and_missing_ones() -> None:
    assert told(Received("a", marks(None, 9, 4, 9, None, 20))) == ["0-4 a queue", "4-9 a queue", "9-20 a handler"]
    assert told(Received("a", marks(None, None, None, None, None, 20))) == ["0-20 a queue"]
    assert told(Received("a", marks(1, 2, 3, None, None, 20)))[-1] == "3-20 a layers"
    assert told(Received("a", marks(2, 7))) == ["0-2 a request", "2-7 a queue"]
    assert told(Received("a", marks(2, 3, 4, 5, 50, 40)))[-1] == "5-40 a handler"  # ended after it was written
    assert told(Received("a", marks())) == []


def test_the_wire_is_what_the_server_did_not_have_in_two_halves() -> None:
    call = Called(10, [Tried(marks(1, 3, 6, 50, 56, 60), plain("b", 40, queue=5))])
    assert told(plain("a", 80, call)) == [
        "0-10 a handler",
        "10-11 ->b client layers",
        "11-13 ->b connection wait",
        "13-16 ->b send",
        "16-21 ->b wire",
        "21-26 b queue",
        "26-61 b handler",
        "61-66 ->b wire",
        "66-70 a loop delay",
        "70-80 a handler",
    ]


def test_a_server_that_was_not_seen() -> None:
    call = Called(10, [Tried(marks(0, 0, 5, 50, 56, 60), None)])
    assert told(plain("a", 70, call)) == [
        "0-10 a handler",
        "10-15 ->shop.Cart/Get send",
        "15-66 ->shop.Cart/Get not seen",
        "66-70 a loop delay",
    ]


@pytest.mark.parametrize(
    ("tried", "phase"),
    [
        (marks(0, None, None, None, None, 50), "connection wait"),
        (marks(0, 0, None, None, None, 50), "send"),
        (marks(0, None, 0, None, None, 50), "not seen"),
    ],
)
def test_an_attempt_that_came_to_nothing(tried: tuple[int, ...], phase: str) -> None:
    assert told(plain("a", 50, Called(0, [Tried(tried, None, 14)]))) == [f"0-50 ->shop.Cart/Get {phase}"]


def test_of_calls_beside_each_other_the_one_that_ended_last() -> None:
    calls = once(10, plain("b", 20), branch=2), once(10, plain("c", 30), branch=3)
    assert told(plain("a", 50, *calls)) == ["0-10 a handler", "10-40 c handler", "40-50 a handler"]


def test_siblings_of_a_gather_are_not_chained() -> None:
    """jaeger-ui#2371: the second task of a gather did not wait for the first, however well their times fit."""
    calls = once(0, plain("b", 20), branch=2), once(25, plain("c", 20), branch=3)
    assert told(plain("a", 50, *calls)) == ["0-25 a handler", "25-45 c handler", "45-50 a handler"]


def test_the_calls_of_one_task_are_chained_and_so_are_those_of_the_handler_before_it() -> None:
    calls = (
        once(0, plain("d", 9)),
        once(10, plain("b", 10), branch=2),
        once(20, plain("c", 20), branch=2),
        once(12, plain("x", 5), branch=3),
    )
    assert told(plain("a", 50, *calls)) == [
        "0-9 d handler",
        "9-10 a handler",
        "10-20 b handler",
        "20-40 c handler",
        "40-50 a handler",
    ]


def test_calls_right_behind_each_other_are_all_on_the_path() -> None:
    """jaeger#9173: comparing with `<` loses each second one."""
    calls = [once(10 * number, plain(f"b{number}", 10)) for number in range(5)]
    assert told(plain("a", 50, *calls)) == [f"{10 * number}-{10 * number + 10} b{number} handler" for number in range(5)]


def test_marks_that_were_cut_to_microseconds_break_no_chain() -> None:
    calls = once(0, plain("b", 21)), once(20, plain("c", 31))
    assert told(plain("a", 50, *calls)) == ["0-20 b handler", "20-50 c handler"]


def test_the_marks_of_a_root_of_five_minutes_are_rounded() -> None:
    """collector-contrib#31498; a mark of 24 bits is a few microseconds off by then."""
    minutes = 300_000_000
    assert told(plain("a", minutes, once(1_000_000, plain("b", minutes - 1_000_000 + 20))))[-1] == "1000000-300000000 b handler"


def test_a_call_that_begins_at_0_and_one_without_a_duration() -> None:
    """jaeger-ui#2427: `if (start)` is false for 0."""
    calls = once(0, plain("b", 10)), once(10, plain("c", 0)), once(10, plain("d", 0), branch=9)
    assert told(plain("a", 10, *calls)) == ["0-10 b handler"]


def test_a_call_that_its_handler_did_not_wait_for_is_beside_the_path() -> None:
    calls = once(5, plain("b", 100), branch=2), once(60, plain("c", 5)), once(49, plain("d", 5), branch=2)
    assert told(plain("a", 50, *calls)) == ["0-50 a handler"]


def test_a_call_of_a_layer_after_the_handler() -> None:
    root = Received("a", marks(0, 0, 0, 0, 30, 50), calls=[once(32, plain("b", 10)), once(0, plain("c", 40), branch=2)])
    assert told(root) == ["0-30 a handler", "30-32 a answer", "32-42 b handler", "42-50 a answer"]


def test_a_call_that_began_before_the_one_it_was_made_for() -> None:
    assert told(plain("a", 50, once(-10, plain("b", 30)))) == ["0-20 b handler", "20-50 a handler"]


def test_failed_attempts_and_back_off_are_on_the_path() -> None:
    """jaeger-ui#3907: nothing is shown of a trace with an error."""
    tried = [
        Tried(marks(1, 1, 1, 9, 9, 9), plain("b", 8, code=14), 14),
        Tried(marks(20, None, None, None, None, 24), None, 14),
        Tried(marks(30, 30, 30, 50, 50, 50), plain("b", 20), 0),
    ]
    assert told(plain("a", 55, Called(0, tried, own=marks(1, 1, 1, 50, 50, 52)))) == [
        "0-1 ->b client layers",
        "1-9 b handler",
        "9-20 ->b back-off",
        "20-24 ->shop.Cart/Get connection wait",
        "24-30 ->b back-off",
        "30-50 b handler",
        "50-52 ->b client layers",
        "52-55 a handler",
    ]


def test_attempts_that_are_not_seen_are_no_back_off() -> None:
    tried = [
        Tried(marks(10, 10, 10, 20, 20, 20), plain("b", 10), 14, number=1),
        Tried(marks(30, 30, 30, 50, 50, 50), plain("b", 20), number=3),
    ]
    assert told(plain("a", 50, Called(0, tried))) == ["0-10 ->b not seen", "10-20 b handler", "20-30 ->b not seen", "30-50 b handler"]
    assert told(plain("a", 50, Called(0, [Tried(marks(), seen=False)], own=marks(0, None, None, None, None, 50)))) == [
        "0-50 ->shop.Cart/Get not seen"
    ]


def test_a_policy_that_rejects_a_call_is_the_clients() -> None:
    assert told(plain("a", 20, Called(5, [], own=marks(0, None, None, None, None, 10), code=8)))[1] == "5-15 ->shop.Cart/Get client layers"


def test_a_hedge_that_won_is_on_the_path_and_the_one_that_lost_is_not() -> None:
    tried = [
        Tried(marks(0, 0, 0, None, None, 41), plain("slow", 90), 1),
        Tried(marks(20, 20, 20, 40, 40, 40), plain("quick", 20), 0),
    ]
    assert told(plain("a", 45, Called(0, tried, own=marks(0, 0, 0, 40, 40, 40)))) == [
        "0-20 ->slow hedge delay",
        "20-40 quick handler",
        "40-45 a handler",
    ]


def test_a_hedge_after_a_repetition() -> None:
    tried = [
        Tried(marks(0, 0, 0, 5, 5, 5), plain("b", 5), 14),
        Tried(marks(10, 10, 10, None, None, 50), plain("slow", 90), 1),
        Tried(marks(20, 20, 20, 50, 50, 50), plain("quick", 30), 0),
    ]
    assert told(plain("a", 50, Called(0, tried)))[1:] == ["5-10 ->b back-off", "10-20 ->b hedge delay", "20-50 quick handler"]


def test_an_attempt_that_was_given_up_shows_what_its_server_did_until_then() -> None:
    inner = once(10, plain("c", 100))
    call = Called(0, [Tried(marks(0, 0, 5, None, None, 50), plain("b", 120, inner), 4)])
    assert told(plain("a", 50, call)) == ["0-5 ->b send", "5-15 b handler", "15-50 c handler"]


def test_a_streamed_request_is_with_its_server_before_it_was_written() -> None:
    call = Called(0, [Tried(marks(0, 2, 40, 50, 50, 50), plain("b", 44))])
    assert told(plain("a", 50, call)) == ["0-2 ->b connection wait", "2-6 ->b send", "6-50 b handler"]
    longer = Called(0, [Tried(marks(0, 2, 40, 50, 50, 50), plain("b", 60, queue=20))])
    assert told(plain("a", 50, longer)) == ["0-2 ->b connection wait", "2-10 b queue", "10-50 b handler"]


def test_a_script_that_calls_is_a_root_too() -> None:
    system = System()
    system.add(1, plain("a", 100, once(0, plain("b", 60), wire=10), seen=False))
    (trace,) = assembled(system.recordings())
    assert isinstance(trace.root, ClientCall)
    assert [segment.phase for segment in critical_path(trace.root)] == ["wire", "handler", "wire"]


def test_10_000_calls_below_each_other() -> None:
    root = plain("a", 1)
    for depth in range(10_000):
        root = plain("ab"[depth % 2], root.marks[5] + 2, once(1, root))
    path = segments(root, System(rows=1 << 14))
    assert (len(path), path[10_000].phase) == (20_001, "handler")


def test_the_sum_of_a_phase() -> None:
    found = segments(plain("a", 50, once(10, plain("b", 10), wire=4), once(30, plain("b", 10))))
    total = durations(found)
    assert sum(total.values()) == 50
    root = found[0].received
    assert isinstance(root, ReceivedCall)
    assert total[root, found[0].phase] == 50 - 24


SKEWS = [
    {},
    {"a": 3600.0, "b": -3600.0, "c": 0.5},
    {"a": -900.0, "b": 1e6, "c": -3599.999},
]


def shape(*, scale: float = 1.0) -> Received:
    inner = once(700, plain("c", 2000, queue=300, delay=100, scale=1 / scale), wire=150)
    tried = [Tried(marks(0, 10, 20, 500, 500, 510), plain("b", 400, code=14), 14), Tried(marks(900, 905, 910, 4500, 4510, 4530), None)]
    tried[1].received = plain("b", 3400, inner, scale=scale)
    return plain("a", 4990, once(10, plain("c", 3000), branch=5), Called(100, tried, branch=6, own=marks(0, 0, 0, 0, 0, 4531)))


@pytest.mark.parametrize("skews", SKEWS)
def test_clocks_that_differ_by_hours_change_nothing(skews: dict[str, float]) -> None:
    """jaeger#1459."""
    assert told(shape(), System(skews)) == told(shape())


def test_a_clock_that_jumps_within_a_trace_changes_nothing() -> None:
    """The monotonic clock does not jump, and the time of day is no part of any duration."""
    system = System()
    system.add(1, shape())
    jumped = [[one._replace(time_of_day=one.time_of_day + 3600 * index)] for index, (one,) in enumerate(system.recordings())]
    (trace,), (usual,) = assembled(jumped), assembled(system.recordings())
    told = [[(s.start, s.end, s.phase, whose(s)) for s in critical_path(one.root)] for one in (trace, usual)]
    assert told[0] == told[1]


def test_a_clock_that_drifts_by_200_ppm_keeps_the_path_to_the_microsecond() -> None:
    usual, drifting = segments(shape()), segments(shape(scale=1.0002))
    assert [(segment.phase, whose(segment)) for segment in usual] == [(segment.phase, whose(segment)) for segment in drifting]
    assert max(abs(one.start - other.start) for one, other in zip(usual, drifting, strict=True)) <= 1
