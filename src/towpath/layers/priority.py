"""Who is refused first: calls get a level, and while a server is full, the lower quantile of the levels that it sees is turned away.

A level is a call's class of criticality, then whether it is a first attempt, then its cohort. The cohort comes from the trace, so a whole
tree of calls is spared or refused as one: to refuse the last of four calls that one page needs wastes the other three (DAGOR, Zhou et al.,
2018). Retries stand below every first attempt of their class, because they are what an overload breeds. How many are turned away follows
the queue, and the threshold the levels that really come, as failsafe-go's prioritizer does: nobody need know what share each class has.

Pure: told of levels, asked for a verdict.
"""

from collections import deque
from typing import Final

from towpath.core.context import Context

COHORTS: Final = 128
_SEEN: Final = 1000
_REFRESHED: Final = 50
"""Levels after which the quantile is worked out again: sorting a thousand takes 50 us, too much for each call."""


def level_of(ctx: Context) -> int:
    """The level of a call; larger is more important. 0 to 1023: two times 128 for each of four classes."""
    first = COHORTS if ctx.attempt == 0 else 0
    return (ctx.criticality - 1) * 2 * COHORTS + first + ctx.cohort


def rejection_rate(queued: int, limit: int) -> float:
    """The share of calls to turn away, 0 to 1: none before `queued` is twice `limit`, all from three times on (failsafe-go)."""
    return min(1.0, max(0.0, (queued - 2 * limit) / limit))


class Prioritizer:
    """The levels seen while full. `threshold` is the level from which a call is spared; 0 spares everybody."""

    __slots__ = ("_levels", "_new", "_rate", "threshold")

    def __init__(self) -> None:
        self._levels: deque[int] = deque(maxlen=_SEEN)
        self._new = 0
        self._rate = 0.0
        self.threshold = 0

    def spares(self, level: int, rate: float) -> bool:
        """Whether a call of `level`, which has come while the server was full, is spared when `rate` (0 to 1) of them are not."""
        self._levels.append(level)
        self._new += 1
        if self._new >= _REFRESHED or abs(rate - self._rate) > 0.05 or not self._rate:
            self._new, self._rate = 0, rate
            levels = sorted(self._levels)
            rank = int(rate * len(levels))
            self.threshold = levels[rank] if 0 < rank < len(levels) else (levels[-1] + 1 if rank else 0)
        return level >= self.threshold
