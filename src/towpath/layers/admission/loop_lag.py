"""How late the event loop is: what a timer that should have fired a moment ago says of a loop that computes too much.

This, not the CPU's share, is what overload looks like in asyncio: a loop at 95 % that answers in time is well used, and one at 60 % whose
handlers each compute for 200 ms is not well (go-zero issue 4265 has the CPU signal err the other way). A timer runs only while calls are
under way, so that an idle service never wakes.
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from towpath.core import clock

PERIOD: Final = 0.02
EASY: Final = 0.005
"""Seconds of lag from which a loop is late: CoDel's target for a queue."""

_EASY_AGAIN: Final = 0.002
"""Seconds of lag below which a late loop is in time again: what brings a loop into time is not to be let go at the same figure."""

_SMOOTHING: Final = 0.3

simulated_lag: ContextVar[Callable[[], float] | None] = ContextVar("towpath_simulated_lag", default=None)
"""In a simulation many nodes share one loop, which is never late. What runs on a node asks this how late a loop of its own would be."""


def _nobody() -> None:
    """Nobody asked to be told."""


class LagProbe:
    """The lag of the running loop. `busy` tells whether calls are under way; the probe stops within a `period` (0.02 s) of its saying no.
    `seconds` is the smoothed lag, 0 once it has stopped, and `late` whether that is too much; `idle` is whether it has stopped. `looked` is
    called after each look."""

    __slots__ = ("_busy", "_due", "_looked", "_period", "_simulated", "idle", "late", "seconds")

    def __init__(self, busy: Callable[[], bool], *, period: float = PERIOD, looked: Callable[[], None] = _nobody) -> None:
        self._busy = busy
        self._period = period
        self._looked = looked
        self._due = 0.0
        self._simulated: Callable[[], float] | None = None
        self.seconds = 0.0
        self.late = False
        self.idle = True

    def start(self) -> None:
        """Begin, if `idle`; call it as a call begins."""
        if self.idle:
            self.idle = False
            self._simulated = simulated_lag.get()
            self._arm()

    def _arm(self) -> None:
        self._due = clock.now() + self._period
        asyncio.get_running_loop().call_later(self._period, self._look)

    def _look(self) -> None:
        if not self._busy():
            self.idle, self.seconds, self.late = True, 0.0, False
            self._looked()
            return
        lag = max(0.0, clock.now() - self._due) if self._simulated is None else self._simulated()
        self.seconds += _SMOOTHING * (lag - self.seconds)
        self.late = self.seconds >= (_EASY_AGAIN if self.late else EASY)
        self._looked()
        self._arm()
