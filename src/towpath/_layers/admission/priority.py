"""Which calls are rejected first: each call has a level, and while a server is full, the lower quantile of the levels is shed.

A level is a call's class of criticality, then whether it is a first attempt, then its cohort. The cohort comes from the trace, so a whole
tree of calls is admitted or shed as one: to reject the last of four calls that one page needs wastes the other three (DAGOR, Zhou et al.,
2018). Retries stand below every first attempt of their class, because they are what an overload breeds. The threshold is a quantile of the
levels that really come, as in failsafe-go's prioritizer: nobody need know what share each class has.

The prioritizer is pure: `towpath._layers.admission.load_shedding` tells it of levels and of the fraction to shed.
"""

from collections import deque
from typing import Final

from towpath._core.context import Context, Criticality

COHORTS: Final = 128
"""Levels of the first attempts, and of the retries, of one criticality."""

_BEYOND: Final = 2 * COHORTS * max(Criticality)
"""A level above that of every call."""

_SEEN: Final = 1000
"""Levels that the quantile is taken of."""

_REFRESHED: Final = 250
"""Levels after which they are sorted again, sooner while few were seen: that takes 0.1 ms, too much for each call."""


def level_of(ctx: Context) -> int:
    """The level of a call; larger is more important. 0 to 1023: two times 128 for each of four classes."""
    return level(ctx.criticality, ctx.attempt, ctx.cohort)


def level(criticality: Criticality, attempt: int, cohort: int) -> int:
    """The level of a call of which only the headers are known."""
    first = COHORTS if attempt == 0 else 0
    return (criticality - 1) * 2 * COHORTS + first + cohort


class Prioritizer:
    """The levels seen while a server is full, and the threshold among them."""

    __slots__ = ("_fraction", "_levels", "_sorted", "_until_sorted", "threshold")

    def __init__(self) -> None:
        self.threshold = 0
        """The level from which calls are admitted; 0 admits every level."""
        self._levels: deque[int] = deque(maxlen=_SEEN)
        self._sorted: list[int] = []
        self._until_sorted = 1
        self._fraction = 0.0

    @property
    def has_enough_levels(self) -> bool:
        """Whether enough calls were seen to tell which are the lower ones."""
        return len(self._levels) >= _REFRESHED

    def shed(self, fraction: float) -> None:
        """Move the threshold so that `fraction` (0 to 1) of the calls that come is below it, as far as their levels are known."""
        self._fraction = fraction
        levels = self._sorted
        if fraction >= 1:
            self.threshold = _BEYOND
        else:
            self.threshold = levels[int(fraction * len(levels))] if levels and fraction > 0 else 0

    def admits(self, level: int) -> bool:
        """Count a call of `level` that has come while the server is full, and say whether it is admitted."""
        self._levels.append(level)
        self._until_sorted -= 1
        if not self._until_sorted:
            self._sorted = sorted(self._levels)
            self._until_sorted = min(len(self._sorted), _REFRESHED)
            self.shed(self._fraction)
        return level >= self.threshold
