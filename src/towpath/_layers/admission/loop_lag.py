"""How late the event loop is: what a timer that should have fired a moment ago says of a loop that computes too much.

This, not the CPU's share, is what overload looks like in asyncio: a loop at 95 % that answers in time is well used, and one at 60 % whose
handlers each compute for 200 ms is not well (go-zero issue 4265 has the CPU signal err the other way). A timer runs only while calls are
under way, so that an idle service never wakes.
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from towpath._core import clock
from towpath._core.clock import TimeSource

PERIOD: Final = 0.02
"""Seconds between two measurements."""

LATE_FROM: Final = 0.005
"""Seconds of lag from which a loop is late: CoDel's target for a queue."""

_IN_TIME_BELOW: Final = 0.002
"""Seconds of lag below which a late loop is in time again: what brings a loop into time is not to be let go at the same figure."""

_SMOOTHING: Final = 0.3
"""How much each measurement counts."""

simulated_lag: ContextVar[Callable[[], float] | None] = ContextVar("towpath_simulated_lag", default=None)
"""In a simulation many nodes share one loop, which is never late. The probe of a node asks this how late a loop of its own would be."""

GetLoop = Callable[[], asyncio.AbstractEventLoop]
"""Gives the loop that a server runs on."""


def _never() -> bool:
    """The probe of a server without calls."""
    return False


def _ignore() -> None:
    """The callback of a probe that nobody watches."""


class LagProbe:
    """Measures the lag of the loop that `get_loop` gives, every `period` seconds of `time`, while calls are under way."""

    __slots__ = ("_due", "_get_loop", "_on_measured", "_period", "_simulated", "_time", "_under_way", "idle", "late", "seconds")

    def __init__(self, *, period: float = PERIOD, time: TimeSource = clock, get_loop: GetLoop = asyncio.get_running_loop) -> None:
        self._period = period
        self._time = time
        self._get_loop = get_loop
        self._under_way: Callable[[], bool] = _never
        self._on_measured: Callable[[], None] = _ignore
        self._due = 0.0
        self._simulated: Callable[[], float] | None = None
        self.seconds = 0.0
        """The smoothed lag; 0 once the probe has stopped."""
        self.late = False
        """Whether the lag is too much."""
        self.idle = True
        """Whether the probe has stopped."""

    def watch(self, under_way: Callable[[], bool], on_measured: Callable[[], None] = _ignore) -> None:
        """Measure as long as `under_way` says that calls are, and call `on_measured` after each measurement. The probe stops within a
        period of `under_way` saying no."""
        self._under_way = under_way
        self._on_measured = on_measured

    def start(self) -> None:
        """Begin, if `idle`; to be called as a call begins."""
        if self.idle:
            self.idle = False
            self._simulated = simulated_lag.get()
            self._arm()

    def record(self, lag: float) -> None:
        """Count a measurement of `lag` seconds."""
        self.seconds += _SMOOTHING * (lag - self.seconds)
        self.late = self.seconds >= (_IN_TIME_BELOW if self.late else LATE_FROM)
        self._on_measured()

    def _arm(self) -> None:
        self._due = self._time.now() + self._period
        self._get_loop().call_later(self._period, self._measure)

    def _measure(self) -> None:
        if not self._under_way():
            self.idle, self.seconds, self.late = True, 0.0, False
            self._on_measured()
            return
        self.record(max(0.0, self._time.now() - self._due) if self._simulated is None else self._simulated())
        self._arm()
