"""How long the calls of the last half minute took, as quantiles. They decide when a hedge is due, and whether an optional call still fits.

The histogram has buckets that grow by a tenth, so a quantile is at most that much too high. It is kept in three windows of ten seconds, and
the oldest is dropped. A quantile is computed anew at most every three seconds. Windows and pace are Finagle's
(`BackupRequestFilter.scala`). With few calls a quantile would be one of the worst ones by chance, so the answer is None.
"""

from bisect import bisect_left
from typing import Final

from towpath._core import clock

_LEAST: Final = 1e-4
_GROWTH: Final = 1.1
_BOUNDS: Final = tuple(_LEAST * _GROWTH**step for step in range(140))
"""Upper bounds in seconds, 0.1 ms to 57 s; a longer call counts in the last bucket."""

_WINDOWS: Final = 3
_SECONDS: Final = 10
_REFRESH: Final = 3.0


class RecentLatencies:
    """The latencies of one method, and one quantile of them (0 to 1, exclusive)."""

    __slots__ = ("_due", "_known", "_quantile", "_totals", "_windows")

    def __init__(self, quantile: float) -> None:
        self._quantile = quantile
        self._windows: dict[int, list[int]] = {}
        self._totals: dict[int, int] = {}
        self._known: float | None = None
        self._due = clock.now()

    def observe(self, seconds: float, now: float) -> None:
        """Count a call that took `seconds` and ended `now`."""
        number = int(now) // _SECONDS
        window = self._windows.get(number)
        if window is None:
            self._forget(number)
            window = self._windows[number] = [0] * (len(_BOUNDS) + 1)
            self._totals[number] = 0
        window[bisect_left(_BOUNDS, seconds)] += 1
        self._totals[number] += 1

    def value(self, now: float) -> float | None:
        """The quantile in seconds, at most three seconds old; None while there are too few calls to tell."""
        if now >= self._due:
            self._due = now + _REFRESH
            self._forget(int(now) // _SECONDS)
            self._known = self._worked_out()
        return self._known

    def _worked_out(self) -> float | None:
        total = sum(self._totals.values())
        beyond = total * (1.0 - self._quantile)
        if beyond < 1.0:
            return None
        windows = list(self._windows.values())
        seen = 0
        for index, bound in enumerate(_BOUNDS):
            seen += sum(window[index] for window in windows)
            if seen >= total - beyond:
                return bound
        return _BOUNDS[-1]

    def _forget(self, number: int) -> None:
        for old in [known for known in self._windows if known <= number - _WINDOWS]:
            del self._windows[old], self._totals[old]
