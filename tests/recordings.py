"""Rings with rows of traces that a test makes up: whole systems, whose processes have clocks of their own.

A `System` is written as its calls would be: a received call has marks on the clock of its process, and a client's call has attempts on the
clock of the caller. What is written are real rings, in memory or in files.
"""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from towpath._telemetry.flight_recorder import ring
from towpath._telemetry.flight_recorder.row import MARKS, NOT_REACHED, Kind

MS = 1000
"""Microseconds."""


def marks(*values: int | None) -> tuple[int, ...]:
    """Marks of a row; None is one that was not reached."""
    found = [NOT_REACHED if value is None else value for value in values]
    return (*found, *[NOT_REACHED] * (MARKS - len(found)))


@dataclass
class Received:
    """A call as its server saw it. `calls` are those that its handler made."""

    service: str
    marks: tuple[int, ...]
    method: str = "shop.Cart/Get"
    code: int = 0
    branch: int = 1
    calls: list["Called"] = field(default_factory=list)
    flags: int = 0
    scale: float = 1.0
    """How much faster than others the clock of this process runs."""
    seen: bool = True


@dataclass
class Tried:
    """An attempt: marks after the beginning of the call, and what a server saw of it."""

    marks: tuple[int, ...]
    received: Received | None = None
    code: int = 0
    number: int | None = None
    seen: bool = True


@dataclass
class Called:
    """A client's call that began `start` microseconds after the received call on whose behalf it was made."""

    start: int
    attempts: list[Tried]
    method: str = "shop.Cart/Get"
    branch: int = 1
    own: tuple[int, ...] | None = None
    """The marks of the call's own row; None if it has none."""
    code: int = 0


def plain(service: str, took: int, *calls: Called, queue: int = 0, delay: int = 0, **more: object) -> Received:
    """A received call of `took` microseconds: let in after `queue`, started after `delay` more."""
    began = queue + delay
    return Received(service, marks(0, queue, began, began, took, took), calls=list(calls), **more)  # type: ignore[arg-type]


def once(start: int, received: Received, *, wire: int = 0, took: int | None = None, **more: object) -> Called:
    """A call that succeeded at once: its server's part and `wire` microseconds."""
    end = (received.marks[5] if took is None else took) + wire
    return Called(start, [Tried(marks(0, 0, 0, end, end, end), received, received.code)], method=received.method, **more)  # type: ignore[arg-type]


def shop(slow: int = 19_200) -> Received:
    """A trace of five services, after an attempt that found no server. The last one took `slow` microseconds, and 1.1 ms in its queue."""
    rank = plain("s7", 1100 + slow, queue=1100, method="rank.v1.Rank/Score")
    offers = plain("s5", rank.marks[5] + 700, once(200, rank, wire=150), method="offers.v1.Offers/List")
    answered = 4900 + offers.marks[5] + 900
    tried = [Tried(marks(0, 0, 0, 300, 300, 300), None, 14), Tried(marks(4900, 4900, 4900, answered, answered, answered + 100), offers)]
    listed = Called(2000, tried, method=offers.method, own=marks(0, 0, 0, 0, 0, answered + 100))
    search = plain("s3", answered + 3200, listed, queue=1100, method="search.v1.Search/Find")
    auth = once(100, plain("s2", 6100, method="auth.v1.Auth/Check"), branch=5, wire=200)
    return plain("s1", search.marks[5] + 1300, auth, once(300, search, wire=300, branch=6), method="front.v1.Front/Get")


class System:
    """The rings of several processes, by service. `skews` are seconds by which the clock of a service is off."""

    def __init__(
        self,
        skews: dict[str, float] | None = None,
        *,
        folder: Path | None = None,
        rows: int = 64,
        now: float | None = None,
        at: float = 1000.0,
    ) -> None:
        self.rings: dict[str, ring.Writer] = {}
        self._skews, self._folder, self._rows = skews or {}, folder, rows
        self._serials, self._spans = count(1), count(1)
        self.at = at
        """When the next trace begins, in seconds of a clock that is not skewed."""

    def writer(self, service: str) -> ring.Writer:
        """The ring of the process that is the service."""
        writer = self.rings.get(service)
        if writer is None:
            path = None if self._folder is None else self._folder / f"{service}-{4000 + len(self.rings)}.ring"
            writer = self.rings[service] = ring.Writer(path, service=service, rows=self._rows)
        return writer

    def add(self, trace: int, root: Received, *, at: float | None = None) -> None:
        """Write the rows of a trace: those that were done first come first."""
        began = self.at if at is None else at
        # Without recursion, since a trace may be 10,000 calls deep: callers are written after what they called.
        todo: list[tuple[Received, bytes, float]] = [(root, self._head(trace), began)]
        rows: list[tuple[str, tuple[object, ...]]] = []
        while todo:
            received, head, base = todo.pop()
            serial = next(self._serials)
            base += self._skews.get(received.service, 0.0)
            if received.seen:
                rows.append((received.service, self._received(received, head, base, serial)))
            for call in received.calls:
                start = base + call.start * received.scale / 1e6
                self._call(trace, received, call, serial, start, rows, todo)
        for service, values in reversed(rows):
            self.writer(service).write(*values)  # type: ignore[arg-type]

    def recordings(self) -> list[list[ring.Recording]]:
        """What each process recorded."""
        return [[ring.parsed(memoryview(writer.buffer), service)] for service, writer in self.rings.items()]

    def close(self) -> None:
        """Remove the rings."""
        for writer in self.rings.values():
            writer.close()

    def _head(self, trace: int) -> bytes:
        return b"00-%032x-%016x" % (trace, next(self._spans))

    def _received(self, received: Received, head: bytes, base: float, serial: int) -> tuple[object, ...]:
        names = self.writer(received.service)
        scaled = tuple(mark if mark == NOT_REACHED else round(mark * received.scale) for mark in received.marks)
        method, peer = names.intern(received.method), names.intern("10.0.0.1:50000")
        return (Kind.SERVER, received.code, received.flags, 0, base, head, serial, received.branch, method, peer, 0, 0, *scaled, 100, 200)

    def _call(
        self,
        trace: int,
        received: Received,
        call: Called,
        serial: int,
        base: float,
        rows: list[tuple[str, tuple[object, ...]]],
        todo: list[tuple[Received, bytes, float]],
    ) -> None:
        names = self.writer(received.service)
        about = (serial, call.branch, names.intern(call.method), names.intern("10.0.0.7:8080"), 0, 0)
        skew = self._skews.get(received.service, 0.0)
        for number, tried in enumerate(call.attempts):
            head = self._head(trace)
            scaled = tuple(mark if mark == NOT_REACHED else round(mark * received.scale) for mark in tried.marks)
            told = number if tried.number is None else tried.number
            if tried.seen:
                rows.append((received.service, (Kind.ATTEMPT, tried.code, 0, told, base, head, *about, *scaled, 100, 200)))
            if tried.received is not None:
                todo.append((tried.received, head, base - skew))
        if call.own is not None:
            own = (Kind.CALL, call.code, 0, len(call.attempts), base, self._head(trace), *about, *call.own, 100, 200)
            rows.append((received.service, own))
