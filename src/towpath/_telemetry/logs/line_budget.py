"""A budget of log lines: a token bucket that counts what it leaves out."""


class LineBudget:
    """`per_second` lines a second on average, and as many at once after a pause; 0 for none."""

    __slots__ = ("_at", "_left", "_left_out", "_per_second")

    def __init__(self, per_second: float) -> None:
        self._per_second = self._left = float(per_second)
        self._at = 0.0
        self._left_out = 0

    def take(self, now: float) -> int | None:
        """Take a line at `now`, in seconds of a clock that does not step. Returns how many were left out since the last one that was had;
        None if this one is left out."""
        self._left = min(self._per_second, self._left + max(0.0, now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            self._left_out += 1
            return None
        self._left -= 1
        return self.left_out()

    def left_out(self) -> int:
        """How many lines were left out since the last one that was had, for a line that does not count."""
        count, self._left_out = self._left_out, 0
        return count
