"""The calls of one method that are under way, and how many may be: the learnt limit while the loop is late, else any number.

Calls that wait for somebody else cost a server that is in time nothing, so nothing binds them then. In a late loop they would hold the
places of the limit for as long as they wait, and one caller's sleeping calls would lock the method for all others. So calls that stay do
not count for the limit. How many stay is known from Little's law: calls that end keep as many under way, on average, as they took seconds
of each second. The others stay. A limit has no place for a call that stays, so beside those that do as many more may begin.
"""

import logging
from collections import deque
from math import ceil, inf
from typing import Final

from towpath._layers.admission.adaptive_limit import AdaptiveLimit

_log = logging.getLogger("towpath.server")

UNBOUND: Final = 1 << 62
"""More calls than can be under way."""

_STUCK_AFTER: Final = 1.0
"""Seconds in which calls wait for others to end and none does, after which the limit grows."""

_PERIOD: Final = 0.1
"""Seconds from one estimate of the calls that stay to the next."""

_PERIODS: Final = 10
"""Periods of which the one with the most work counts: calls that end together would else look as if they stayed until then."""


class InFlight:
    """The calls of one method, whose `limit` learns from them."""

    __slots__ = ("_active", "_last_start", "_lowest", "_period_began", "_worked", "count", "limit", "max_count", "staying")

    def __init__(self, limit: AdaptiveLimit) -> None:
        self.count = 0
        """Calls under way."""
        self.max_count = UNBOUND
        """Calls that may be under way now."""
        self.limit = limit
        """The learnt limit, which binds while the loop is late."""
        self.staying = 0
        """Calls under way that take longer than a second, as far as is known."""
        self._last_start = -inf
        self._period_began = -inf
        self._lowest = 0
        self._worked = 0.0
        self._active: deque[float] = deque(maxlen=_PERIODS)

    def estimate_staying(self, now: float) -> None:
        """Learn how many of the calls under way stay. Call this after each measurement of the loop."""
        self._lowest = min(self._lowest, self.count)
        elapsed = now - self._period_began
        if elapsed < _PERIOD:
            return
        worked = self.limit.worked
        self._active.append((worked - self._worked) / elapsed)
        self.staying = max(0, self._lowest - ceil(max(self._active)))
        self._period_began, self._worked, self._lowest = now, worked, self.count

    def release_bound(self) -> None:
        """Let any number be under way, since the loop is in time."""
        self.limit.raise_to(self.count - self.staying)
        self.max_count = UNBOUND

    def bind(self, now: float, *, waiting: bool) -> None:
        """Let no more be under way than the limit, since the loop is late. The limit grows if calls are `waiting` and none has begun for a
        second: calls that never end say nothing of how many the server can do."""
        if not waiting or self.count < self.max_count:
            self._last_start = now
        elif now - self._last_start >= _STUCK_AFTER:
            self._last_start = now
            self.limit.grow()
        self.max_count = self.limit.limit + 2 * self.staying

    def record_start(self, now: float) -> None:
        """Count a call that waited and has begun, or the first call that waits."""
        self._last_start = now

    def record_end(self, now: float, wait: float, work: float, *, late: bool) -> None:
        """Tell the limit of a call that waited for `wait` seconds and took `work`; `late` says whether the loop is. Never raises: a fault
        of the limit is no fault of the call."""
        try:
            self.limit.done(now, wait, work, max(1, self.count - self.staying) if self.staying else self.count, late=late)
        except Exception:  # noqa: BLE001 # whatever it is, the call has its answer
            _log.exception("the concurrency limit of a method failed; its calls go on")
        if late:
            self.max_count = self.limit.limit + 2 * self.staying
