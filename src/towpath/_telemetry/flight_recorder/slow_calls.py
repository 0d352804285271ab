"""From when on the calls of one method are slow: what 1 % of the recent ones exceed, and twice what half of them take."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from towpath._core import clock

NEVER_SLOW: Final = float("inf")

FIRST: Final = 1.0
"""Seconds after which the first calls of a process are slow, of which nothing is known."""

SHORTEST: Final = 0.001
"""Seconds that no call is slow within."""

BOUNDS: Final = tuple(1e-5 * 2 ** (step / 4) for step in range(97))
"""Upper bounds of the buckets in seconds, four an octave, from 10 us to 168 s."""

_LEARNT_AFTER: Final = 200
"""Calls after which percentiles say something."""

_EARLY_LOOK: Final = 16
"""Calls from one look at the buckets to the next while there were fewer."""

_LOOK: Final = 256
"""Calls from one look to the next after that."""

_HALF_LIFE: Final = 10.0
"""Seconds after which what was counted counts half."""


class SlowCalls:
    """The recent durations of one method's calls."""

    __slots__ = ("_counts", "_halved", "_left", "_look", "_seen", "after")

    def __init__(self, *, streams: bool = False) -> None:
        self.after = NEVER_SLOW if streams else FIRST
        """Seconds after which a call is slow. A stream never is: it lasts for as long as it is wanted."""
        self._counts: list[float] = [0.0] * (len(BOUNDS) + 1)
        self._look = self._left = 1 << 62 if streams else _EARLY_LOOK
        self._seen = 0
        self._halved = clock.now()

    def count(self, seconds: float) -> bool:
        """A call took so long. Returns whether `_LOOK` calls or so were counted since the last time that this was so."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._left -= 1
        if self._left:
            return False
        self._learn(clock.now())
        return True

    @property
    def looked_at(self) -> int:
        """Calls from one look to the next."""
        return self._look

    def _learn(self, now: float) -> None:
        counts = self._counts
        self._seen += self._look
        total = sum(counts)
        middle = _percentile(counts, total * 0.5)
        if self._seen < _LEARNT_AFTER:
            self.after = max(SHORTEST, 10 * middle)
        else:
            self.after = max(_percentile(counts, total * 0.99), 2 * middle, SHORTEST)
            self._look = _LOOK
        self._left = self._look
        periods = (now - self._halved) // _HALF_LIFE
        if periods > 0:
            self._halved = now
            self._counts = [count / 2 ** min(periods, 64) for count in counts]


def _percentile(counts: Sequence[float], rank: float) -> float:
    """The upper bound of the bucket that has the call of this rank."""
    passed = 0.0
    for index, count in enumerate(counts):
        passed += count
        if passed >= rank:
            return BOUNDS[min(index, len(BOUNDS) - 1)]
    return BOUNDS[-1]
