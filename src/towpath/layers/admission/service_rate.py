"""How fast the calls of a queue begin, as long as there is a queue.

Time in which nobody waits says nothing of what a server can do, and neither does a queue that is long past. Both sums, of seconds and of
calls, fade at each turn: their ratio weighs a turn by how long it took, so that one long turn among many short ones is soon made up for.

Pure: told of turns, asked for seconds.
"""

from math import inf
from typing import Final

_FADING: Final = 0.9
"""What a turn leaves of the turns before it."""

_FORGOTTEN: Final = 1.0
"""Seconds without a queue after which the next one is another one: of other calls, perhaps, and on a machine that does something else."""


class Pace:
    """One queue's. `gap` is how many seconds pass between two calls that begin, 0 as long as that is not known."""

    __slots__ = ("_calls", "_emptied", "_last", "_seconds", "gap")

    def __init__(self) -> None:
        self.gap = 0.0
        self._seconds = 0.0
        self._calls = 0.0
        self._last = 0.0
        self._emptied = -inf

    def began(self, now: float, calls: int) -> None:
        """So many `calls` of the queue, at least one, have begun together."""
        if self._last:
            self._seconds = _FADING * self._seconds + now - self._last
            self._calls = _FADING * self._calls + calls
            self.gap = self._seconds / self._calls
        self._last = now

    def emptied(self, now: float) -> None:
        """Nobody waits any more."""
        self._last = 0.0
        self._emptied = now

    def forget(self, now: float) -> bool:
        """Somebody waits who found nobody waiting: start over, and say so, if that had been so for a second."""
        if not self.gap or now - self._emptied < _FORGOTTEN:
            return False
        self.gap = self._seconds = self._calls = 0.0
        return True
