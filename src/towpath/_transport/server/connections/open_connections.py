"""The connections of one server: they are counted, looked at from time to time, and some of them are let go when there are too many.

A connection costs a socket before it has said anything, and one that lives for ever keeps its client from ever finding a new replica.

Time is looked at a few times per timeout, for all connections at once: no read and no call does anything for it. So what has a timeout ends
by as much as half of it late, and never early.
"""

import logging
from collections import Counter, deque
from typing import Final, Protocol

from towpath._core import chance, clock
from towpath._core.deadline import Slot, wheel_of
from towpath._core.decisions import Decision, Signal, unheard
from towpath._transport.connection_age import jittered_age
from towpath._transport.open_files import affordable
from towpath._transport.server.connections.connection_limits import (
    BODY_TIMEOUT,
    FLOOD,
    HEAD_TIMEOUT,
    MADE_ROOM,
    MAX_AGE,
    NO_FILE_LEFT,
    ROLE,
    TOO_MANY,
    TOO_MANY_OF_PEER,
    ConnectionLimits,
)
from towpath._transport.server.connections.connection_watch import HURRY, ConnectionWatch, Watched

log = logging.getLogger("towpath.server")

_REJECTING: Final = frozenset({TOO_MANY, TOO_MANY_OF_PEER, NO_FILE_LEFT, HEAD_TIMEOUT, BODY_TIMEOUT, FLOOD})
"""The reasons by which somebody is turned away who wanted something."""

_LOOKS: Final = 4
"""How often connections are looked at within the shortest of the timeouts."""

_CHOOSE: Final = 1.0
"""Seconds from one search among all connections for those that nobody would miss to the next, if it has found few."""

_FEW: Final = 8
"""Fewer than one in so many, that is: so the search costs each newcomer the look at a few connections."""

_CROWD: Final = 8
"""Clients that may read nothing at once before they are suspected. A debugger stops one or two."""

_MAX_LEAVING: Final = 16
"""Connections that gave up their places and are still open. They need file descriptors beside the `total`."""

_SHORTAGES: Final = frozenset({TOO_MANY, TOO_MANY_OF_PEER, NO_FILE_LEFT, MADE_ROOM})
"""The reasons that the log has a line about: somebody has to raise a limit, or to find out who takes all places."""

_FULL_FOR: Final = 120.0
"""Seconds for which a server counts as full after it has refused a connection: long enough for a hurried ping to go unanswered."""

_LOG_INTERVAL: Final = 60.0
"""Seconds from one such line to the next."""


class Newcomer(Protocol):
    """A connection that has not said yet what it speaks."""

    def abort(self) -> None:
        """Close at once."""
        ...


class Connections:
    """The connections of one server."""

    def __init__(self, limits: ConnectionLimits, signal: Signal = unheard) -> None:
        self.limits = limits
        self._signal = signal
        self.head_timeout = limits.head_timeout
        self.newcomers: dict[Newcomer, None] = {}
        """Those that have not said yet what they speak, in the order in which they came."""
        self._total = affordable(limits.total)
        self._source = chance.generator()
        self._by_peer: Counter[str] = Counter()
        self._admitted = 0
        self._watches: dict[Watched, ConnectionWatch] = {}
        self._missed_least: deque[ConnectionWatch] = deque()
        self._chosen_at = float("-inf")
        self._found = 0
        self._leaving: dict[Watched, None] = {}
        self._shortages: Counter[str] = Counter()
        self._logged_at = float("-inf")
        self._refused_at = float("-inf")
        self.full = False
        """Whether connections are refused, since there is a call under way on each of the total."""
        self.crowded = False
        """Whether many clients read nothing, as of the last look."""
        timeouts = (
            limits.head_timeout,
            limits.unused_timeout,
            limits.idle_timeout,
            limits.keepalive_time,
            limits.keepalive_timeout,
            limits.body_timeout,
            None if limits.unread_timeout is None else limits.unread_timeout / HURRY,
        )
        self._interval = min(timeout for timeout in timeouts if timeout is not None) / _LOOKS
        self._slot: Slot | None = None

    def admit(self, peer: str) -> bool:
        """Count a connection from the host `peer`, unless it is one too many."""
        most = self.limits.per_peer
        if most is not None and self._by_peer[peer] >= most:
            self.tell(TOO_MANY_OF_PEER)
            return False
        if self._admitted >= self._total and not self._make_room():
            self._refused_at = clock.now()
            self.tell(TOO_MANY)
            return False
        self._admitted += 1
        self._by_peer[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        """A connection that was admitted has ended."""
        self._admitted -= 1
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]

    def tell(self, reason: str, method: str = "") -> None:
        """A connection was turned away or let go, or a call of `method` was ended."""
        self._signal(Decision(method, ROLE, reason, False, None, reason in _REJECTING))
        if reason in _SHORTAGES:
            self._shortages[reason] += 1
            self._log_shortages(clock.now())

    def no_file_left(self) -> None:
        """A new connection was closed, since the process may not have another file open."""
        self.tell(NO_FILE_LEFT)

    def _log_shortages(self, now: float) -> None:
        if self._shortages and now - self._logged_at >= _LOG_INTERVAL:
            counted = ", ".join(f"{reason} {number}" for reason, number in sorted(self._shortages.items()))
            self._shortages.clear()
            self._logged_at = now
            log.warning(
                "connections are short: %s; %d are open of the %d that the server may have (service.connections.max_connections, and what "
                "the process' limit on open files leaves)",
                counted,
                self._admitted,
                self._total,
            )

    def enter(self, link: Watched, peer: str) -> None:
        """Watch a connection that was admitted, until it ends."""
        limits, now = self.limits, clock.now()
        watch = self._watches[link] = ConnectionWatch(link, peer, now)
        link.closed.add_done_callback(lambda _: self._end(watch))
        if limits.max_age is not None:
            aging = _Aging(link, self)
            slot = wheel_of(link.loop).add(now + jittered_age(limits.max_age, self._source), aging)
            link.closed.add_done_callback(lambda _: slot.pop(aging, None))
        if self._slot is None:
            self._slot = wheel_of(link.loop).add(now + self._interval, self)

    def expire(self) -> None:
        """Look at all connections, and let those go whose time is over."""
        now = clock.now()
        silent = 0
        self.full = now - self._refused_at < _FULL_FOR
        for watch in list(self._watches.values()):
            watch.look(self, now)
            silent += watch.unread > 0
        self.crowded = silent > _CROWD
        self._log_shortages(now)
        self._slot = None
        for link in self._watches:
            self._slot = wheel_of(link.loop).add(now + self._interval, self)
            break

    def _end(self, watch: ConnectionWatch) -> None:
        del self._watches[watch.link]
        self._leaving.pop(watch.link, None)
        self._give_back(watch)
        if not self._watches and self._slot is not None:
            self._slot.pop(self, None)
            self._slot = None

    def _give_back(self, watch: ConnectionWatch) -> None:
        """Its place is free."""
        peer, watch.peer = watch.peer, None
        if peer is not None:
            self.leave(peer)

    def _make_room(self) -> bool:
        """Let the connection go that is missed least, if there is one that would not be missed."""
        for newcomer in self.newcomers:
            self.tell(MADE_ROOM)
            newcomer.abort()
            return True
        chosen, limits, now = self._missed_least, self.limits, clock.now()
        if not chosen and (now - self._chosen_at >= _CHOOSE or self._found * _FEW >= len(self._watches)):
            self._chosen_at = now
            free = [watch for watch in self._watches.values() if watch.peer is not None and watch.may_be_missed_by_nobody]
            self._found = len(free)
            chosen.extend(sorted(free, key=lambda watch: (watch.link.busy, watch.link.asked > 0, watch.idle_since)))
        while chosen:
            watch = chosen.popleft()
            if watch.peer is not None and watch.missed_by_nobody(limits, now):
                self._give_back(watch)
                self.tell(MADE_ROOM)
                watch.make_room()
                self._leave_soon(watch.link)
                return True
        return False

    def _leave_soon(self, link: Watched) -> None:
        """Its place is taken already, and it may still wait for its client to close: a few connections may."""
        if not link.closed.done():
            self._leaving[link] = None
            if len(self._leaving) > _MAX_LEAVING:
                first = next(iter(self._leaving))
                del self._leaving[first]
                first.abort()


class _Aging:
    """What stands on the wheel for a connection."""

    def __init__(self, link: Watched, connections: Connections) -> None:
        self._link = link
        self._connections = connections

    def expire(self) -> None:
        self._connections.tell(MAX_AGE)
        self._link.drain()
