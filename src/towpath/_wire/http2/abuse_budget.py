"""How often a peer may do something that costs it less than us: a token bucket, filled at a rate, emptied by one for each time.

The caller passes the time in, and the bucket looks at it only when a token is spent.
"""


class AbuseBudget:
    """`burst` tokens at first and at the most, `rate` more a second."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, burst: int, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = float(burst)
        self._at = 0.0

    def spend(self, now: float) -> bool:
        """Take a token at `now` (seconds). Returns whether there was one."""
        self._tokens = min(self._burst, self._tokens + self._rate * (now - self._at)) - 1
        self._at = now
        return self._tokens >= 0
