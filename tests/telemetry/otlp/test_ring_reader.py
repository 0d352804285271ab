"""Rows of sampled calls, taken out of a ring that goes on being written."""

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.telemetry.otlp.rows import write
from tests.telemetry.otlp.test_spans import attributes, spans
from towpath._core import clock
from towpath._core.propagation.span_ids import own_span_id
from towpath._telemetry.flight_recorder.ring import Writer
from towpath._telemetry.flight_recorder.row import KEPT, NUMBERS, SAMPLED, Kind
from towpath._telemetry.otlp.export_metrics import ExportMetrics
from towpath._telemetry.otlp.ring_reader import HOLD, SLICE, RingReader
from towpath._telemetry.otlp.spans import SpanWriter


class Read:
    """A ring, its reader, and the spans that came of it."""

    def __init__(self, *, rows: int = 64, kept: bool = False, number: int = 0) -> None:
        self.ring = Writer(None, rows=rows)
        self.ring.number = number
        self.metrics = ExportMetrics(None, 0, int)
        self.writer = SpanWriter(self.ring.names.__getitem__, epoch=0)
        self.reader = RingReader(self.ring, self.writer, self.metrics, kept=kept)
        self.got: list[bytes] = []

    def all(self, room: int = 1000) -> list[Span]:
        while self.reader.take(room - len(self.got), self.got.append):
            pass
        self.reader.release(self.got.append)
        return self.spans()

    def spans(self) -> list[Span]:
        found = spans(*self.got)
        self.got.clear()
        return found


def serials(found: list[Span]) -> list[int]:
    """The serial numbers of received calls."""
    known = {own_span_id(serial).to_bytes(8, "big"): serial for serial in range(1000)}
    return [known[span.span_id] for span in found]


def test_only_rows_of_sampled_calls_are_taken_and_each_once() -> None:
    read = Read()
    for serial in range(20):
        write(read.ring, Kind.SERVER, serial=serial, flags=SAMPLED if serial % 3 == 0 else KEPT)
    assert serials(read.all()) == [0, 3, 6, 9, 12, 15, 18]
    assert read.all() == []
    write(read.ring, Kind.SERVER, serial=21)
    assert serials(read.all()) == [21]


def test_by_setting_kept_calls_are_taken_too() -> None:
    read = Read(kept=True)
    for serial, flags in enumerate((SAMPLED, KEPT, 0, KEPT | 4)):
        write(read.ring, Kind.SERVER, serial=serial, flags=flags)
    assert serials(read.all()) == [0, 1, 3]


def test_what_was_written_before_is_not_taken() -> None:
    read = Read()
    write(read.ring, Kind.SERVER, serial=1)
    read.reader = RingReader(read.ring, read.writer, read.metrics, kept=False)
    write(read.ring, Kind.SERVER, serial=2)
    assert serials(read.all()) == [2]


@pytest.mark.parametrize("start", [0, 5, NUMBERS - 40, NUMBERS - 1, NUMBERS])
def test_a_ring_is_read_around_its_end_and_that_of_its_numbers(start: int) -> None:
    read = Read(number=start)
    for turn in range(10):
        for serial in range(30):
            write(read.ring, Kind.SERVER, serial=100 * turn + serial)
        assert serials(read.all()) == [100 * turn + serial for serial in range(30)]
    assert read.metrics.dropped == 0


@pytest.mark.parametrize("start", [0, NUMBERS - 70])
def test_rows_that_were_overwritten_unread_are_counted(start: int) -> None:
    read = Read(number=start)
    for serial in range(100):
        write(read.ring, Kind.SERVER, serial=serial)
    found = serials(read.all())
    lost = read.metrics.processed["overwritten"]
    assert found == list(range(100))[-len(found) :]
    assert len(found) + lost == 100
    assert len(found) in (63, 64)  # no row has the number 0


def test_without_room_rows_wait_in_the_ring_and_the_older_half_is_dropped_and_counted() -> None:
    read = Read()
    for serial in range(40):
        write(read.ring, Kind.SERVER, serial=serial, flags=SAMPLED if serial % 2 else 0)
    assert not read.reader.take(0, read.got.append)
    assert (read.reader.behind, read.metrics.processed) == (32, {"": 0, "queue_full": 4})
    assert not read.reader.take(0, read.got.append)
    assert serials(read.all(10)) == list(range(9, 29, 2))
    assert serials(read.all(10)) == list(range(29, 40, 2))
    assert read.metrics.dropped == 4


def test_one_turn_of_the_loop_takes_no_more_than_a_slice() -> None:
    read = Read(rows=1024)
    for serial in range(600):
        write(read.ring, Kind.SERVER, serial=serial)
    assert read.reader.take(1000, read.got.append)
    assert len(read.got) == SLICE
    assert read.reader.take(1000, read.got.append)
    assert not read.reader.take(1000, read.got.append)
    assert len(read.got) == 600


def test_what_is_left_at_the_end_is_counted() -> None:
    read = Read()
    for serial in range(100):
        write(read.ring, Kind.SERVER, serial=serial, flags=SAMPLED if serial % 2 else 0)
    assert read.reader.skip() == 32
    assert (read.reader.behind, read.metrics.processed["overwritten"]) == (0, 36)


@pytest.mark.parametrize(
    ("trace", "span"),
    [("x" * 32, "1" * 16), ("0" * 32, "1" * 16), ("1" * 32, "0" * 16), ("1" * 32, "\u20ac" * 5 + "1"), ("1" * 31 + "\0", "1" * 16)],
)
def test_what_is_no_trace_of_a_caller_is_counted_and_harms_no_other(trace: str, span: str) -> None:
    read = Read()
    write(read.ring, Kind.SERVER, trace=trace, span=span)
    write(read.ring, Kind.SERVER, serial=3)
    assert serials(read.all()) == [3]
    assert read.metrics.processed == {"": 0, "malformed": 1}


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def held() -> Clock:
    return Clock()


def test_a_call_with_one_attempt_is_one_span_at_the_next_look(held: Clock) -> None:
    with clock.using(held.now):
        read = Read()
        write(read.ring, Kind.ATTEMPT)
        assert read.all() == []
        held.seconds += 0.1
        (span,) = read.all()
    assert "towpath.attempts" not in attributes(span)


def test_a_first_attempt_that_failed_waits_for_others(held: Clock) -> None:
    with clock.using(held.now):
        read = Read()
        write(read.ring, Kind.ATTEMPT, code=14, span="1" * 16)
        assert read.all() == []
        held.seconds += HOLD / 2
        assert read.all() == []
        write(read.ring, Kind.ATTEMPT, attempt=1, span="2" * 16)
        write(read.ring, Kind.CALL, attempt=2, span="1" * 16)
        first, second, call = read.all()
    assert call.span_id == first.parent_span_id == second.parent_span_id
    assert (first.span_id.hex(), second.span_id.hex()) == ("1" * 16, "2" * 16)


def test_a_first_attempt_that_failed_for_good_is_the_call(held: Clock) -> None:
    with clock.using(held.now):
        read = Read()
        write(read.ring, Kind.ATTEMPT, code=14)
        assert read.all() == []
        held.seconds += HOLD
        (span,) = read.all()
        assert (span.parent_span_id, read.reader.held) == (own_span_id(7).to_bytes(8, "big"), 0)


def test_an_attempt_that_ends_after_its_call_is_below_it(held: Clock) -> None:
    with clock.using(held.now):
        read = Read()
        write(read.ring, Kind.ATTEMPT, attempt=1, span="2" * 16)
        write(read.ring, Kind.CALL, attempt=2)
        write(read.ring, Kind.ATTEMPT, attempt=0, code=1, span="1" * 16)
        second, call, first = read.all()
        assert call.span_id == first.parent_span_id == second.parent_span_id
        held.seconds += 2 * HOLD
        read.all()
        write(read.ring, Kind.ATTEMPT, attempt=0, span="3" * 16)
        read.all()
        held.seconds += 1
        (other,) = read.all()
        assert other.parent_span_id != call.span_id


def test_calls_of_two_tasks_at_one_instant_are_two(held: Clock) -> None:
    with clock.using(held.now):
        read = Read()
        write(read.ring, Kind.ATTEMPT, branch=1, span="1" * 16)
        write(read.ring, Kind.ATTEMPT, branch=2, span="2" * 16)
        write(read.ring, Kind.CALL, branch=2, attempt=2)
        second, call = read.all()
        held.seconds += 1
        (first,) = read.all()
    assert second.parent_span_id == call.span_id != first.parent_span_id


def test_not_more_than_so_many_attempts_are_held() -> None:
    read = Read(rows=8192)
    for base in range(8000):
        write(read.ring, Kind.ATTEMPT, base=float(base), code=14)
    got = read.all(10_000)
    assert len(got) + read.reader.held == 8000
    assert read.reader.held <= 4096
