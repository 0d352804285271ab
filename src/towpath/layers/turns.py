"""Who may begin in this turn of the event loop: so much work that the loop soon looks at its sockets again, and no more.

A loop runs everything that is ready before it reads again. If a read brings thirty calls that each compute for a millisecond, the thirty
that come meanwhile wait in the socket, where nobody counts them, and then all run in a row in their turn: a queue that no limit of calls
under way can see, since a call that only computes is alone under way whenever one looks. So calls that come when a turn has lasted for
`SLICE` wait in a queue of ours, which can be measured, bounded and served in any order.
"""

import asyncio
from math import inf
from typing import Final, Protocol

from towpath.core import clock

SLICE: Final = 0.001
"""Seconds of a turn in which calls may begin: those of a handler that computes as long as this begin one by one."""

_MOST_AT_ONCE: Final = 64


class Waiting(Protocol):
    """A queue of calls that wait for a turn or for a place."""

    def serve(self, now: float, most: int) -> int:
        """Let up to `most` of them begin in the next turn; how many did."""
        ...


class Turns:
    """The turns of one server's loop. `until` is when the present one has lasted for long enough, infinity outside of any; `coming` is how
    many calls have passed the gate in it. `waiting` are the queues that are not empty."""

    __slots__ = ("_at_once", "_began", "_served", "coming", "until", "waiting")

    def __init__(self) -> None:
        self.until = inf
        self.coming = 0
        self.waiting: dict[Waiting, None] = {}
        self._began = 0.0
        self._at_once = 1
        self._served = 0

    def begin(self, now: float) -> None:
        """A call begins, or one is to be let in: from now on the turn is measured."""
        if self.until == inf:
            self._began = now
            self.until = now + SLICE
            asyncio.get_running_loop().call_soon(self._over)

    def _over(self) -> None:
        now = clock.now()
        # As many at once as fit in a slice: many of a cheap handler, whose cost is the turn itself, one of a handler that computes.
        lasted = now - self._began
        if lasted > SLICE:
            self._at_once = max(1, self._at_once // 2)
        elif lasted < SLICE / 2 and self._served >= self._at_once:
            self._at_once = min(_MOST_AT_ONCE, 2 * self._at_once)
        self.until = inf
        self.coming = self._served = 0
        for queue in list(self.waiting):
            if self._served >= self._at_once:
                break
            served = queue.serve(now, self._at_once - self._served)
            if served:
                self._served += served
                self.begin(now)
                if queue in self.waiting:  # behind the others, for the next turn
                    del self.waiting[queue]
                    self.waiting[queue] = None
