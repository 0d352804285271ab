"""For how long the calls of a method can wait before they begin, and still be of use to their callers.

One caller's timeout must not decide for the others, so the median of all timeouts counts. It is followed in steps up or down (Ma,
Muthukrishnan and Sandler, "Frugal Streaming for Estimating Quantiles", 2013), here by a factor, since timeouts span milliseconds to hours.

The estimate is pure: it is told of timeouts and asked for seconds.
"""

from typing import Final

_STEP: Final = 1.05
"""The factor by which one timeout moves the median."""

UNKNOWN: Final = 2.0
"""Seconds that a call without a deadline is taken to have: towpath's default timeout."""

_SHARE: Final = 0.5
"""Of the time that is left beside the work: the wait before a call begins is known by estimate, and answers need time to come home."""


class CallerTimeout:
    """The timeout that the callers of one method usually give."""

    __slots__ = ("_median",)

    def __init__(self) -> None:
        self._median = 0.0

    def record(self, seconds: float) -> None:
        """Count a call whose caller gives it `seconds`; 0 or less says nothing, since its time was over before it came."""
        if seconds <= 0:
            return
        if not self._median:
            self._median = seconds
        elif seconds > self._median:
            self._median = min(seconds, self._median * _STEP)
        else:
            self._median = max(seconds, self._median / _STEP)

    def max_wait(self, work: float) -> float:
        """Seconds that a call can wait that then takes `work` seconds; 0 if it has no time for that."""
        return max(0.0, _SHARE * ((self._median or UNKNOWN) - work))
