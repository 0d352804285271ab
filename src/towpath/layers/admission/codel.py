"""CoDel on the time that calls wait before they begin: tells a burst, which a queue is for, from a queue that never empties.

A queue is standing if even the luckiest call of an interval waited longer than the target. While it is, whatever has waited twice the
target is dropped, and a queue is better served newest first, because its head is about to be dropped. The rule is folly's `Codel.cpp`,
after Nichols and Jacobson, "Controlling Queue Delay" (ACM Queue, 2012), whose law of ever faster drops does not fit calls that have no
sender to slow down.

Pure: told of waits, asked for a verdict. It does not queue anything itself.
"""

from math import inf
from typing import Final

TARGET: Final = 0.005
INTERVAL: Final = 0.1
"""Folly's defaults in seconds."""

_DROP_AFTER: Final = 2


class CoDel:
    """One queue's state. `target` (0.005 s) is the wait that is fine, `interval` (0.1 s) how long one must last to be standing; raises
    ValueError unless both are more than 0. `overloaded` is whether the queue stands."""

    __slots__ = ("_interval", "_shortest", "_until", "overloaded", "target")

    def __init__(self, *, target: float = TARGET, interval: float = INTERVAL) -> None:
        if not (target > 0 and interval > 0):
            raise ValueError(f"target is {target:g} s and interval {interval:g} s; give more than 0")
        self.target = target
        self._interval = interval
        self._shortest = inf
        self._until = -inf
        self.overloaded = False

    @property
    def longest(self) -> float:
        """Seconds that a call may wait while the queue stands."""
        return _DROP_AFTER * self.target

    def waited(self, now: float, wait: float) -> bool:
        """A call is about to begin after `wait` seconds: whether it should be dropped instead."""
        if now >= self._until:
            # An interval in which nobody waited for long, or nobody came at all, ends an overload.
            self.overloaded = self.target < self._shortest < inf and now < self._until + self._interval
            self._until = now + self._interval
            self._shortest = wait
        elif wait < self._shortest:
            self._shortest = wait
            if wait <= self.target:
                self.overloaded = False  # it has emptied; no need to wait for the interval's end
        return self.overloaded and wait > self.longest
