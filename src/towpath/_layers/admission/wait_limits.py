"""For how long the calls of a method may wait before they begin.

While all is well, a call may wait for as long as is of use to its caller (`towpath._layers.admission.caller_timeout`). In an overload it
may wait for CoDel's target, or twice what the method usually takes where there is time for that: some calls are rejected then, whatever the
queue, and the others should be served soon."""

from dataclasses import dataclass
from typing import Final

from towpath._layers.admission.adaptive_limit import AdaptiveLimit
from towpath._layers.admission.caller_timeout import UNKNOWN, CallerTimeout
from towpath._layers.admission.codel import CoDel
from towpath._layers.admission.service_rate import ServiceRate

MIN_CAPACITY: Final = 5
"""Calls that may always wait: of fewer nobody could be chosen."""

_WORKS: Final = 2
"""How many times what the method usually takes is no long wait for it."""


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """The limits of one method's queue. Raises ValueError for a limit that lets no call wait."""

    max_length: int = 20_000
    """Calls that may wait; fewer may where they could not wait for so long."""

    target: float = 0.005
    """Seconds: in an overload as many calls may wait as begin within it."""

    interval: float = 0.1
    """Seconds that longer waits must last before CoDel calls them an overload."""

    max_lag: float = 0.1
    """Seconds of the loop's lag from which it is an overload too."""

    def __post_init__(self) -> None:
        if self.max_length < 1 or not (self.target > 0 and self.interval > 0 and self.max_lag > 0):
            raise ValueError("max_length must be 1 or more, and target, interval and max_lag more than 0 seconds")


DEFAULT_QUEUE: Final = QueueOptions()


class WaitLimits:
    """The limits of one method, whose usual time `limit` knows."""

    __slots__ = ("_limit", "_rate", "_target", "_timeout", "codel", "max_length")

    def __init__(self, options: QueueOptions, limit: AdaptiveLimit) -> None:
        self.max_length = options.max_length
        """Calls that may wait at most."""
        self.codel = CoDel(target=options.target, interval=options.interval)
        """Tells whether the queue stands."""
        self._target = options.target
        self._limit = limit
        self._rate = ServiceRate()
        self._timeout = CallerTimeout()

    def record_timeout(self, deadline: float | None, arrived: float) -> None:
        """Count the time that the caller of a call gives it."""
        self._timeout.record(UNKNOWN if deadline is None else deadline - arrived)

    def queue_began(self, now: float) -> None:
        """Forget a queue that is long past, since a call waits that found nobody waiting."""
        if self._rate.reset_if_stale(now):
            self.codel.target = self._target

    def record_starts(self, now: float, calls: int) -> None:
        """Count `calls` that waited and have begun together."""
        self._rate.record_starts(now, calls)
        self.codel.target = max(self._target, MIN_CAPACITY * self._rate.interval)

    def queue_emptied(self, now: float) -> None:
        """Stop measuring, since nobody waits any more."""
        self._rate.queue_emptied(now)

    @property
    def start_interval(self) -> float:
        """Seconds between two calls that begin, as long as somebody waits; 0 while that is not known."""
        return self._rate.interval

    @property
    def overload_wait(self) -> float:
        """Seconds that a call may wait in an overload."""
        work = self._limit.baseline
        return max(self.codel.target, min(_WORKS * work, self._timeout.max_wait(work)))

    @property
    def max_wait(self) -> float:
        """Seconds that a call may wait without an overload."""
        return max(self.codel.max_wait, self._timeout.max_wait(self._limit.baseline))

    def is_too_long(self, now: float, wait: float) -> bool:
        """Count a call that is about to begin after `wait` seconds; returns whether the queue stands, as CoDel has it, and the call has
        waited longer than it could."""
        return self.codel.should_drop(now, wait) and wait > self.max_wait

    def meets_deadline(self, deadline: float | None, arrived: float, start: float) -> bool:
        """Whether a call that begins at `start` will have been answered by its deadline, if it takes what the method usually does."""
        return start + self._limit.baseline <= (arrived + self.max_wait if deadline is None else deadline)

    def wait_fraction(self, calls: int) -> float:
        """The part of what a call can wait that the last of `calls` in the queue has to wait."""
        return calls * self._rate.interval / self.max_wait

    def capacity(self, wait: float) -> int:
        """Calls that may wait so that each begins within `wait` seconds."""
        interval = self._rate.interval
        return min(self.max_length, max(MIN_CAPACITY, int(wait / interval))) if interval else self.max_length
