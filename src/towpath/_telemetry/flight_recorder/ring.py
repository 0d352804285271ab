"""The file of a flight recorder: a header, the names that its rows refer to, a ring of rows, and a ring of copies of those that are kept.

One process writes it, by a memory map. Others read it at any time: while the writer's event loop is blocked, and after the writer was
killed, since what was written to the map is in the file. Only the owner may read or write the file.
"""

import mmap
import os
import struct
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from towpath._core import clock
from towpath._core.errors import SetupError
from towpath._telemetry.flight_recorder.row import (
    FLAGS_AT,
    KEPT,
    KIND_AT,
    LAYOUT,
    MARKS,
    NEVER,
    NOT_REACHED,
    NUMBERS,
    SERIAL,
    SERIAL_AT,
    SIZE,
    TRACE_ID_AT,
    Kind,
    Row,
    unpacked,
)

MAGIC: Final = b"TOWPATHR"
VERSION: Final = 1
"""Of the header, the names and the rows. A reader takes no file of another version."""

DEFAULT_ROWS: Final = 32_768
"""Rows of a ring: 4 MiB, which are had from the start."""

_HEADER: Final = struct.Struct("<8s HH I I I dd 64s")
"""magic; version, bytes of a row; rows; bytes for names; process; the monotonic clock and the time of day at one instant; service."""
_HEADER_SIZE: Final = 4096
_NAMES_USED: Final = struct.Struct("<I")
_NAMES_USED_AT: Final = 1024
_KEPT_ROWS: Final = struct.Struct("<I")
_KEPT_ROWS_AT: Final = 1028
_KEPT_SHARE: Final = 4
"""There is a kept row for each so many rows."""
_NAMES_SIZE: Final = 1 << 18
_SEARCHED: Final = 8192
"""Rows that are searched for those of a call, which takes 0.1 ms, or of a trace: a megabyte, which takes 0.3 ms (measured)."""

_MOST_FOUND: Final = 64
"""Such rows that are found at most."""

_LENGTH: Final = struct.Struct("<H")
_LONGEST_NAME: Final = 255  # bytes
_MOST_NAMES: Final = 0xFFFF
_UNWRITTEN: Final = bytes(4)

OTHER: Final = 1
"""The name `_OTHER`, which stands for all names that came when there was no room."""


class Writer:
    """The ring of this process. It is for the event loop's thread, and for that of the calls of sync clients: a row is written in one step.

    `path` is created with the rights of its owner alone; None keeps the ring in memory, where only this process reads it. Raises SetupError
    if the file cannot be made.
    """

    __slots__ = (
        "_first_kept",
        "_ids",
        "_kept",
        "_names_end",
        "_naming",
        "buffer",
        "first_row",
        "kept_rows",
        "mask",
        "names",
        "number",
        "path",
    )

    def __init__(self, path: Path | None, *, service: str = "", rows: int = DEFAULT_ROWS) -> None:
        if rows < 1 or rows & (rows - 1):
            raise ValueError(f"rows is {rows}; give a power of two")
        self.path = path
        self.mask: Final = rows - 1
        self.first_row: Final = _HEADER_SIZE + _NAMES_SIZE
        self._first_kept: Final = self.first_row + rows * SIZE
        self.kept_rows: Final = max(1, rows // _KEPT_SHARE)
        self._kept = 0
        self.buffer = _mapped(path, self._first_kept + self.kept_rows * SIZE)
        """The memory of the file."""
        self.number = 0
        """The number of the row that was written last."""
        self.names: Final[list[str]] = []
        """What the indexes of names mean."""
        self._ids: dict[str, int] = {}
        self._names_end = 0
        self._naming = threading.Lock()
        _HEADER.pack_into(
            self.buffer,
            0,
            MAGIC,
            VERSION,
            SIZE,
            rows,
            _NAMES_SIZE,
            os.getpid(),
            clock.now(),
            time.time(),
            service.encode(errors="replace")[:64],
        )
        _KEPT_ROWS.pack_into(self.buffer, _KEPT_ROWS_AT, self.kept_rows)
        self.intern("")
        self.intern("_OTHER")

    def intern(self, name: str) -> int:
        """The index of `name` in the file, where it is written on first use; `OTHER` where there is no room for another one."""
        known = self._ids.get(name)
        if known is not None:
            return known
        with self._naming:
            return self._named(name)

    def _named(self, name: str) -> int:
        """`intern` of a name that was not there a moment ago."""
        known = self._ids.get(name)
        if known is not None:
            return known
        encoded = name.encode(errors="replace")[:_LONGEST_NAME]
        end = self._names_end + _LENGTH.size + len(encoded)
        if len(self._ids) > _MOST_NAMES or end > _NAMES_SIZE:
            return OTHER
        at = _HEADER_SIZE + self._names_end
        _LENGTH.pack_into(self.buffer, at, len(encoded))
        self.buffer[at + _LENGTH.size : _HEADER_SIZE + end] = encoded
        _NAMES_USED.pack_into(self.buffer, _NAMES_USED_AT, end)  # last: a reader never sees half a name
        self._names_end = end
        index = self._ids[name] = len(self._ids)
        self.names.append(name)
        return index

    def write(self, kind: int, code: int, *values: Any) -> None:
        """Write one row: what `LAYOUT` has between its two numbers, with marks as a `Row` has them."""
        number = self.number = self.number % NUMBERS + 1
        marks = [NEVER if mark == NOT_REACHED else mark / 1e6 for mark in values[-MARKS - 2 : -2]]
        at = self.first_row + (number & self.mask) * SIZE
        LAYOUT.pack_into(self.buffer, at, number, kind, code, *values[: -MARKS - 2], *marks, *values[-2:], number)

    def row_at(self, number: int) -> int:
        """Where the row with `number` is, unless a later one has taken its place."""
        return self.first_row + (number & self.mask) * SIZE

    def keep(self, number: int) -> None:
        """Copy the row with `number` to where other rows do not push it out, and say in both that it is kept. Does nothing if it is there
        already."""
        at, buffer = self.row_at(number), self.buffer
        if not buffer[at + FLAGS_AT] & KEPT:
            buffer[at + FLAGS_AT] |= KEPT
            kept = self._first_kept + self._kept % self.kept_rows * SIZE
            buffer[kept : kept + SIZE] = buffer[at : at + SIZE]
            self._kept += 1

    def kept(self) -> Iterator[Row]:
        """The rows that are kept, in the order in which they were."""
        for index in range(max(0, self._kept - self.kept_rows), self._kept):
            row = unpacked(self.buffer, self._first_kept + index % self.kept_rows * SIZE)
            if row is not None:
                yield row

    def with_serial(self, serial: int) -> list[int]:
        """The numbers of the client's rows, among the last `_SEARCHED`, of calls that were made for the received call with `serial`."""
        wanted, buffer, found = SERIAL.pack(serial), self.buffer, list[int]()
        for first, end in self._latest():
            # One byte of each row tells most of them apart. To search all bytes for four takes ten times as long.
            lowest = buffer[first + SERIAL_AT : end : SIZE]
            at = lowest.find(wanted[:1])
            while at >= 0 and len(found) < _MOST_FOUND:
                row = first + at * SIZE
                if buffer[row + SERIAL_AT : row + SERIAL_AT + SERIAL.size] == wanted and buffer[row + KIND_AT] != Kind.SERVER:
                    found.append(SERIAL.unpack_from(buffer, row)[0])
                at = lowest.find(wanted[:1], at + 1)
        return found

    def with_trace(self, trace_id: bytes) -> list[int]:
        """The numbers of the rows, among the last `_SEARCHED`, with this trace id in hex."""
        buffer, found = self.buffer, list[int]()
        for first, end in self._latest():
            at = buffer.find(trace_id, first, end)
            while at >= 0 and len(found) < _MOST_FOUND:
                row = at - TRACE_ID_AT
                if (row - first) % SIZE == 0:
                    found.append(SERIAL.unpack_from(buffer, row)[0])
                at = buffer.find(trace_id, at + 1, end)
        return found

    def _latest(self) -> list[tuple[int, int]]:
        """Where the rows are that are searched, in one part or two: from the first byte to behind the last."""
        # Where the numbers began anew a moment ago, what is before is not searched.
        first, end = self.row_at(max(self.number - min(_SEARCHED, self.mask), 0)), self.row_at(self.number) + SIZE
        return [(first, end)] if first < end else [(first, self._first_kept), (self.first_row, end)]

    def forked(self) -> None:
        """In a child process: go on in memory of its own, since the file is the parent's."""
        buffer = mmap.mmap(-1, len(self.buffer))
        used = _HEADER_SIZE + self._names_end
        buffer[:used] = self.buffer[:used]
        self.buffer, self.path = buffer, None
        self._naming = threading.Lock()  # another thread of the parent's may hold the one from before

    def close(self) -> None:
        """Remove the file. The memory goes with the last call that writes to it."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class Recording(NamedTuple):
    """What a ring held when it was read."""

    service: str
    process: int
    rows: tuple[Row, ...]
    """In the order in which they were written, the latest ones and those that are kept of earlier ones."""
    names: tuple[str, ...]
    monotonic: float
    time_of_day: float
    """The time of day, in seconds since 1970, at `monotonic` of the process' clock."""

    def name(self, index: int) -> str:
        """The name that a row refers to."""
        return self.names[index] if index < len(self.names) else "_OTHER"


class Frame(NamedTuple):
    """What a ring says of itself, and where its rows are."""

    service: str
    process: int
    monotonic: float
    time_of_day: float
    names: tuple[str, ...]
    first: int
    """Where the first place for a row is, in bytes."""
    ring: int
    """How many rows there can be that are in the order of the calls' ends. Copies of rows that are kept are behind them."""
    places: int
    """How many rows there can be with those that are kept."""

    @property
    def kept_at(self) -> int:
        """Where the first copy of a kept row is, in bytes."""
        return self.first + self.ring * SIZE

    def recording(self, rows: Iterable[Row]) -> Recording:
        """The recording with `rows`."""
        return Recording(self.service, self.process, tuple(rows), self.names, self.monotonic, self.time_of_day)


def copied(writer: Writer, after: int = 0, trace_ids: Sequence[bytes] = (), *, kept: bool = False) -> tuple[Recording, bytes]:
    """The rows of `writer`, in order and as they are packed, beside what they refer to: those with a number behind `after`, which is 0 or
    the number of a row that was read before, and of these traces alone, each in 32 hex digits, if any are given. With `kept` they are the
    copies of rows that are kept, of which a reader with all rows has some twice."""
    rows, number, buffer = writer.mask + 1, writer.number, writer.buffer
    end = writer.first_row + rows * SIZE
    if kept:
        data = buffer[end:]
    else:
        newer = min(rows, (number - after) % NUMBERS if after else NUMBERS)
        start = writer.row_at(number - newer + 1)
        data = (buffer[start:end] + buffer[writer.first_row : start])[: newer * SIZE]
    if trace_ids:
        data = b"".join(_rows_of(data, trace_ids))
    elif data[:4] == _UNWRITTEN or kept:  # a ring that is full has no place without a row, and this would keep the loop for milliseconds
        data = b"".join(data[at : at + SIZE] for at in range(0, len(data), SIZE) if data[at : at + 4] != _UNWRITTEN)
    of = frame(memoryview(buffer), "the flight recorder of this process")
    return of.recording(()), data


def _rows_of(data: bytes, trace_ids: Sequence[bytes]) -> Iterator[bytes]:
    found: set[int] = set()
    for trace_id in trace_ids:
        at = data.find(trace_id)
        while at >= 0:
            if at % SIZE == TRACE_ID_AT:
                found.add(at - TRACE_ID_AT)
            at = data.find(trace_id, at + 1)
    for at in sorted(found):
        yield data[at : at + SIZE]


def read(path: Path) -> Recording:
    """All rows of the ring at `path`, also of a process that writes it or has died. Raises SetupError if the file is no ring of this
    version."""
    return parsed(contents(path), str(path))


def contents(path: Path) -> bytes:
    """The bytes of the file. Raises SetupError if they cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read()
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}; name the file of a flight recorder") from error


def parsed(data: bytes | memoryview, source: str) -> Recording:
    """The ring in `data`. Raises SetupError, which names `source`."""
    of = frame(data, source)
    # A kept row stands in both places for as long as there is room for all. The copies come last, so they are read first.
    places = range(of.first + (of.places - 1) * SIZE, of.first - SIZE, -SIZE)
    every = {row.number: row for at in places if (row := unpacked(data, at)) is not None}
    found = sorted(every.values(), key=lambda row: row.number)
    if found and found[-1].number - found[0].number > NUMBERS // 2:  # the numbers began anew
        found.sort(key=lambda row: (row.number + NUMBERS // 2) % NUMBERS)
    return of.recording(found)


def frame(data: bytes | memoryview, source: str) -> Frame:
    """What the ring in `data` says of itself. Raises SetupError, which names `source`, if it is no ring of this version or cut off."""
    if len(data) < _HEADER_SIZE or bytes(data[: len(MAGIC)]) != MAGIC:
        raise SetupError(f"{source} is not the file of a flight recorder")
    _, version, size, rows, names_size, process, monotonic, time_of_day, service = _HEADER.unpack_from(data)
    if version != VERSION or size != SIZE:
        raise SetupError(
            f"{source} is the file of a flight recorder of version {version}, and this towpath reads version {VERSION}; "
            "use the version of towpath that wrote it"
        )
    first = _HEADER_SIZE + names_size
    (kept,) = _KEPT_ROWS.unpack_from(data, _KEPT_ROWS_AT)
    size = first + (rows + kept) * SIZE
    if rows < 1 or len(data) < size:
        raise SetupError(f"{source} is cut off: it has {len(data)} bytes of {size}")
    names = tuple(_names(data, names_size))
    return Frame(service.rstrip(b"\0").decode(errors="replace"), process, monotonic, time_of_day, names, first, rows, rows + kept)


def _names(data: bytes | memoryview, names_size: int) -> Iterator[str]:
    (used,) = _NAMES_USED.unpack_from(data, _NAMES_USED_AT)
    at, end = _HEADER_SIZE, _HEADER_SIZE + min(used, names_size)
    while at + _LENGTH.size <= end:
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        yield bytes(data[at : min(at + length, end)]).decode(errors="replace")
        at += length


def _mapped(path: Path | None, size: int) -> mmap.mmap:
    if path is None:
        return mmap.mmap(-1, size)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # Memory that cannot be had must fail here: a write to a map whose file has no room kills the process (SIGBUS).
            if sys.platform == "linux":
                os.posix_fallocate(descriptor, 0, size)
            else:
                os.ftruncate(descriptor, size)
            return mmap.mmap(descriptor, size)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SetupError(f"the flight recorder's file {path} cannot be made: {error.strerror}; set telemetry.recorder_directory") from error
