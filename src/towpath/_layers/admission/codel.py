"""CoDel on the time that calls wait before they begin: it tells a burst, which a queue is for, from a queue that never empties.

A queue is standing if even the luckiest call of an interval waited longer than the target. While it stands, calls that have waited twice
the target are dropped, and a queue is better served newest first, because its head is about to be dropped. The rule is folly's `Codel.cpp`,
after Nichols and Jacobson, "Controlling Queue Delay" (ACM Queue, 2012), whose law of ever faster drops does not fit calls that have no
sender to slow down.

CoDel is pure: it is told of waits and asked for a verdict. It does not queue anything itself.
"""

from math import inf
from typing import Final

TARGET: Final = 0.005
"""Folly's default wait that is fine, in seconds."""

INTERVAL: Final = 0.1
"""Folly's default time that longer waits must last, in seconds."""

_DROP_AFTER: Final = 2
"""How many times the target a call may wait while the queue stands."""


class CoDel:
    """The state of one queue. Raises ValueError unless `target` and `interval` are more than 0."""

    __slots__ = ("_interval", "_shortest", "_until", "overloaded", "target")

    def __init__(self, *, target: float = TARGET, interval: float = INTERVAL) -> None:
        if not (target > 0 and interval > 0):
            raise ValueError(f"target is {target:g} s and interval {interval:g} s; give more than 0")
        self.target = target
        """The wait in seconds that is fine."""
        self._interval = interval
        self._shortest = inf
        self._until = -inf
        self.overloaded = False
        """Whether the queue stands."""

    @property
    def max_wait(self) -> float:
        """Seconds that a call may wait while the queue stands."""
        return _DROP_AFTER * self.target

    def should_drop(self, now: float, wait: float) -> bool:
        """Count a call that is about to begin after `wait` seconds, and say whether it should be dropped instead."""
        if now >= self._until:
            # An interval in which nobody waited for long, or nobody came at all, ends an overload.
            self.overloaded = self.target < self._shortest < inf and now < self._until + self._interval
            self._until = now + self._interval
            self._shortest = wait
        elif wait < self._shortest:
            self._shortest = wait
            if wait <= self.target:
                self.overloaded = False  # it has emptied; no need to wait for the interval's end
        return self.overloaded and wait > self.max_wait
