"""The calls of one method that wait, with a task or without, and in which order they begin while there is an overload."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from math import inf
from typing import Final, NamedTuple, Protocol

from towpath._core.context import Context
from towpath._core.early_rejection import PendingCall, Rejection
from towpath._core.server_call import ServerCallInfo
from towpath._layers.admission.in_flight import InFlight
from towpath._layers.admission.load_shedding import LEVELS_PER_CLASS, LoadShedding

_PURGED_AFTER: Final = 0.02
"""Seconds between two searches of the whole queue for calls that wait no more."""


class QueueEntry(NamedTuple):
    """A call that waits."""

    level: int
    """How important the call is: see `towpath._layers.admission.priority`."""

    number: int
    """Counts the calls that have waited: the larger, the later it came."""

    arrived: float
    """When the call arrived."""

    blocked: bool
    """Whether the call waits for another one to end, since as many as may are under way."""

    ctx: Context
    """The call, whose deadline is when its caller gives up."""

    server_call: ServerCallInfo
    """Told when the call is chosen."""

    call: PendingCall
    """Lets the call begin, or rejects it."""


class AdmissionQueue:
    """The entries of one method."""

    __slots__ = ("_number", "_purged", "entries")

    def __init__(self) -> None:
        self.entries: deque[QueueEntry] = deque()
        """The calls in the order of their arrival. Calls that are over may be among them, and are passed over when they are chosen."""
        self._number = 0
        self._purged = -inf

    @property
    def oldest(self) -> float:
        """When the first call that waits arrived; infinity if none waits."""
        return self.entries[0].arrived if self.entries else inf

    def append(self, level: int, ctx: Context, server_call: ServerCallInfo, call: PendingCall, *, blocked: bool) -> None:
        """Have a call wait."""
        self._number += 1
        self.entries.append(QueueEntry(level, self._number, server_call.arrived, blocked, ctx, server_call, call))

    def by_importance(self, shedding: LoadShedding) -> deque[QueueEntry]:
        """The entries as an overload has them begin. They are sorted once in a turn: to look for each that begins among thousands would
        hold the loop for longer than they wait."""
        return deque(sorted(self.entries, key=importance_key(shedding), reverse=True))

    def keep(self, entries: Iterable[QueueEntry]) -> None:
        """Have these wait, in the order of their arrival, and no others."""
        kept = sorted(entries, key=lambda entry: entry.number)
        self.entries.clear()
        self.entries.extend(kept)

    def trim(self) -> None:
        """Forget calls that are over at both ends. Others are passed over when they are chosen, since many may end at once."""
        entries = self.entries
        while entries and entries[0].call.over:
            entries.popleft()
        while entries and entries[-1].call.over:
            entries.pop()

    def purge(self, now: float) -> bool:
        """Forget all calls that are over; returns whether there were any. Searches once in a while only: a queue may be long."""
        if now - self._purged < _PURGED_AFTER:
            return False
        self._purged = now
        before = len(self.entries)
        self.keep([entry for entry in self.entries if not entry.call.over])
        return len(self.entries) < before


def importance_key(shedding: LoadShedding) -> Callable[[QueueEntry], tuple[int, int]]:
    """The key by which entries are sorted, the least important first.

    Calls that are not shed begin before those that are. While little is shed, and in classes that are not being shed at any time, the
    oldest call begins first; else the lowest cohorts would wait for ever. In the class that is being shed the most important call begins
    first, and of equals the newest.
    """
    if shedding.is_light:
        threshold = shedding.threshold
        return lambda entry: (entry.level // LEVELS_PER_CLASS * 2 + (entry.level >= threshold), -entry.number)
    shed_class = shedding.shed_class

    def key(entry: QueueEntry) -> tuple[int, int]:
        if entry.level // LEVELS_PER_CLASS <= shed_class:
            return entry.level, entry.number
        return entry.level // LEVELS_PER_CLASS * LEVELS_PER_CLASS, -entry.number

    return key


class TaskQueue(Protocol):
    """The queue that a task waits in."""

    in_flight: InFlight

    def discard(self) -> None:
        """Forget calls that do not wait any more."""
        ...

    def leave(self) -> None:
        """Count a call that has ended."""
        ...


class WaitingTask:
    """A call that waits in `queue` in a task that it has already: over HTTP/1.1, or one whose request streams."""

    __slots__ = ("_queue", "outcome")

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue
        self.outcome: asyncio.Future[Rejection | None] = asyncio.get_running_loop().create_future()
        """None once the call may begin, and it then counts as under way; else why it may not."""

    @property
    def over(self) -> bool:
        """Whether it waits no more."""
        return self.outcome.done()

    def begin(self) -> None:
        """Let the call begin, which counts as under way from now on."""
        self._queue.in_flight.count += 1
        self.outcome.set_result(None)

    async def run(self) -> None:
        """Let the call begin in the task that it has."""
        self.begin()

    def reject(self, rejection: Rejection) -> None:
        """End the call."""
        self.outcome.set_result(rejection)

    def cancelled(self) -> None:
        """Undo what was done for the call: it is cancelled while it waited, or after it was let in and before it could go on."""
        if self.outcome.cancelled():
            self._queue.discard()
        elif self.outcome.result() is None:
            self._queue.leave()
