"""Finds traces in the rings of several processes, without unpacking more rows than those of the traces that are asked for.

A ring has tens of thousands of rows, and ten of them are searched in a fraction of a second: a column of all rows, such as how long each
call took, is one slice of the file's memory.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import nlargest
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple

from towpath._core.errors import Code
from towpath._telemetry.flight_recorder import ring
from towpath._telemetry.flight_recorder.keeping import is_one_of_many
from towpath._telemetry.flight_recorder.row import SIZE, STREAM, Kind, Row, unpacked
from towpath._telemetry.traces.assembly import assembled
from towpath._telemetry.traces.model import Trace

_TRACE_AT: Final = 19  # number, kind to attempt, base, and "00-" of the traceparent
_FLAGS_AT: Final = 6  # number, kind and code
_NOT_FAILED: Final = (0, Code.CANCELLED)
_NO_TRACE: Final = bytes(32)
_HEX: Final = re.compile(b"[0-9a-f]{32}")


class Place(NamedTuple):
    """Where a row is."""

    file: int
    """The index of the ring."""
    offset: int
    """Bytes in its data."""


class Head(NamedTuple):
    """A received call, or a client's call that was made for none, at a glance."""

    took: float
    """Seconds; less than 0 if that is not known."""
    place: Place
    began_at: float
    """The time of day in seconds since 1970, as its process believed."""
    code: int


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which calls are looked for."""

    since: float = float("-inf")
    """The time of day from which they began, in seconds since 1970."""
    until: float = float("inf")
    methods: frozenset[str] | None = None
    """None for all."""
    failed: bool = False
    """Only those with another status than OK, without those that their callers gave up (CANCELLED)."""
    streams: bool = True
    """Whether streams count too, which last for as long as somebody wants them."""
    files: frozenset[int] | None = None
    """The indexes of the rings that count; None for all."""
    unbiased: bool = False
    """Without those that are there only because they were slow or failed: they say nothing of what is usual. Those that are kept because
    their trace is one of `keeping.ONE_IN` count."""


class RingFile:
    """What one ring held when it was read."""

    def __init__(self, data: bytes, source: str) -> None:
        self.frame: Final = ring.frame(data, source)
        self.data: Final = data
        self.source: Final = source
        """The path, which tells rings of one process by their names."""
        self._rows: Final = memoryview(data)[self.frame.first : self.frame.first + self.frame.places * SIZE]

    def heads(self, wanted: Wanted) -> list[tuple[float, int, float, int]]:
        """Of the received calls, and the client's calls that were made for none, which are `wanted`: how long each took, where its row is,
        when it began by the time of day, and its status."""
        frame = self.frame
        methods = frozenset[int]()
        if wanted.methods is not None:
            methods = frozenset(number for number, name in enumerate(frame.names) if name in wanted.methods)
            if not methods:
                return []
        to_day = frame.time_of_day - frame.monotonic
        places = range(frame.first, frame.first + frame.places * SIZE, SIZE)
        low, high = wanted.since - to_day, wanted.until - to_day
        found = [
            (took, at, base, code, method)
            for at, kind, code, base, serial, method, took in zip(
                places, self.kinds, self.codes, self.bases, self.serials, self.methods, self.took, strict=True
            )
            if kind and (kind == 1 or not serial) and low <= base < high
        ]
        copies = frame.kept_at
        if found and found[-1][1] >= copies:
            there = self._numbers(copies)
            found = [
                head
                for head in found
                if head[1] < copies
                or (self._number(head[1]) not in there and (not wanted.unbiased or is_one_of_many(b"00-" + self.trace_at(head[1]))))
            ]
        if wanted.failed:
            found = [head for head in found if head[3] not in _NOT_FAILED]
        if not wanted.streams:
            flags = self._rows[_FLAGS_AT::SIZE]
            found = [head for head in found if not flags[(head[1] - frame.first) // SIZE] & STREAM]
        if wanted.methods is not None:
            found = [head for head in found if head[4] in methods]
        return [(took, at, base + to_day, code) for took, at, base, code, _ in found]

    @cached_property
    def kinds(self) -> bytes:
        """The kind of the row in each place; 0 where there is none."""
        return bytes(self._rows[4::SIZE])

    @property
    def codes(self) -> bytes:
        """The status of each row."""
        return bytes(self._rows[5::SIZE])

    @property
    def bases(self) -> Sequence[float]:
        """The base of each row."""
        return self._rows.cast("d")[1 :: SIZE // 8].tolist()

    @property
    def serials(self) -> list[int]:
        """The serial number of each row."""
        return self._rows.cast("I")[17 :: SIZE // 4].tolist()

    @property
    def methods(self) -> list[int]:
        """The method of each row, as an index into the names."""
        return self._rows.cast("H")[38 :: SIZE // 2].tolist()

    @property
    def took(self) -> Sequence[float]:
        """How long each call or attempt took, in seconds, less than 0 if that is not known: `ServerMark.WRITTEN` and `ClientMark.RESUMED`
        have one place."""
        return self._rows.cast("f")[26 :: SIZE // 4].tolist()

    @property
    def traces(self) -> list[bytes]:
        """The trace of each row, 32 digits."""
        first, data = self.frame.first + _TRACE_AT, self.data
        return [data[at : at + 32] for at in range(first, first + self.frame.places * SIZE, SIZE)]

    def offsets_of(self, wanted: AbstractSet[bytes]) -> list[int]:
        """Where the rows of these traces are."""
        first, end = self.frame.first + _TRACE_AT, self.frame.first + self.frame.places * SIZE
        # The first eight digits of each trace as one number: a slice of bytes for each row takes ten times as long.
        digits = memoryview(self.data)[first : end - SIZE + _TRACE_AT + 8].cast("Q")[:: SIZE // 8].tolist()
        begin = {int.from_bytes(trace[:8], sys.byteorder) for trace in wanted}
        offsets = [index * SIZE + self.frame.first for index, number in enumerate(digits) if number in begin]
        return [offset for offset in offsets if self.data[offset + 4] and self.trace_at(offset) in wanted]

    def _numbers(self, copies: int) -> frozenset[int]:
        """The numbers of all rows before the copies of kept ones."""
        return frozenset(self._rows[: copies - self.frame.first].cast("I")[:: SIZE // 4].tolist())

    def _number(self, offset: int) -> int:
        return int.from_bytes(self.data[offset : offset + 4], "little")

    def trace_at(self, offset: int) -> bytes:
        """The trace of the row there, 32 digits."""
        return self.data[offset + _TRACE_AT : offset + _TRACE_AT + 32]

    def row(self, offset: int) -> Row | None:
        """The row there; None if it was being written."""
        return unpacked(self.data, offset)


class Rings:
    """The rings of several processes."""

    def __init__(self, files: Sequence[RingFile]) -> None:
        self.files: Final = files

    def heads(self, wanted: "Wanted", *, most: int | None = None, latest: bool = False) -> list[Head]:
        """The received calls, and the client's calls that were made for none, that are `wanted`: of the slowest or the latest `most`, the
        first of these first."""
        order = itemgetter(2 if latest else 0)
        found = list[tuple[float, Place, float, int]]()
        for index, file in enumerate(self.files):
            if wanted.files is not None and index not in wanted.files:
                continue
            of_file = file.heads(wanted)
            if most is not None:
                of_file = nlargest(most, of_file, key=order)
            found += [(took, Place(index, at), began_at, code) for took, at, began_at, code in of_file]
        found.sort(key=order, reverse=True)
        return [Head._make(head) for head in found[:most]]

    def trace_of(self, place: Place) -> bytes:
        """The trace of the row there."""
        return self.files[place.file].trace_at(place.offset)

    def sample(self, wanted: Wanted, fewest: int) -> tuple[list[Head], bool]:
        """What is `wanted` and says what is usual, and whether that is one trace of `keeping.ONE_IN`.

        All calls count that the rings still have. If that is not all of the time asked for, those of one trace in so many do, if they are
        at least `fewest`: else the last seconds would count a thousandfold.
        """
        heads = self.heads(replace(wanted, unbiased=True))
        if all(head.place.offset < self.files[head.place.file].frame.kept_at for head in heads):
            return heads, False
        some = [head for head in heads if is_one_of_many(b"00-" + self.trace_of(head.place))]
        return (some, True) if len(some) >= fewest else (heads, False)

    def with_prefix(self, prefix: str) -> list[bytes]:
        """The ids of traces that begin so, in order."""
        beginning = prefix.encode("ascii", "replace")
        return sorted(
            {
                trace
                for file in self.files
                for kind, trace in zip(file.kinds, file.traces, strict=True)
                if kind and trace.startswith(beginning) and _HEX.fullmatch(trace)
            }
        )

    def traces(self, places: Iterable[Place] = (), ids: Iterable[bytes] = ()) -> list[Trace]:
        """The traces that the rows at `places` belong to, and those with `ids`, each with all its rows."""
        wanted, single = set(ids), set[Place]()
        for place in places:
            trace = self.trace_of(place)
            if trace == _NO_TRACE:
                single.add(place)
                wanted.update(self._made_for(place, single))
            else:
                wanted.add(trace)
        recordings = list[list[ring.Recording]]()
        by_process: dict[str, list[ring.Recording]] = {}
        for index, file in enumerate(self.files):
            offsets = file.offsets_of(wanted) if wanted else []
            offsets += [place.offset for place in single if place.file == index]
            rows = {row.number: row for at in offsets if (row := file.row(at)) is not None}  # a kept row may stand twice
            recording = file.frame.recording(rows.values())
            key = _process(file.source)
            if key not in by_process:
                recordings.append(by_process.setdefault(key, []))
            by_process[key].append(recording)
        return assembled(recordings)

    def _made_for(self, place: Place, single: set[Place]) -> Iterator[bytes]:
        """The traces that a call without one has begun; calls without one are added to `single`."""
        file = self.files[place.file]
        row = file.row(place.offset)
        if row is None or row.kind != Kind.SERVER:
            return
        first = file.frame.first
        for index, (kind, serial) in enumerate(zip(file.kinds, file.serials, strict=True)):
            if kind > Kind.SERVER and serial == row.serial:
                other = Place(place.file, first + index * SIZE)
                trace = self.trace_of(other)
                if trace == _NO_TRACE:
                    single.add(other)
                else:
                    yield trace


def opened(path: Path) -> RingFile:
    """The ring at `path`. Raises SetupError if it cannot be read, or is none of this version."""
    return RingFile(ring.contents(path), str(path))


def _process(source: str) -> str:
    """What the rings of one process have in common."""
    return source.removesuffix(".ring").removesuffix(".kept")
