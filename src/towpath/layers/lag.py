"""How late the event loop is: what a timer that should have fired a moment ago says of a loop that computes too much.

This, not the CPU's share, is what overload looks like in asyncio: a loop at 95 % that answers in time is well used, and one at 60 % whose
handlers each compute for 200 ms is not well (go-zero issue 4265 has the CPU signal err the other way). A timer runs only while calls are
under way, so that an idle service never wakes.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from towpath.core import clock

PERIOD: Final = 0.02
EASY: Final = 0.005
"""Seconds of lag below which a loop is in time: CoDel's target for a queue."""

_SMOOTHING: Final = 0.3


class LagProbe:
    """The lag of the running loop. `busy` tells whether calls are under way; the probe stops within a `period` (0.02 s) of its saying no.
    `seconds` is the smoothed lag, 0 once it has stopped; `idle` is whether it has."""

    __slots__ = ("_busy", "_due", "_period", "idle", "seconds")

    def __init__(self, busy: Callable[[], bool], *, period: float = PERIOD) -> None:
        self._busy = busy
        self._period = period
        self._due = 0.0
        self.seconds = 0.0
        self.idle = True

    def start(self) -> None:
        """Begin, if `idle`; call it as a call begins."""
        if self.idle:
            self.idle = False
            self._arm()

    def _arm(self) -> None:
        self._due = clock.now() + self._period
        asyncio.get_running_loop().call_later(self._period, self._look)

    def _look(self) -> None:
        if not self._busy():
            self.idle, self.seconds = True, 0.0
            return
        self.seconds += _SMOOTHING * (max(0.0, clock.now() - self._due) - self.seconds)
        self._arm()
