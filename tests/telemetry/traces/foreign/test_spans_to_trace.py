"""Traces of others with what was found wrong with them in public: each tiles its root, or says what is missing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._telemetry.traces.critical_path import Segment, critical_path
from towpath._telemetry.traces.foreign.reading import foreign_spans
from towpath._telemetry.traces.foreign.spans_to_trace import ForeignTrace, traces_of
from towpath._telemetry.traces.model import ReceivedCall, Root

START = 1_700_000_000_000_000
TRACE = "19845b251f80e4b7331f4d446b0a557b"


def span(name: str, start: int, end: int, parent: str = "", **more: Any) -> dict[str, Any]:
    """A span of Jaeger's, whose id is made of its name. Times are microseconds after the beginning of the trace."""
    tags = [{"key": key, "value": value} for key, value in {"span.kind": more.pop("kind", "internal"), **more.pop("tags", {})}.items()]
    references = [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": spanned(parent)}] if parent else []
    return {
        "traceID": TRACE,
        "spanID": spanned(name),
        "operationName": name,
        "references": more.pop("references", references),
        "startTime": START + start,
        "duration": end - start,
        "tags": tags,
        "processID": more.pop("process", "p1"),
        **more,
    }


def spanned(name: str) -> str:
    return name.encode().hex()[-16:].rjust(16, "0")


def read(*spans: dict[str, Any]) -> list[ForeignTrace]:
    processes = {name: {"serviceName": f"service-{name}"} for name in ("p1", "p2", "p3")}
    document = {"data": [{"traceID": TRACE, "spans": list(spans), "processes": processes}]}
    return traces_of(foreign_spans(json.dumps(document).encode(), "trace.json"))


def one(*spans: dict[str, Any]) -> ForeignTrace:
    (found,) = read(*spans)
    assert len(visited(found)) == len({item["spanID"] + str(item["processID"]) for item in spans})
    return found


def visited(found: ForeignTrace) -> list[str]:
    """The span of each call that the trace has."""
    waiting: list[Root] = list(found.trace.roots)
    seen: list[str] = []
    while waiting:
        at = waiting.pop()
        if isinstance(at, ReceivedCall):
            seen.append(at.span_id + str(at.process))
            waiting += at.calls
            continue
        (attempt,) = at.attempts
        below = [one for one in (attempt.received, *attempt.also_received) if one is not None]
        if attempt.span_id not in {received.span_id for received in below}:
            seen.append(f"{attempt.span_id}{at.process}")
        waiting += below
    return seen


def tiles(found: list[Segment], duration: int) -> bool:
    ends = [0, *(segment.end for segment in found)]
    return [segment.start for segment in found] == ends[:-1] and ends[-1] == duration and all(segment.duration > 0 for segment in found)


def told(root: Root) -> list[str]:
    """The pieces of the critical path with whose they are."""
    path = critical_path(root)
    assert tiles(path, root.duration)
    pieces: list[str] = []
    for segment in path:
        whose = segment.received.method if segment.received else segment.call.method if segment.call else "?"
        pieces.append(f"{segment.start}-{segment.end} {whose}{'' if segment.received else f' {segment.phase}'}")
    return pieces


GATHER = (
    span("main", 0, 500),
    span("foo1", 0, 100, "main"),
    span("foo2", 0, 200, "main"),
    span("foo3", 200, 500, "main"),
)


def test_calls_of_two_tasks_beside_each_other_are_not_chained_in_silence() -> None:
    """jaeger-ui#2371: gather(foo1 and then foo3, foo2). Nothing but the code says that foo3 waited for foo1."""
    found = one(*GATHER)
    assert told(found.trace.root) == ["0-200 foo2", "200-500 foo3"]
    assert found.notes == ("began after several calls that ran beside each other; which of them it waited for, spans do not say: foo3",)


def test_calls_of_two_tasks_are_not_chained_where_the_spans_name_the_tasks() -> None:
    tasks = {"main": "t0", "foo1": "t1", "foo2": "t2", "foo3": "t1"}
    spans = [{**item, "tags": [{"key": "towpath.branch", "value": tasks[item["operationName"]]}]} for item in GATHER]
    found = one(*spans)
    assert told(found.trace.root) == ["0-100 foo1", "100-200 main", "200-500 foo3"]
    assert found.notes == ()


def test_a_root_that_follows_a_span_of_another_trace_is_a_root() -> None:
    """jaeger-ui#2427."""
    link = {"refType": "FOLLOWS_FROM", "traceID": "a5f0b2f965afac53d7b68670c59b163a", "spanID": "ff300a3a5e0b44db"}
    found = one(span("dag", 0, 50, references=[link]), span("task", 10, 40, "dag"))
    assert told(found.trace.root) == ["0-10 dag", "10-40 task", "40-50 dag"]
    assert found.notes == ()


def test_a_circle_of_callers_is_cut_and_said() -> None:
    """jaeger-ui#3907, #4320: no span of a circle is a root, so that nothing was drawn."""
    found = one(span("a", 0, 90, "c"), span("b", 10, 80, "a"), span("c", 20, 70, "b"))
    assert told(found.trace.root) == ["0-10 a", "10-20 b", "20-70 c", "70-80 b", "80-90 a"]
    assert found.notes == ("is called by one that it calls, and is shown as a root: a",)
    assert isinstance(found.trace.root, ReceivedCall)
    assert found.trace.root.in_circle


def test_a_span_that_is_its_own_caller_is_a_root() -> None:
    """jaeger-ui#821, and a second reference that is right wins."""
    alone = one(span("a", 0, 10, "a"))
    assert told(alone.trace.root) == ["0-10 a"]
    assert alone.notes == ("is its own caller, and is shown as a root: a",)


def test_calls_without_a_gap_between_them_are_all_on_the_path() -> None:
    """jaeger#9173, #9148: the one before ended at the very microsecond."""
    found = one(span("p", 0, 100), span("first", 0, 50, "p"), span("second", 50, 100, "p"))
    assert told(found.trace.root) == ["0-50 first", "50-100 second"]
    assert found.notes == ()
    three = one(span("p", 100, 260), span("x", 100, 120, "p"), span("y", 120, 150, "p"), span("z", 150, 200, "p"), span("w", 100, 160, "p"))
    assert told(three.trace.root) == ["0-20 x", "20-50 y", "50-100 z", "100-160 p"]


def test_a_child_that_outlives_its_parent_keeps_its_own_and_takes_nothing() -> None:
    found = one(span("p", 0, 30), span("late", 15, 35, "p"), span("later", 20, 40, "late"))
    assert told(found.trace.root) == ["0-30 p"]
    assert found.notes == ("ends after its caller, which did not wait for it: late, later",)


@pytest.mark.parametrize("skew", [-3_600_000_000, -25, 0, 25, 3_600_000_000])
def test_clocks_that_differ_change_nothing_where_there_is_the_client_s_span(skew: int) -> None:
    found = one(
        span("root", 0, 100, kind="server"),
        span("call", 10, 90, "root", kind="client"),
        span("served", 30 + skew, 70 + skew, "call", kind="server", process="p2"),
        span("inner", 40 + skew, 60 + skew, "served", process="p2"),
    )
    assert told(found.trace.root) == [
        "0-10 root",
        "10-30 call wire",
        "30-40 served",
        "40-60 inner",
        "60-70 served",
        "70-90 call wire",
        "90-100 root",
    ]
    assert found.notes == ()


def test_a_server_without_its_client_s_span_is_kept_inside_of_its_caller() -> None:
    spans = span("root", 0, 100), span("served", 500, 540, "root", kind="server", process="p2")
    found = one(*spans)
    assert told(found.trace.root) == ["0-60 root", "60-100 served"]
    assert found.notes == ("lies outside of its caller, whose clock differs, and is moved into it: served",)
    longer = one(span("root", 0, 100), span("served", 0, 140, "root", kind="server", process="p2"))
    assert told(longer.trace.root) == ["0-100 root"]


def test_a_call_whose_server_was_not_seen_says_so() -> None:
    found = one(span("root", 0, 100), span("call", 10, 90, "root", kind="client"))
    assert told(found.trace.root) == ["0-10 root", "10-90 call not seen", "90-100 root"]
    alone = one(span("call", 10, 90, kind="client"))
    assert told(alone.trace.root) == ["0-80 call not seen"]
    served = one(span("call", 10, 90, kind="client"), span("served", 0, 40, "call", kind="server", process="p2"))
    assert told(served.trace.root) == ["0-20 call wire", "20-60 served", "60-80 call wire"]


def test_a_client_that_calls_by_other_spans_is_a_function() -> None:
    found = one(span("root", 0, 100), span("grpc", 10, 90, "root", kind="client"), span("http", 20, 80, "grpc", kind="client"))
    assert told(found.trace.root) == ["0-10 root", "10-20 grpc", "20-80 http not seen", "80-90 grpc", "90-100 root"]


def test_an_event_that_was_sent_is_consumed_off_the_path() -> None:
    follows = [{"refType": "FOLLOWS_FROM", "traceID": TRACE, "spanID": spanned("root")}]
    found = one(span("root", 0, 100), span("consumed", 200, 900, references=follows, process="p2"))
    assert [told(root) for root in found.trace.roots] == [["0-700 consumed"], ["0-100 root"]]
    assert found.notes == ("followed its caller, which did not wait for it, and is shown as a root: consumed",)


def test_an_id_that_client_and_server_share_is_two_spans() -> None:
    """As Zipkin has it."""
    (found,) = read(
        span("root", 0, 100),
        span("call", 10, 90, "root", kind="client"),
        {**span("call", 1000, 1040, "root", kind="server", process="p2"), "operationName": "served"},
    )
    assert told(found.trace.root)[1:4] == ["10-30 call wire", "30-70 served", "70-90 call wire"]


def test_two_roots_missing_callers_and_spans_that_came_twice() -> None:
    (found,) = read(span("a", 0, 10), span("b", 100, 180), span("c", 110, 120, "gone"), span("b", 100, 180))
    assert [told(root) for root in found.trace.roots] == [["0-80 b"], ["0-10 a"], ["0-10 c"]]
    assert found.notes == (
        "came twice, and counts once: b",
        "has a caller that is not in the file, and is shown as a root: c",
    )


def test_no_time_at_all_and_a_start_of_zero() -> None:
    found = one({**span("p", 0, 0), "startTime": 0}, {**span("c", 0, 0, "p"), "startTime": 0})
    assert told(found.trace.root) == []
    found = one({**span("p", 0, 10), "startTime": 0}, {**span("c", 0, 0, "p"), "startTime": 0}, {**span("d", 0, 5, "p"), "startTime": 0})
    assert told(found.trace.root) == ["0-5 d", "5-10 p"]


def test_ten_thousand_calls_below_each_other() -> None:
    depth = 10_000
    spans = [span("s0", 0, 2 * depth), *(span(f"s{level}", level, 2 * depth - level, f"s{level - 1}") for level in range(1, depth))]
    found = one(*spans)
    assert len(told(found.trace.root)) == 2 * depth - 1


def test_many_names_are_counted() -> None:
    (found,) = read(*(span(f"s{number}", 0, 1, "gone") for number in range(5)))
    assert found.notes == ("has a caller that is not in the file, and is shown as a root: s0, s1, s2 and 2 more",)


RANDOM = st.lists(
    st.tuples(
        st.integers(0, 9), st.integers(0, 100), st.integers(0, 100), st.sampled_from(["internal", "server", "client"]), st.booleans()
    ),
    min_size=1,
    max_size=10,
)


@given(RANDOM)
def test_any_spans_are_each_in_the_trace_once_and_every_root_is_tiled(items: list[tuple[int, int, int, str, bool]]) -> None:
    spans = [
        span(f"s{number}", start, start + took, f"s{parent}", kind=kind, process="p2" if elsewhere else "p1")
        for number, (parent, start, took, kind, elsewhere) in enumerate(items)
    ]
    found = one(*spans)
    for root in found.trace.roots:
        told(root)
