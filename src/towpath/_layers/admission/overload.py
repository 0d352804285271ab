"""Whether a method is overloaded, and whether the overload has outlasted its cause.

An overload lasts from a rejection, or a queue that stands, until a second without either. It can outlast its cause: rejected callers come
again and are rejected again, though all of them could be served.

No figure tells so many callers who each call again from calls that never end. So now and then nobody is rejected, and calls that cannot
begin gather in the queue. If so many gather that the last of them would wait for half of what it can, there is an overload, and the probe
is over; the larger the overload, the sooner that happens. If they do not, the probe ends with the overload: a second without rejections.
The first probe comes soon, and ends at a quarter: most overloads still have their cause, and some calls are served late in a probe.

Both are pure: they are told of turns and rejections.
"""

from math import inf
from typing import Final

CALM_AFTER: Final = 1.0
"""Seconds without a rejection after which a queue may be long again."""

_FIRST: Final = 1.0
"""Seconds of an overload before the first probe; twice as many after each probe that failed."""

_MAX_DELAY: Final = 64.0
"""Seconds between two probes at most."""

_FIRST_FRACTION: Final = 0.25
"""The first probe fails once the last call in the queue would wait for this part of what it can."""

_MAX_FRACTION: Final = 0.5
"""A later probe fails once the last call in the queue would wait for this part of what it can."""


class RecoveryProbe:
    """The probes of one queue."""

    __slots__ = ("_at", "_delay", "running")

    def __init__(self) -> None:
        self.running = False
        """Whether nobody is to be rejected now."""
        self._delay = _FIRST
        self._at = inf

    def overload_began(self, now: float) -> None:
        """Plan the first probe of an overload; one that returns soon keeps the delay that the overload before had reached."""
        self.running = False
        if now > self._at + self._delay:
            self._delay = _FIRST
        self._at = now + self._delay

    def update(self, now: float, wait_fraction: float) -> bool:
        """Begin or end a probe after a turn of an overload, and return `running`. The last call in the queue would wait for
        `wait_fraction` of what it can."""
        if self.running and wait_fraction > (_FIRST_FRACTION if self._delay == _FIRST else _MAX_FRACTION):
            self.running = False
            self._delay = min(_MAX_DELAY, 2 * self._delay)
            self._at = now + self._delay
        elif now >= self._at:
            self.running = True
        return self.running


class OverloadState:
    """The overload of one method, and the probes of whether it is one still."""

    __slots__ = ("probe", "until")

    def __init__(self) -> None:
        self.until = -inf
        """When the overload ends, unless calls are rejected or the queue stands until then."""
        self.probe = RecoveryProbe()
        """Says when nobody is to be rejected, although there is an overload."""

    def extend(self, now: float) -> None:
        """Begin an overload, or have it last for another second."""
        if now >= self.until:
            self.probe.overload_began(now)
        self.until = now + CALM_AFTER

    def is_active(self, now: float) -> bool:
        """Whether there is an overload."""
        return now < self.until

    def is_rejecting(self, now: float) -> bool:
        """Whether there is an overload, and calls are to be rejected for it."""
        return now < self.until and not self.probe.running
