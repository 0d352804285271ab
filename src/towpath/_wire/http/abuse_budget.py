"""How often a peer may do something that costs it less than us: a token bucket, filled at a rate, emptied by what the peer does.

The caller passes the time in, and the bucket looks at it only when tokens are spent.
"""


class AbuseBudget:
    """`burst` tokens at first and at the most, `rate` more a second."""

    __slots__ = ("_at", "_burst", "_earned", "_rate", "_tokens")

    def __init__(self, burst: int, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = float(burst)
        self._at = 0.0
        self._earned = 0

    def spend(self, now: float, tokens: int = 1, earned: int = 0) -> bool:
        """Take `tokens` at `now` (seconds). `earned` is how many the peer has earned by other means since the beginning. Returns whether
        there were as many."""
        had = self._tokens + self._rate * (now - self._at) + earned - self._earned
        self._tokens = min(self._burst, had) - tokens
        self._at = now
        self._earned = earned
        return self._tokens >= 0
