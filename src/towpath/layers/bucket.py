"""A token bucket: so many calls a second on average, and so many at once after a pause.

Kept as one number, the time at which the bucket will be full again (the virtual scheduling form of the generic cell rate algorithm,
ITU-T I.371), so that nothing has to be refilled and an idle bucket costs nothing. Pure: told of the time, asked for a verdict.
"""

from dataclasses import dataclass
from math import inf, isfinite


@dataclass(frozen=True, kw_only=True)
class Rate:
    """`per_second` calls on average, `burst` (default: one second's worth, at least one) at once. Raises ValueError for what lets nobody
    in."""

    per_second: float
    burst: float | None = None

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
        """Take a token: 0 if there was one, else the seconds until there will be one, and nothing is taken."""
        full_at = max(self._full_at, now)
        late = full_at - now - self._slack
        if late > 1e-9:  # what is nearer than a nanosecond is rounding
            return late
        self._full_at = full_at + self._interval
        return 0.0
