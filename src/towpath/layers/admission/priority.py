"""Who is refused first: calls get a level, and while a server is full, the lower quantile of the levels that it sees is turned away.

A level is a call's class of criticality, then whether it is a first attempt, then its cohort. The cohort comes from the trace, so a whole
tree of calls is spared or refused as one: to refuse the last of four calls that one page needs wastes the other three (DAGOR, Zhou et al.,
2018). Retries stand below every first attempt of their class, because they are what an overload breeds. The threshold
is a quantile of the levels that really come, as in failsafe-go's prioritizer: nobody need know what share each class has.

Pure: told of levels and of the share to turn away (see `towpath.layers.admission.method_queue`), asked for a verdict.
"""

from collections import deque
from typing import Final

from towpath.core.context import Context, Criticality

COHORTS: Final = 128
_BEYOND: Final = 2 * COHORTS * max(Criticality)
_SEEN: Final = 1000
_REFRESHED: Final = 250
"""Levels after which they are sorted again, sooner while few were seen: that takes 0.1 ms, too much for each call."""


def level_of(ctx: Context) -> int:
    """The level of a call; larger is more important. 0 to 1023: two times 128 for each of four classes."""
    return level(ctx.criticality, ctx.attempt, ctx.cohort)


def level(criticality: Criticality, attempt: int, cohort: int) -> int:
    """The level of a call that is known by its head alone."""
    first = COHORTS if attempt == 0 else 0
    return (criticality - 1) * 2 * COHORTS + first + cohort


class Prioritizer:
    """The levels seen while full, and who of those that come is spared. `threshold` is the level from which a call is; 0 is every level."""

    __slots__ = ("_levels", "_rate", "_sorted", "_until_sorted", "threshold")

    def __init__(self) -> None:
        self.threshold = 0
        self._levels: deque[int] = deque(maxlen=_SEEN)
        self._sorted: list[int] = []
        self._until_sorted = 1
        self._rate = 0.0

    @property
    def certain(self) -> bool:
        """Whether enough calls were seen to say who is among the lower."""
        return len(self._levels) >= _REFRESHED

    def turn_away(self, rate: float) -> None:
        """Spare all but `rate` (0 to 1) of those that come, as far as is known who comes."""
        self._rate = rate
        levels = self._sorted
        if rate >= 1:
            self.threshold = _BEYOND
        else:
            self.threshold = levels[int(rate * len(levels))] if levels and rate > 0 else 0

    def spares(self, level: int) -> bool:
        """Whether a call of `level`, which has come while the server was full, is spared."""
        self._levels.append(level)
        self._until_sorted -= 1
        if not self._until_sorted:
            self._sorted = sorted(self._levels)
            self._until_sorted = min(len(self._sorted), _REFRESHED)
            self.turn_away(self._rate)
        return level >= self.threshold
