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
_SMOOTHING: Final = 0.3


class LagProbe:
    """The lag of the running loop. `busy` tells whether calls are under way; the probe stops within a `period` (0.02 s) of its saying no.
    `seconds` is the smoothed lag, 0 once it has stopped."""

    __slots__ = ("_busy", "_due", "_period", "_timer", "seconds")

    def __init__(self, busy: Callable[[], bool], *, period: float = PERIOD) -> None:
        self._busy = busy
        self._period = period
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.seconds = 0.0

    @property
    def running(self) -> bool:
        """Whether a timer is set."""
        return self._timer is not None

    def start(self) -> None:
        """Begin, if not under way; call it as a call begins."""
        if self._timer is None:
            self._arm()

    def _arm(self) -> None:
        self._due = clock.now() + self._period
        self._timer = asyncio.get_running_loop().call_later(self._period, self._look)

    def _look(self) -> None:
        if not self._busy():
            self._timer, self.seconds = None, 0.0
            return
        self.seconds += _SMOOTHING * (max(0.0, clock.now() - self._due) - self.seconds)
        self._arm()
