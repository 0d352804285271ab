"""How fast the calls of a queue begin, as long as there is a queue.

Time in which nobody waits says nothing of what a server can do, and neither does a queue that is long past. Both sums, of seconds and of
calls, fade at each turn: their ratio weighs a turn by how long it took, so that one long turn among many short ones is soon made up for.

The rate is pure: it is told of turns and asked for seconds.
"""

from math import inf
from typing import Final

_FADING: Final = 0.9
"""The part that a turn leaves of the turns before it."""

_STALE_AFTER: Final = 1.0
"""Seconds without a queue after which the rate says nothing of the next one: its calls may be others, and the machine may do other work."""


class ServiceRate:
    """The rate of one queue."""

    __slots__ = ("_calls", "_emptied", "_last", "_seconds", "interval")

    def __init__(self) -> None:
        self.interval = 0.0
        """Seconds between two calls that begin; 0 as long as that is not known."""
        self._seconds = 0.0
        self._calls = 0.0
        self._last = 0.0
        self._emptied = -inf

    def record_starts(self, now: float, calls: int) -> None:
        """Count `calls` of the queue, at least one, that have begun together."""
        if self._last:
            self._seconds = _FADING * self._seconds + now - self._last
            self._calls = _FADING * self._calls + calls
            self.interval = self._seconds / self._calls
        self._last = now

    def queue_emptied(self, now: float) -> None:
        """Stop the clock, since nobody waits any more."""
        self._last = 0.0
        self._emptied = now

    def reset_if_stale(self, now: float) -> bool:
        """Start over, as a queue begins, if there was none for a second; returns whether it did."""
        if not self.interval or now - self._emptied < _STALE_AFTER:
            return False
        self.interval = self._seconds = self._calls = 0.0
        return True
