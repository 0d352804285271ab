"""A token bucket: a number of calls a second on average, and a burst at once after a pause.

The bucket is one number, the time at which it will be full again (the virtual scheduling form of the generic cell rate algorithm, ITU-T
I.371). Nothing has to be refilled, and an idle bucket costs nothing. The caller passes the time in, so the bucket reads no clock.
"""

from dataclasses import dataclass
from math import inf, isfinite


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How many calls a bucket lets in. Raises ValueError for a rate that lets no call in."""

    per_second: float
    """Calls a second on average."""
    burst: float | None = None
    """Calls at once after a pause; None for one second's worth, at least one."""

    def __post_init__(self) -> None:
        if not (isfinite(self.per_second) and self.per_second > 0):
            raise ValueError(f"per_second is {self.per_second:g}; give more than 0")
        if self.burst is not None and not (isfinite(self.burst) and self.burst >= 1):
            raise ValueError(f"burst is {self.burst:g}; give 1 or more")

    @property
    def depth(self) -> float:
        """Calls that a full bucket lets in at once."""
        return max(1.0, self.per_second) if self.burst is None else self.burst


class TokenBucket:
    """One bucket, full at first."""

    __slots__ = ("_full_at", "_interval", "_slack")

    def __init__(self, rate: Rate) -> None:
        self._interval = 1 / rate.per_second
        self._slack = (rate.depth - 1) * self._interval
        self._full_at = -inf

    def take(self, now: float) -> float:
        """Take a token. Returns 0 if there was one; else nothing is taken, and the result is the seconds until there will be one."""
        full_at = max(self._full_at, now)
        late = full_at - now - self._slack
        if late > 1e-9:  # a wait below a nanosecond is rounding
            return late
        self._full_at = full_at + self._interval
        return 0.0
