"""Who may begin in this turn of the event loop: so much work that the loop soon looks at its sockets again, and no more.

A loop runs everything that is ready before it reads again. If a read brings thirty calls that each compute for a millisecond, the thirty
that come meanwhile wait in the socket, where nobody counts them, and then all run in a row in their turn: a queue that no limit of calls
under way can see, since a call that only computes is alone under way whenever one looks. So calls that come when a turn has lasted for
`SLICE` wait in a queue of ours, which can be measured, bounded and served in any order.
"""

import asyncio
import logging
from math import inf
from typing import Final, Protocol

from towpath.core import clock
from towpath.core.service import Arrival

_log = logging.getLogger("towpath.server")

SLICE: Final = 0.002
"""Seconds of a turn in which calls may begin: those of a handler that computes for more than half of this begin one by one."""

MAX_AT_ONCE: Final = 128
_AT_FIRST: Final = 64
_LOOKED: Final = 7

_AGAIN: Final = 0.02
"""Seconds after which it is tried again to choose, if that has failed."""


class Waiting(Protocol):
    """A queue of calls that wait for a turn or for a place."""

    @property
    def oldest(self) -> float:
        """When the first of those that wait arrived."""
        ...

    def choose(self, now: float, most: int) -> list[Arrival]:
        """Those, `most` at the most, that are to begin now. Asked once per turn, also if there may be none."""
        ...


class Turns:
    """The turns of one server's loop. `until` is when the present one has lasted for long enough, infinity outside of any; `coming` is how
    many calls have passed the gate in it, and `quota` how many may begin without a look at the clock, of `at_once`, which fit in a slice.
    `waiting` are the queues that are not empty."""

    __slots__ = ("_began", "_brief_until", "_next", "_unlooked", "at_once", "coming", "quota", "until", "waiting")

    def __init__(self) -> None:
        self.until = inf
        self.coming = 0
        self.waiting: dict[Waiting, None] = {}
        self._began = 0.0
        self.at_once = _AT_FIRST
        self._next: asyncio.Task[None] | None = None
        self.quota = 0
        self._brief_until = -inf
        self._unlooked = 0

    def begin(self, now: float) -> None:
        """A call begins: from now on the turn is measured."""
        if self.until == inf:
            self._began = now
            self.until = now + SLICE
            self.quota = self.at_once
            if self._next is None:
                asyncio.get_running_loop().call_soon(self._over)

    def brief(self) -> bool:
        """Whether calls that were read together, by a loop that is in time and whose turns are not measured, may begin one after the other:
        as long as that has not taken twice a slice. Every eighth looks at the clock."""
        if self.coming:  # the first of them
            self.coming = 0
            self._brief_until = clock.now() + 2 * SLICE
            self._unlooked = _LOOKED
        elif self._unlooked:
            self._unlooked -= 1
        elif clock.now() > self._brief_until:
            return False
        else:
            self._unlooked = _LOOKED
        return True

    def pick(self) -> None:
        """Somebody waits, or a place is free: choose who begins, once the loop has read its sockets."""
        if self.until == inf and self._next is None:
            self._next = asyncio.Task(self._pick(), loop=asyncio.get_running_loop(), name="towpath turn")

    def _over(self) -> None:
        self._measure(clock.now())
        if self.waiting:
            self.pick()

    def _measure(self, now: float) -> None:
        """A turn is over: see how many calls fit in a slice, many of a cheap handler, whose cost is the turn itself, one of a handler that
        computes."""
        lasted = now - self._began
        if lasted > SLICE:
            self.at_once = max(1, int(self.at_once * SLICE / lasted))
        elif lasted < SLICE / 2 and self.quota <= 0:
            self.at_once = min(MAX_AT_ONCE, 2 * self.at_once)
        self.until = inf
        self.coming = self.quota = 0

    async def _pick(self) -> None:
        """A turn of those who wait. Its first call runs within this task, at once: a task of its own would begin after another look at the
        sockets, which costs a fortieth of what an overloaded server can do (measured)."""
        now = clock.now()
        self._next = None
        if self.until != inf:
            self._measure(now)
        chosen: list[Arrival] = []
        failed = False
        # In the order of their arrival, whichever method's they are: one call of each in turn starves the many of a cheap method beside
        # the few of a dear one, after each of which but one begins.
        for queue in sorted(self.waiting, key=lambda queue: queue.oldest):
            try:
                chosen += queue.choose(now, self.at_once - len(chosen))
            except Exception:  # noqa: BLE001 # a fault of a policy must not end the turns of all methods
                _log.exception("choosing among a method's calls failed; it is tried again")
                failed = True
        if not chosen:
            if failed:
                asyncio.get_running_loop().call_later(_AGAIN, self.pick)
            return
        self._began = now
        self.until = now + SLICE
        self.quota = self.at_once - len(chosen)
        for arrival in chosen[1:]:  # before the next turn, which has to see that they have
            try:
                arrival.begin()
            except Exception:  # noqa: BLE001 # of one call, and no reason to forget the others
                _log.exception("a call could not begin")
        # The next one, after the next look at the sockets: whoever comes while these compute is chosen from then, and need not wait for a
        # turn of others. That took a third off the latency of what an overloaded server takes on (measured, 2.7 to 1.7 ms).
        self._next = asyncio.Task(self._pick(), loop=asyncio.get_running_loop(), name="towpath turn")
        await chosen[0].run()
