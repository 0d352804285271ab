"""The calls of one method that are under way, and how many may be: the learnt limit while the loop is late, else any number.

Calls that wait for somebody else cost a server that is in time nothing, so nothing binds them then.
"""

import logging
from math import inf
from typing import Final

from towpath._layers.admission.adaptive_limit import AdaptiveLimit

_log = logging.getLogger("towpath.server")

UNBOUND: Final = 1 << 62
"""More calls than can be under way."""

_STUCK_AFTER: Final = 1.0
"""Seconds in which calls wait for others to end and none does, after which the limit grows."""


class InFlight:
    """The calls of one method, whose `limit` learns from them."""

    __slots__ = ("_last_start", "count", "limit", "max_count")

    def __init__(self, limit: AdaptiveLimit) -> None:
        self.count = 0
        """Calls under way."""
        self.max_count = UNBOUND
        """Calls that may be under way now."""
        self.limit = limit
        """The learnt limit, which binds while the loop is late."""
        self._last_start = -inf

    def release_bound(self) -> None:
        """Let any number be under way, since the loop is in time."""
        self.limit.raise_to(self.count)
        self.max_count = UNBOUND

    def bind(self, now: float, *, waiting: bool) -> None:
        """Let no more be under way than the limit, since the loop is late. The limit grows if calls are `waiting` and none has begun for a
        second: calls that never end say nothing of how many the server can do."""
        if not waiting or self.count < self.max_count:
            self._last_start = now
        elif now - self._last_start >= _STUCK_AFTER:
            self._last_start = now
            self.limit.grow()
        self.max_count = self.limit.limit

    def record_start(self, now: float) -> None:
        """Count a call that waited and has begun, or the first call that waits."""
        self._last_start = now

    def record_end(self, now: float, wait: float, work: float, *, late: bool) -> None:
        """Tell the limit of a call that waited for `wait` seconds and took `work`; `late` says whether the loop is. Never raises: a fault
        of the limit is no fault of the call."""
        try:
            self.limit.done(now, wait, work, self.count, late=late)
        except Exception:  # noqa: BLE001 # whatever it is, the call has its answer
            _log.exception("the concurrency limit of a method failed; its calls go on")
        if late:
            self.max_count = self.limit.limit
