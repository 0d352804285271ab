"""For how long the calls of a method can wait before they begin, and still be of use to who called.

What one caller says of itself must not decide for the others, so it is the median of what callers give that counts. It is followed in steps
up or down (Ma, Muthukrishnan and Sandler, "Frugal Streaming for Estimating Quantiles", 2013), here by a factor, since what callers give
spans milliseconds to hours.

Pure: told of deadlines, asked for seconds.
"""

from typing import Final

_STEP: Final = 1.05
UNKNOWN: Final = 2.0
"""Seconds that a call without a deadline is taken to have: towpath's default timeout."""

_SHARE: Final = 0.5
"""Of the time that is left beside the work: what waits before a call begins is known by estimate, and answers need time to come home."""


class Patience:
    """Of one method's callers."""

    __slots__ = ("_median",)

    def __init__(self) -> None:
        self._median = 0.0

    def given(self, seconds: float) -> None:
        """A call has come whose caller gives it so long; 0 or less says nothing, since its time was over before it came."""
        if seconds <= 0:
            return
        if not self._median:
            self._median = seconds
        elif seconds > self._median:
            self._median = min(seconds, self._median * _STEP)
        else:
            self._median = max(seconds, self._median / _STEP)

    def seconds(self, work: float) -> float:
        """For how long a call can wait that then takes `work` seconds; 0 if it has no time for that."""
        return max(0.0, _SHARE * ((self._median or UNKNOWN) - work))
