"""Which calls may begin in a turn of the event loop: so much work that the loop soon looks at its sockets again, and no more.

A loop runs everything that is ready before it reads again. If a read brings thirty calls that each compute for a millisecond, the thirty
calls that come meanwhile wait in the socket, where nobody counts them, and then all run in a row in their turn: a queue that no limit of
calls under way can see, since a call that only computes is alone under way whenever one looks. So calls that come when a turn has lasted
for `SLICE` wait in a queue of ours, which can be measured, bounded and served in any order.
"""

import asyncio
import logging
from contextvars import Context
from math import inf
from typing import Final, Protocol

from towpath._core import clock
from towpath._core.clock import TimeSource
from towpath._core.early_rejection import PendingCall
from towpath._layers.admission.loop_lag import GetLoop

_log = logging.getLogger("towpath.server")

SLICE: Final = 0.002
"""Seconds of a turn in which calls may begin: those of a handler that computes for more than half of this begin one by one."""

MAX_BATCH: Final = 128
"""Calls that may begin in a turn at most."""

_FIRST_BATCH: Final = 64
"""Calls that may begin in a turn before any was measured."""

_UNCHECKED: Final = 7
"""Calls that begin between two looks at the clock, in a loop that is in time."""

_RETRY_AFTER: Final = 0.02
"""Seconds after which it is tried again to choose, if that has failed."""


class CallQueue(Protocol):
    """A queue of calls that wait for a turn, or for others to end."""

    @property
    def oldest(self) -> float:
        """When the first call that waits arrived."""
        ...

    def choose(self, now: float, max_calls: int) -> list[PendingCall]:
        """Take the calls, `max_calls` at most, that are to begin now. Asked once per turn, also if there may be none."""
        ...


class Scheduler:
    """The turns of one server's loop, which `get_loop` gives and whose time is `time`'s."""

    __slots__ = (
        "_get_loop",
        "_in_time_until",
        "_task",
        "_time",
        "_turn_began",
        "_unchecked",
        "admitted",
        "batch",
        "context",
        "queues",
        "quota",
        "until",
    )

    def __init__(self, *, time: TimeSource = clock, get_loop: GetLoop = asyncio.get_running_loop) -> None:
        self._time = time
        self._get_loop = get_loop
        self._task: asyncio.Task[None] | None = None
        self._turn_began = 0.0
        self._in_time_until = -inf
        self._unchecked = 0
        self.until = inf
        """When the present turn has lasted for long enough; infinity outside of a measured turn."""
        self.admitted = 0
        """Calls that were admitted as they arrived in this turn."""
        self.quota = 0
        """Calls that may begin in this turn without a look at the clock."""
        self.batch = _FIRST_BATCH
        """Calls that fit in a slice."""
        self.queues: dict[CallQueue, None] = {}
        """The queues that are not empty."""
        self.context: Context | None = None
        """The context in which calls arrive, once one of them had to wait."""

    @property
    def measuring(self) -> bool:
        """Whether the present turn is measured."""
        return self.until < inf

    def start_turn(self, now: float) -> None:
        """Measure this turn from now on, since a call begins."""
        if self.until == inf:
            self._turn_began = now
            self.until = now + SLICE
            self.quota = self.batch
            if self._task is None:
                self._get_loop().call_soon(self._end_turn)

    def has_time(self) -> bool:
        """Whether calls that were read together, by a loop that is in time and whose turns are not measured, may begin one after the other:
        as long as that has not taken twice a slice. Every eighth call looks at the clock."""
        if self.admitted:  # the first of them
            self.admitted = 0
            self._in_time_until = self._time.now() + 2 * SLICE
            self._unchecked = _UNCHECKED
        elif self._unchecked:
            self._unchecked -= 1
        elif self._time.now() > self._in_time_until:
            return False
        else:
            self._unchecked = _UNCHECKED
        return True

    def wake(self) -> None:
        """Choose which calls begin, once the loop has read its sockets: a call waits, or another one has ended."""
        if self.until == inf and self._task is None:
            self._plan_turn()

    def _plan_turn(self) -> None:
        # Whoever wakes is another call, whose context variables are not to be seen by those that begin here.
        context = None if self.context is None else self.context.copy()
        self._task = asyncio.Task(self._run_turn(), loop=self._get_loop(), name="towpath turn", context=context)

    def _end_turn(self) -> None:
        self._measure(self._time.now())
        if self.queues:
            self.wake()

    def _measure(self, now: float) -> None:
        """Learn from a turn that is over how many calls fit in a slice: many of a cheap handler, whose cost is the turn itself, one of a
        handler that computes."""
        lasted = now - self._turn_began
        if lasted > SLICE:
            self.batch = max(1, int(self.batch * SLICE / lasted))
        elif lasted < SLICE / 2 and self.quota <= 0:
            self.batch = min(MAX_BATCH, 2 * self.batch)
        self.until = inf
        self.admitted = self.quota = 0

    def _choose(self, now: float) -> tuple[list[PendingCall], bool]:
        """The calls of all queues that begin in this turn, and whether a queue failed to choose."""
        chosen: list[PendingCall] = []
        failed = False
        # In the order of their arrival, whichever method's they are: one call of each in turn starves the many of a cheap method beside
        # the few of a dear one, after each of which but one begins.
        for queue in sorted(self.queues, key=lambda queue: queue.oldest):
            try:
                chosen += queue.choose(now, self.batch - len(chosen))
            except Exception:  # noqa: BLE001 # a fault of a policy must not end the turns of all methods
                _log.exception("choosing among a method's calls failed; it is tried again")
                failed = True
        return chosen, failed

    async def _run_turn(self) -> None:
        """Begin the calls of a turn. The first of them runs within this task, at once: a task of its own would begin after another look at
        the sockets, which costs a fortieth of what an overloaded server can do (measured)."""
        now = self._time.now()
        self._task = None
        if self.until != inf:
            self._measure(now)
        chosen, failed = self._choose(now)
        if not chosen:
            if failed:
                self._get_loop().call_later(_RETRY_AFTER, self.wake)
            return
        self._turn_began = now
        self.until = now + SLICE
        self.quota = self.batch - len(chosen)
        for call in chosen[1:]:  # before the next turn, which has to see that they have
            try:
                call.begin()
            except Exception:  # noqa: BLE001 # of one call, and no reason to forget the others
                _log.exception("a call could not begin")
        # The next turn comes after the next look at the sockets: a call that comes while these compute is chosen from then, and need not
        # wait for a turn of others. That took a third off the latency of what an overloaded server takes on (measured, 2.7 to 1.7 ms).
        self._plan_turn()
        await chosen[0].run()
