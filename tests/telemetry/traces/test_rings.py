"""Rings are searched by columns, and only what is asked for is unpacked."""

from pathlib import Path

import pytest

from tests.recordings import MS, Received, System, marks, once, plain
from towpath._core.errors import SetupError
from towpath._telemetry.flight_recorder import ring
from towpath._telemetry.flight_recorder.row import KEPT, STREAM, Kind
from towpath._telemetry.traces.rings import RingFile, Rings, Wanted, opened

ALL = Wanted()


def rings(system: System) -> Rings:
    return Rings([RingFile(bytes(writer.buffer), f"{service}.ring") for service, writer in system.rings.items()])


def trees(system: System) -> Rings:
    """Ten traces, of 1 to 10 ms, that began a second after each other."""
    for number in range(10):
        took = (number + 1) * MS
        root = plain("a", took, once(10, plain("b", took - 100, method="shop.Cart/Inner")), code=14 if number % 4 == 3 else 0)
        system.add(0xAB00 << 112 | number, root, at=1000.0 + number)
    return rings(system)


def test_the_slowest_call_is_the_first() -> None:
    found = trees(System({"b": 1e5}))
    heads = found.heads(ALL, most=3)
    assert [round(head.took * 1e3, 1) for head in heads] == [10.0, 9.9, 9.0]
    (trace,) = found.traces([heads[0].place])
    assert (trace.trace_id, len(trace.root.calls), trace.root.duration) == (f"{0xAB00 << 112 | 9:032x}", 1, 10 * MS)  # type: ignore[union-attr]


def test_the_latest_call_that_failed() -> None:
    found = trees(System())
    heads = found.heads(Wanted(failed=True), latest=True)
    assert [(round(head.took * 1e3), head.code) for head in heads] == [(8, 14), (4, 14)]


def test_a_call_that_its_caller_gave_up_has_not_failed() -> None:
    system = System()
    system.add(1, plain("a", 5 * MS, code=14), at=1000.0)
    system.add(2, plain("a", 9 * MS, code=1), at=1001.0)
    (head,) = rings(system).heads(Wanted(failed=True))
    assert head.code == 14


def test_streams_can_be_left_out() -> None:
    system = System()
    system.add(1, plain("a", 5 * MS), at=1000.0)
    system.add(2, plain("a", 900 * MS, flags=STREAM | KEPT), at=1001.0)
    system.writer("a").keep(2)
    assert [round(head.took * 1e3) for head in rings(system).heads(ALL)] == [900, 5]
    assert [round(head.took * 1e3) for head in rings(system).heads(Wanted(streams=False))] == [5]


def test_a_window_of_the_time_of_day_and_a_method() -> None:
    found = trees(System())
    heads = found.heads(Wanted(methods=frozenset({"shop.Cart/Get"})), latest=True)
    assert len(heads) == 10
    some = found.heads(Wanted(since=heads[3].began_at, until=heads[0].began_at, methods=frozenset({"shop.Cart/Get"})), latest=True)
    assert [head.place for head in some] == [head.place for head in heads[1:4]]
    assert found.heads(Wanted(methods=frozenset({"shop.Cart/Other"}))) == []


def test_traces_by_the_beginning_of_their_ids() -> None:
    found = trees(System())
    assert len(found.with_prefix("00ab")) == 0
    assert len(found.with_prefix("ab")) == 10
    (whole,) = found.with_prefix(f"{0xAB00 << 112 | 7:032x}")
    (trace,) = found.traces(ids=[whole])
    assert trace.root.duration == 8 * MS


def test_only_rows_of_what_is_asked_for_are_unpacked() -> None:
    found = trees(System())
    unpacked = []
    for file in found.files:
        file.row = lambda offset, file=file: unpacked.append(offset) or RingFile.row(file, offset)  # type: ignore[method-assign]
    found.traces([found.heads(ALL, most=1)[0].place])
    assert len(unpacked) == 3


def test_a_call_without_a_trace_is_found_with_what_it_called() -> None:
    writer = ring.Writer(None, service="a", rows=8)
    for serial, took in ((1, 5), (2, 90), (3, 7)):
        writer.write(Kind.SERVER, 0, 0, 0, 1.0, b"", serial, 1, 0, 0, 0, 0, *marks(0, 0, 0, 0, took, took), 0, 0)
    trace = b"00-" + b"ab" * 16 + b"-" + b"cd" * 8
    writer.write(Kind.ATTEMPT, 0, 0, 0, 1.0, trace, 2, 1, 0, 0, 0, 0, *marks(0, 0, 0, 9, 9, 9), 0, 0)
    writer.write(Kind.ATTEMPT, 0, 0, 0, 1.00005, b"", 2, 1, 0, 0, 0, 0, *marks(0, 0, 0, 9, 9, 9), 0, 0)
    found = Rings([RingFile(bytes(writer.buffer), "a.ring")])
    (one,) = found.traces([found.heads(ALL, most=1)[0].place])
    assert (one.trace_id, one.root.duration, len(one.root.calls)) == ("ab" * 16, 90, 2)  # type: ignore[union-attr]


def test_a_kept_row_counts_once_and_stays_when_the_ring_has_turned() -> None:
    system = System(rows=8)
    system.add(1, Received("a", marks(0, 0, 0, 0, 50, 50)))
    system.writer("a").keep(1)
    assert len(rings(system).heads(ALL)) == 1
    for number in range(20):
        system.add(2 + number, plain("a", 5))
    found = rings(system)
    assert (len(found.heads(ALL)), round(found.heads(ALL, most=1)[0].took * 1e6)) == (9, 50)
    assert round(max(head.took for head in found.heads(Wanted(unbiased=True))) * 1e6) == 5
    (trace,) = found.traces([found.heads(ALL, most=1)[0].place])
    assert trace.root.duration == 50


def test_of_a_ring_that_has_turned_one_trace_in_many_is_the_sample() -> None:
    system = System(rows=64)
    for number in range(30):
        system.add(1 << 100 | (1 << 56) - 1 - number, plain("a", 7))  # the highest low 56 bits: one of many
        if number < 6:
            system.writer("a").keep(number + 1)
    found = rings(system)
    assert [(len(heads), some) for heads, some in [found.sample(ALL, 5)]] == [(30, False)]
    system.add(5, plain("a", 90))
    system.writer("a").keep(31)
    for number in range(64):
        system.add(number + 1000, plain("a", 5))
    found = rings(system)
    heads, some = found.sample(ALL, 5)
    assert (some, len(heads), {round(head.took * 1e6) for head in heads}) == (True, 6, {7})
    heads, some = found.sample(ALL, 7)
    assert (some, {round(head.took * 1e6) for head in heads}) == (False, {7, 5})
    assert len(found.heads(ALL)) == 64 + 7


def test_the_rings_of_one_process_are_one() -> None:
    """Serial numbers are those of a process, and two rings may have the same row."""
    system = System()
    system.add(1, plain("a", 50, once(0, plain("a", 40))))
    data = bytes(system.writer("a").buffer)
    (trace,) = Rings([RingFile(data, "/x/a-1.ring"), RingFile(data, "/x/a-1.kept.ring")]).traces(ids=[b"%032x" % 1])
    assert len(trace.roots) == 1
    (twice,) = Rings([RingFile(data, "/x/a-1.ring"), RingFile(data, "/x/a-2.ring")]).traces(ids=[b"%032x" % 1])
    assert len(twice.roots) == 2


@pytest.mark.parametrize("text", ["", "not a ring", "TOWPATHR"])
def test_a_file_that_is_no_ring(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.ring"
    path.write_text(text)
    with pytest.raises(SetupError, match=r"a\.ring is not the file of a flight recorder"):
        opened(path)


def test_a_ring_without_a_row() -> None:
    system = System()
    system.writer("a")
    found = rings(system)
    assert (found.heads(ALL), found.with_prefix("0"), found.traces(ids=[bytes(32)])) == ([], [], [])
