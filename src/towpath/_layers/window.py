"""Counts over the last ten seconds: how many calls, and how many of them were marked.

The window has ten buckets of one second, as Linkerd's breaker has after its authors dropped time-decayed averages, in which a dense burst
vanishes. A bucket is emptied when its second comes round again; there is no timer.
"""

from typing import Final

from towpath._core import clock

SECONDS: Final = 10
"""Seconds that a window covers, the current one among them."""


def seconds_to_empty(last: int, now: int) -> range:
    """The seconds whose buckets, at `second % SECONDS`, are to be emptied at `now`, if that was last done at `last`."""
    return range(max(last + 1, now + 1 - SECONDS), now + 1)


class Window:
    """`total` calls, of which `marked` were marked, as of the last `add` or `roll`."""

    __slots__ = ("_marked", "_second", "_totals", "marked", "total")

    def __init__(self) -> None:
        self.total = 0
        self.marked = 0
        self._totals = [0] * SECONDS
        self._marked = [0] * SECONDS
        self._second = int(clock.now())

    def add(self, *, marked: bool) -> None:
        """Count one call now."""
        second = int(clock.now())
        if second != self._second:
            self._advance(second)
        index = second % SECONDS
        self._totals[index] += 1
        self.total += 1
        if marked:
            self._marked[index] += 1
            self.marked += 1

    def roll(self) -> None:
        """Drop the counts that are too old."""
        second = int(clock.now())
        if second != self._second:
            self._advance(second)

    def clear(self) -> None:
        """Start from zero."""
        self._totals = [0] * SECONDS
        self._marked = [0] * SECONDS
        self.total = self.marked = 0

    def _advance(self, second: int) -> None:
        for passed in seconds_to_empty(self._second, second):
            index = passed % SECONDS
            self.total -= self._totals[index]
            self.marked -= self._marked[index]
            self._totals[index] = self._marked[index] = 0
        self._second = second
