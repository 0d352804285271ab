"""Takes the rows of sampled calls out of the recorder's ring, and makes spans of them.

Nothing is done for this while a call is under way: the exporter looks into the ring now and then. A row has its flags at one place, so the
flags of many rows are one slice, in which a regular expression finds the sampled ones. The ring holds what the exporter has no room for.
Only what would soon be overwritten is dropped, and counted.

A call with one attempt is the span of that attempt, while several attempts are spans below that of their call. The row of a first attempt
does not say whether others follow. So it is held back until the next look if it succeeded, and a few seconds if not.
"""

import contextlib
import re
from collections.abc import Callable
from typing import Final

from towpath._core import clock
from towpath._telemetry.flight_recorder.ring import Writer
from towpath._telemetry.flight_recorder.row import KEPT, NUMBERS, SAMPLED, SIZE, Kind
from towpath._telemetry.otlp.export_metrics import MALFORMED, OVERWRITTEN, QUEUE_FULL, ExportMetrics, add
from towpath._telemetry.otlp.spans import VALUES, SpanWriter, Values

SLICE: Final = 256
"""Rows that are made spans of in one turn of the loop: about half a millisecond."""
_FLAGS_AT: Final = 6
_LOOK: Final = 4096
"""Rows whose flags are looked at in one turn."""

HOLD: Final = 5.0
"""Seconds for which a failed first attempt is held back, for its call to be tried again."""
_MOST_HELD: Final = 4096

_Call = tuple[float, bytes, int, int]
"""What the rows of one call share: base, trace, serial, branch."""


class RingReader:
    """Reads the ring of this process on the writer's thread, from the row that is written next. `kept` says whether calls that were kept
    and not sampled have spans, too."""

    def __init__(self, ring: Writer, spans: SpanWriter, metrics: ExportMetrics, *, kept: bool) -> None:
        self._ring: Final = ring
        self._spans: Final = spans
        self._metrics: Final = metrics
        wanted = SAMPLED | KEPT if kept else SAMPLED
        self._wanted: Final = re.compile(b"[%b]" % b"".join(b"\\x%02x" % flags for flags in range(256) if flags & wanted))
        self._read = ring.number
        self._held: Final[dict[_Call, tuple[Values, float]]] = {}
        self._several: Final[dict[_Call, float]] = {}

    @property
    def behind(self) -> int:
        """How many rows were written and not read."""
        return (self._ring.number - self._read) % NUMBERS

    @property
    def rows(self) -> int:
        """How many rows the ring has."""
        return self._ring.mask + 1

    def take(self, room: int, put: Callable[[bytes], None]) -> bool:
        """Give `put` the spans of the next rows: of at most `room` of them, and of no more than one turn of the loop has time for. Returns
        whether more can be taken at once."""
        self._catch_up(room)
        count = min(self.behind, _LOOK)
        if not count or room <= 0:
            return False
        limit = min(room, SLICE)
        now, first = clock.now(), self._read % NUMBERS + 1
        count = self._contiguous(first, count)
        start = self._ring.first_row + (first & self._ring.mask) * SIZE
        buffer, taken, last = self._ring.buffer, 0, count
        for found in self._wanted.finditer(self._flags(first, count)):
            if taken == limit:
                last = found.start()
                break
            taken += 1
            row = VALUES.unpack_from(buffer, start + found.start() * SIZE)
            if row[0] != first + found.start() or row[0] != row[-1]:  # another one is there, or is being written by another thread
                add(self._metrics.processed, OVERWRITTEN, 1)
                continue
            try:
                self._span(row, now, put)
            except ValueError:  # the caller's trace is none, and the call began another
                add(self._metrics.processed, MALFORMED, 1)
        self._read = (first + last - 2) % NUMBERS + 1
        return self.behind > 0 and room > taken

    def release(self, put: Callable[[bytes], None], *, every: bool = False) -> None:
        """Give `put` the first attempts that no other attempt will follow: those that succeeded before this look, those that are held for
        long, or `every` one."""
        now = clock.now()
        for call, (row, since) in list(self._held.items()):
            if every or (since < now if row[1][1] == 0 else now - since >= HOLD) or len(self._held) > _MOST_HELD:
                del self._held[call]
                with contextlib.suppress(ValueError):  # its trace is of this process, and none but by a bug
                    put(self._spans.attempt(row))
        for call, since in list(self._several.items()):
            if now - since < HOLD and len(self._several) <= _MOST_HELD:
                break
            del self._several[call]

    def skip(self) -> int:
        """Go past all that is left. Returns how many spans it would have been."""
        self._catch_up(1)
        left = len(self._held) + self._pass(self.behind)
        self._held.clear()
        return left

    @property
    def held(self) -> int:
        """How many first attempts are held back."""
        return len(self._held)

    def _span(self, row: Values, now: float, put: Callable[[bytes], None]) -> None:
        head = row[1]
        kind = head[0]
        if kind == Kind.SERVER:
            put(self._spans.server(row))
            return
        call = (row[2], row[3], row[5], row[6])
        if kind == Kind.CALL or head[3]:
            self._several.setdefault(call, now)
            first = self._held.pop(call, None)
            if first is not None:
                put(self._spans.attempt(first[0], self._spans.call_span_id(row)))
            put(self._spans.call(row) if kind == Kind.CALL else self._spans.attempt(row, self._spans.call_span_id(row)))
        elif call in self._several:
            put(self._spans.attempt(row, self._spans.call_span_id(row)))
        else:
            self._held[call] = (row, now)

    def _catch_up(self, room: int) -> None:
        """Go past the rows that were overwritten, and, without room, past the older half of a ring that is almost full."""
        lost = self.behind - self.rows
        if lost > 0:
            add(self._metrics.processed, OVERWRITTEN, lost)
            self._read = (self._read + lost - 1) % NUMBERS + 1
        if room > 0:
            return
        dropped = self._pass(self.behind - self.rows // 2)
        if dropped:
            add(self._metrics.processed, QUEUE_FULL, dropped)

    def _pass(self, excess: int) -> int:
        """Go past so many rows. Returns how many spans they would have been."""
        dropped = 0
        while excess > 0:
            first = self._read % NUMBERS + 1
            count = self._contiguous(first, excess)
            dropped += sum(1 for _ in self._wanted.finditer(self._flags(first, count)))
            self._read = (first + count - 2) % NUMBERS + 1
            excess -= count
        return dropped

    def _contiguous(self, first: int, count: int) -> int:
        """How many of `count` rows from the number `first` on are one after the other in memory."""
        return min(count, self.rows - (first & self._ring.mask), NUMBERS - first + 1)

    def _flags(self, first: int, count: int) -> bytes:
        start = self._ring.first_row + (first & self._ring.mask) * SIZE + _FLAGS_AT
        return self._ring.buffer[start : start + count * SIZE : SIZE]
