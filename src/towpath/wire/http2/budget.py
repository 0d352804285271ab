"""How often a peer may do what costs it less than us: a token bucket, filled at a rate, emptied by one for each time.

Time is handed in, and only looked at when a token is spent.
"""


class Budget:
    """`burst` tokens at first and at the most, `rate` more a second."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, burst: int, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = float(burst)
        self._at = 0.0

    def spend(self, now: float) -> bool:
        """Whether there is a token left at `now` (seconds); it is gone then."""
        self._tokens = min(self._burst, self._tokens + self._rate * (now - self._at)) - 1
        self._at = now
        return self._tokens >= 0
