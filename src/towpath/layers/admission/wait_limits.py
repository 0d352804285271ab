"""For how long the calls of a method may wait before they begin.

While all is well, for as long as is of use to their callers (`towpath.layers.admission.caller_timeout`). In an overload for CoDel's target,
or twice what the method usually takes where there is time for that: some are refused then, whatever the queue, and those who are served
should be served soon.
"""

from dataclasses import dataclass
from typing import Final

from towpath.core.context import Context
from towpath.layers.admission.adaptive_limit import AdaptiveLimit
from towpath.layers.admission.caller_timeout import UNKNOWN, Patience
from towpath.layers.admission.codel import CoDel
from towpath.layers.admission.service_rate import Pace

MIN_ROOM: Final = 5
"""Calls that may always wait: of fewer nobody could be chosen."""

_WORKS: Final = 2
"""How often the time that a method usually takes is no long wait for it."""


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """`length` (20,000) calls of a method may wait at the most, fewer where they could not wait for so long. In an overload as many may as
    begin within `target` (0.005 s), as CoDel has it over `burst` (0.1 s). A loop that is later than `lag` (0.1 s) is an overload, too."""

    length: int = 20_000
    target: float = 0.005
    burst: float = 0.1
    lag: float = 0.1


class Waits:
    """Of one method, whose usual time `limit` knows. `length` is how many may wait at the most; `codel` says whether the queue stands."""

    __slots__ = ("_limit", "_pace", "_patience", "_target", "codel", "length")

    def __init__(self, options: QueueOptions, limit: AdaptiveLimit) -> None:
        self.length = options.length
        self.codel = CoDel(target=options.target, interval=options.burst)
        self._target = options.target
        self._limit = limit
        self._pace = Pace()
        self._patience = Patience()

    def given(self, ctx: Context, now: float) -> None:
        """A call has come with whatever time its caller gives it."""
        self._patience.given(UNKNOWN if ctx.deadline is None else ctx.deadline - (ctx.arrived or now))

    def began_anew(self, now: float) -> None:
        """A call waits that found nobody waiting."""
        if self._pace.forget(now):
            self.codel.target = self._target

    def began(self, now: float, calls: int) -> None:
        """So many that waited have begun together."""
        self._pace.began(now, calls)
        self.codel.target = max(self._target, MIN_ROOM * self._pace.gap)

    def emptied(self, now: float) -> None:
        """Nobody waits any more."""
        self._pace.emptied(now)

    @property
    def gap(self) -> float:
        """Seconds between two calls that begin, as long as somebody waits; 0 while that is not known."""
        return self._pace.gap

    @property
    def short(self) -> float:
        """Seconds that a call may wait in an overload."""
        work = self._limit.baseline
        return max(self.codel.target, min(_WORKS * work, self._patience.seconds(work)))

    @property
    def longest(self) -> float:
        """Seconds that a call may wait while there is none."""
        return max(self.codel.longest, self._patience.seconds(self._limit.baseline))

    def too_long(self, now: float, wait: float) -> bool:
        """A call is about to begin after `wait` seconds: whether the queue stands, as CoDel has it, and that is longer than it could."""
        return self.codel.waited(now, wait) and wait > self.longest

    def in_time(self, deadline: float | None, arrived: float, begun: float) -> bool:
        """Whether a call that begins then will have been answered by its deadline, if it takes what the method usually does."""
        return begun + self._limit.baseline <= (arrived + self.longest if deadline is None else deadline)

    def share(self, calls: int) -> float:
        """How much of what a call can wait those have to wait who come last when so many do."""
        return calls * self._pace.gap / self.longest

    def room(self, allowed: float) -> int:
        """How many may wait so that each begins within `allowed` seconds."""
        gap = self._pace.gap
        return min(self.length, max(MIN_ROOM, int(allowed / gap))) if gap else self.length
