"""What a report says of a trace: hops with their phases, who is guilty, and what is not known."""

from tests.recordings import MS, Called, Received, System, Tried, marks, once, plain
from towpath._telemetry.flight_recorder.row import KEPT, REMOTE, SAMPLED, Kind
from towpath._telemetry.traces.assembly import assembled
from towpath._telemetry.traces.folding import Fold, Shown, folded
from towpath._telemetry.traces.report import Report, code_name, hop_phases, report


def reported(root: Received, usual: dict[tuple[str, str, str], float] | None = None, compared: int = 0) -> Report:
    system = System(rows=1 << 12)
    system.add(0xABC, root)
    (trace,) = assembled(system.recordings())
    return report(trace, usual, compared)


def test_a_hop_has_the_phases_of_the_path() -> None:
    found = reported(plain("a", 100, once(10, plain("b", 60, queue=20), wire=10), flags=KEPT | SAMPLED))
    assert (found.trace_id, found.duration, found.kept, found.sampled, found.answered) == (f"{0xABC:032x}", 100, True, True, 2)
    parts = [[(part.phase, part.spans) for part in hop.parts] for hop in found.hops]
    assert parts == [
        [("handler", [(0, 10), (80, 100)])],
        [("wire", [(10, 15), (75, 80)]), ("queue", [(15, 35)]), ("handler", [(35, 75)])],
    ]
    assert sum(hop.on_path for hop in found.hops) == 100
    assert [(hop.parent, hop.depth, hop.start, hop.end) for hop in found.hops] == [(None, 0, 0, 100), (0, 1, 10, 80)]
    assert found.notes == ["wire: its two directions cannot be told apart, so each is shown as half of it"]


def test_guilty_is_what_took_the_most_beyond_what_is_usual() -> None:
    root = plain("a", 100, once(0, plain("b", 60)), once(60, plain("c", 40)))
    usual = {("b", "shop.Cart/Get", "handler"): 55.0}
    compared = reported(root, usual, 9)
    assert compared.guilty is not None
    assert (compared.guilty[0], compared.guilty[1].usual) == (2, 0.0)
    assert reported(Received("a", marks())).guilty is None


def test_nothing_is_guilty_where_nothing_took_much_longer_than_usual() -> None:
    root = plain("a", 100, once(0, plain("b", 60)), once(60, plain("c", 40)))
    compared = reported(root, {("b", "shop.Cart/Get", "handler"): 51.0, ("c", "shop.Cart/Get", "handler"): 90.0}, 9)
    assert compared.guilty is None
    assert compared.marked is not None
    assert (compared.marked[0], compared.marked[1].took, compared.is_slower) == (1, 60, False)


def test_a_trace_that_is_slower_in_many_phases() -> None:
    calls = [once(10 * number, plain(f"b{number}", 10)) for number in range(20)]
    usual = {(f"b{number}", "shop.Cart/Get", "handler"): 3.0 if number == 7 else 5.0 for number in range(20)}
    found = reported(plain("a", 200, *calls), usual, 9)
    assert (found.guilty, found.is_slower, found.excess) == (None, True, 102.0)
    assert found.marked is not None
    assert found.hops[found.marked[0]].service == "b7"


def test_nothing_is_guilty_without_other_traces() -> None:
    found = reported(plain("a", 100, once(0, plain("b", 60)), once(60, plain("c", 40))))
    assert found.guilty is None
    assert found.marked is not None
    assert found.marked[0] == 1
    assert reported(Received("a", marks())).marked is None


def test_the_delay_of_a_callers_loop_is_the_callers() -> None:
    call = Called(0, [Tried(marks(0, 0, 0, 50, 50, 90), plain("b", 50))])
    hops = reported(plain("a", 100, call)).hops
    assert [(part.phase, part.took) for part in hops[0].parts] == [("loop delay", 40), ("handler", 10)]


def test_what_follows_the_answer_is_linked_and_off_the_path() -> None:
    """contrib#3002, #1362: an event's consumer is shown as a follow-up."""
    consumer = plain("worker", 5000)
    found = reported(plain("a", 100, once(80, consumer, took=5000, branch=7), once(10, plain("b", 20), branch=8)))
    assert [(hop.service, hop.parts[0].phase, hop.on_path) for hop in found.hops] == [
        ("a", "handler", 80),
        ("b", "handler", 20),
        ("worker", "afterwards", 0),
    ]
    assert found.duration == 100


def test_further_roots_are_told() -> None:
    system = System()
    system.add(1, plain("a", 50 * MS))
    system.add(1, plain("worker", 20 * MS, method="shop.Events/Take"))
    (trace,) = assembled(system.recordings())
    found = report(trace)
    assert found.follow_ups == 1
    assert found.notes == [
        "1 more in this trace, whose callers were not seen or did not wait; the longest: worker shop.Events/Take, 20.0 ms",
    ]


def test_a_failure_came_from_the_deepest_hop_with_its_status() -> None:
    inner = plain("c", 20, once(0, plain("d", 5, code=5)), code=14)
    early = once(0, plain("e", 10, code=14), code=14)
    root = plain("a", 100, early, once(20, plain("b", 40, once(5, inner, code=14), code=14), code=14), code=14)
    found = reported(root)
    assert found.failed is not None
    assert found.hops[found.failed].service == "c"
    assert reported(plain("a", 100, once(0, plain("b", 5, code=5), code=5), code=13)).failed == 0
    assert reported(plain("a", 100, once(0, plain("b", 5, code=5), code=5))).failed is None
    assert reported(plain("a", 100, code=255)).failed is None


def test_attempts_that_failed_are_told() -> None:
    tried = [
        Tried(marks(0, 0, 0, 5, 5, 5), None, 14),
        Tried(marks(9, None, None, None, None, 12), None, 4),
        Tried(marks(20, 20, 20, 50, 50, 50), plain("b", 30)),
    ]
    hop = reported(plain("a", 60, Called(0, tried, own=marks(0, 0, 0, 0, 0, 50)))).hops[1]
    assert (hop.attempts, hop.code) == (3, 0)
    assert hop.notes == ["#1 UNAVAILABLE at 10.0.0.7:8080", "#2 DEADLINE_EXCEEDED at 10.0.0.7:8080"]


def test_a_status_that_the_server_gave_is_from_it() -> None:
    system = System()
    system.add(1, plain("a", 60, Called(0, [Tried(marks(0, 0, 0, 5, 5, 5), None, 14), Tried(marks(9, 9, 9, 50, 50, 50), plain("b", 30))])))
    recordings = [[one._replace(rows=tuple(row._replace(flags=REMOTE) for row in one.rows))] for (one,) in system.recordings()]
    (trace,) = assembled(recordings)
    assert report(trace).hops[1].notes == ["#1 UNAVAILABLE from 10.0.0.7:8080"]


def test_servers_that_were_not_seen_are_named_by_their_address() -> None:
    found = reported(plain("a", 60, Called(0, [Tried(marks(0, 0, 0, 50, 50, 50))])))
    assert (found.hops[1].service, found.hops[1].seen, found.answered) == ("10.0.0.7:8080", False, 1)
    assert found.notes == ["no row of 10.0.0.7:8080 was seen: that part is shown from its caller"]
    assert hop_phases_of(found) == {"not seen": 50, "handler": 10}


def test_a_server_without_a_name_is_told() -> None:
    system = System()
    head = b"00-%032x-%016x" % (1, 1)
    writer = system.writer("a")
    writer.write(Kind.ATTEMPT, 0, 0, 0, 1.0, head, 0, 1, writer.intern("shop.Cart/Get"), 0, 0, 0, *marks(0, 0, 0, 9, 9, 9), 0, 0)
    (trace,) = assembled(system.recordings())
    assert report(trace).notes == ["no row of a server without a name was seen: that part is shown from its caller"]


def hop_phases_of(found: Report) -> dict[str, int]:
    return {part.phase: part.took for hop in found.hops for part in hop.parts}


def test_the_phases_of_a_trace_by_name() -> None:
    system = System()
    system.add(1, plain("a", 100, once(10, plain("b", 20)), once(40, plain("b", 30))))
    (trace,) = assembled(system.recordings())
    assert hop_phases(trace.root) == {("a", "shop.Cart/Get", "handler"): 50, ("b", "shop.Cart/Get", "handler"): 50}


def test_names_of_statuses() -> None:
    assert [code_name(code) for code in (0, 14, 16, 17, 255)] == ["OK", "UNAVAILABLE", "UNAUTHENTICATED", "no status", "no status"]


def test_few_hops_are_all_shown() -> None:
    found = reported(plain("a", 100, once(0, plain("b", 60)), once(60, plain("c", 40))))
    assert [row.hop.service for row in folded(found) if isinstance(row, Shown)] == ["a", "b", "c"]


def test_many_calls_are_folded_to_those_that_took_time() -> None:
    """refinery#1556, with fewer."""
    calls = [once(10 * number, plain("b", 900 if number == 500 else 8), branch=5) for number in range(1000)]
    found = reported(plain("a", 11_000, *calls))
    rows = folded(found)
    folds = [row for row in rows if isinstance(row, Fold)]
    assert sum(fold.count for fold in folds) + len(rows) - len(folds) == 1001
    assert len(rows) - len(folds) == 12
    assert {(fold.service, fold.method, fold.depth) for fold in folds} == {("b", "shop.Cart/Get", 1)}
    assert any(isinstance(row, Shown) and row.hop.end - row.hop.start == 900 for row in rows)


def test_a_deep_chain_is_folded_and_its_indentation_too() -> None:
    root = plain("leaf", 50_000)
    for _ in range(100):
        root = plain("middle", root.marks[5] + 2, once(1, root))
    root = plain("top", root.marks[5] + 2, once(1, root))
    rows = folded(reported(root))
    shown = [row for row in rows if isinstance(row, Shown)]
    assert (shown[0].hop.service, shown[-1].hop.service, shown[-1].hop.depth) == ("top", "leaf", 101)
    assert shown[-1].depth == len(shown) - 1
    assert all(isinstance(row, Shown) or not row.service or row.service == "middle" for row in rows)
