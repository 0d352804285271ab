"""How many connections a server has, from whom, for how long, and which go first when there are too many.

A connection costs a socket before it has said anything, and one that lives for ever keeps its client from ever finding a new replica. The
age is gRPC's MAX_CONNECTION_AGE, with its jitter (see `towpath._transport.connection_age`).

Time is looked at a few times per timeout, for all connections at once: no read and no call does anything for it. So what has a timeout ends
by as much as half of it late, and never early.
"""

import asyncio
import sys
from collections import Counter, deque
from dataclasses import dataclass
from typing import Final, Protocol

from towpath._core import chance, clock
from towpath._core.deadline import Slot, wheel_of
from towpath._core.decisions import Decision, Signal, unheard
from towpath._transport.connection_age import jittered_age

ROLE: Final = "connections"
"""The role of these limits."""

TOO_MANY: Final = "TOO_MANY_CONNECTIONS"
"""A new connection was closed: the server has its total, and a call is under way on each."""

TOO_MANY_OF_PEER: Final = "TOO_MANY_CONNECTIONS_OF_PEER"
"""A new connection was closed: its host has as many as one may have."""

MADE_ROOM: Final = "MADE_ROOM"
"""A connection with nothing under way was closed for a new one, since the server has its total."""

HEAD_TIMEOUT: Final = "HEAD_TIMEOUT"
"""A connection was closed: what its client had begun to say did not come in time, or nothing came at all."""

UNUSED_TIMEOUT: Final = "UNUSED_TIMEOUT"
"""A connection was let go on which nothing was ever asked."""

IDLE_TIMEOUT: Final = "IDLE_TIMEOUT"
"""A connection was let go on which nothing was asked for long."""

KEEPALIVE_TIMEOUT: Final = "KEEPALIVE_TIMEOUT"
"""A connection with calls under way was closed: its client did not answer a ping."""

MAX_AGE: Final = "MAX_AGE"
"""A connection was let go for its age."""

_REJECTING: Final = frozenset({TOO_MANY, TOO_MANY_OF_PEER, HEAD_TIMEOUT})
"""The reasons by which somebody is turned away who wanted something."""

_LOOKS: Final = 4
"""How often connections are looked at within the shortest of the timeouts."""

_RESERVE: Final = 8
"""One in so many of the process' file descriptors is not for the connections of clients."""

_LEAST_RESERVE: Final = 32
_CHOOSE: Final = 1.0
"""Seconds from one search among all connections for those that nobody would miss to the next, if it has found few."""

_FEW: Final = 8
"""Fewer than one in so many, that is: so the search costs each newcomer the look at a few connections."""


def affordable(total: int) -> int:
    """`total` connections, or as many as the process' limit on file descriptors leaves for them: an eighth of it, and 32 at the least, is
    kept for its own connections, files and stores. One at the least."""
    if sys.platform == "win32":  # which has no such limit
        return total
    import resource  # noqa: PLC0415 # not there on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return total
    return max(1, min(total, soft - max(_LEAST_RESERVE, soft // _RESERVE)))


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """`total` (10,000) and `per_peer` (None: any number, since a proxy is one peer) bound the connections that are open at once. `total` is
    less where the process may not have as many files open: an eighth of its limit (RLIMIT_NOFILE, 32 at the least) stays its own. At the
    total a new connection takes the place of one that has never asked anything, else of the one that has asked nothing for longest; where
    calls are under way on all of them, and beyond `per_peer`, it is closed without a word.

    Seconds: `head_timeout` (20) is for what a client has to say before anything can be done for it: its first bytes, the preface and
    settings of HTTP/2, the head of a request, once it has begun, and any other frame but those of a body. `unused_timeout` (300, None:
    any) is after how long a connection is let go that has been opened and asked nothing, `idle_timeout` (3600, None: any) after how long
    one on which calls were made and none is under way. `max_age` (None: any) is after how long one is drained, give or take a tenth. In
    each case a client of HTTP/2 hears of it by GOAWAY, calls under way finish, and later ones go over a new connection.

    `keepalive_time` (300, None: never) is how often a client of HTTP/2 with calls under way is pinged, and `keepalive_timeout` (300) how
    long nothing may come after that, until its calls are cancelled and its connection is closed. A client that vanished without a word
    would hold its place and its handlers for good, where something on the way acknowledges in its stead; TCP itself finds the others.
    """

    total: int = 10_000
    per_peer: int | None = None
    max_age: float | None = None
    head_timeout: float = 20.0
    unused_timeout: float | None = 300.0
    idle_timeout: float | None = 3600.0
    keepalive_time: float | None = 300.0
    keepalive_timeout: float = 300.0

    def __post_init__(self) -> None:
        """Raises ValueError for a limit that lets nobody in."""
        for name in (
            "total",
            "per_peer",
            "max_age",
            "head_timeout",
            "unused_timeout",
            "idle_timeout",
            "keepalive_time",
            "keepalive_timeout",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; give more than 0")


class Newcomer(Protocol):
    """A connection that has not said yet what it speaks."""

    def abort(self) -> None:
        """Close at once."""
        ...


class Watched(Protocol):
    """A connection that speaks, as those see it who let it go."""

    loop: asyncio.AbstractEventLoop
    closed: asyncio.Future[None]

    @property
    def asked(self) -> int:
        """How many requests have come on it; only whether that changes matters, and whether it is 0."""
        ...

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        ...

    def begun(self) -> object:
        """What has begun to come and is not there whole, but for bodies: equal to what this was before as long as it is the same. None if
        there is nothing."""
        ...

    holds: int
    """Whether nothing is read now, for whatever reason."""

    awaits_pong: bool
    """Whether the last ping has not been answered."""

    def ask(self) -> None:
        """Ping the client, if its protocol can."""
        ...

    def drain(self) -> None:
        """Ask the client to go elsewhere, and close once nothing is under way."""
        ...

    def give_up(self, reason: str) -> None:
        """Tell the client why, and close."""
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
        self._watches: dict[Watched, _Watch] = {}
        self._missed_least: deque[_Watch] = deque()
        self._chosen_at = float("-inf")
        self._found = 0
        timeouts = (limits.head_timeout, limits.unused_timeout, limits.idle_timeout, limits.keepalive_time, limits.keepalive_timeout)
        self._interval = min(timeout for timeout in timeouts if timeout is not None) / _LOOKS
        self._slot: Slot | None = None

    def admit(self, peer: str) -> bool:
        """Count a connection from the host `peer`, unless it is one too many."""
        most = self.limits.per_peer
        if most is not None and self._by_peer[peer] >= most:
            self.tell(TOO_MANY_OF_PEER)
            return False
        if self._by_peer.total() >= self._total and not self._make_room():
            self.tell(TOO_MANY)
            return False
        self._by_peer[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        """A connection that was admitted has ended."""
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]

    def tell(self, reason: str) -> None:
        """A connection was turned away or let go."""
        self._signal(Decision("", ROLE, reason, False, None, reason in _REJECTING))

    def enter(self, link: Watched, peer: str) -> None:
        """Watch a connection that was admitted, until it ends."""
        limits, now = self.limits, clock.now()
        watch = self._watches[link] = _Watch(link, peer, now)
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
        for watch in list(self._watches.values()):
            watch.look(self, now)
        self._slot = None
        for link in self._watches:
            self._slot = wheel_of(link.loop).add(now + self._interval, self)
            break

    def _end(self, watch: "_Watch") -> None:
        del self._watches[watch.link]
        self._give_back(watch)
        if not self._watches and self._slot is not None:
            self._slot.pop(self, None)
            self._slot = None

    def _give_back(self, watch: "_Watch") -> None:
        """Its place is free."""
        peer, watch.peer = watch.peer, None
        if peer is not None:
            self.leave(peer)

    def _make_room(self) -> bool:
        """Let the connection go that is missed least, if there is one that has nothing under way."""
        for newcomer in self.newcomers:
            self.tell(MADE_ROOM)
            newcomer.abort()
            return True
        chosen, now = self._missed_least, clock.now()
        if not chosen and (now - self._chosen_at >= _CHOOSE or self._found * _FEW >= len(self._watches)):
            self._chosen_at = now
            free = [watch for watch in self._watches.values() if watch.peer is not None and not watch.link.busy]
            self._found = len(free)
            chosen.extend(sorted(free, key=lambda watch: (watch.link.asked > 0, watch.idle_since)))
        while chosen:
            watch = chosen.popleft()
            if watch.peer is not None and watch.idle(now):
                self._give_back(watch)
                self.tell(MADE_ROOM)
                watch.give_up("there are too many connections, and this one had nothing under way")
                return True
        return False


class _Watch:
    """What is remembered of a connection from one look at it to the next."""

    __slots__ = ("_asked", "_begun", "_drained_at", "_gone", "_pinged_at", "_since", "idle_since", "link", "peer")

    def __init__(self, link: Watched, peer: str, now: float) -> None:
        self.link = link
        self.peer: str | None = peer
        self.idle_since = now
        self._asked: int = 0
        self._begun = link.begun()
        self._since = now
        self._pinged_at = now
        self._drained_at: float | None = None
        self._gone = False

    def idle(self, now: float) -> bool:
        """Whether nothing is under way and nothing was asked since the last look."""
        link = self.link
        if link.busy or link.asked != self._asked:
            self._asked, self.idle_since, self._drained_at = link.asked, now, None
            return False
        return True

    def look(self, connections: Connections, now: float) -> None:
        """Let it go if its time is over."""
        link, limits = self.link, connections.limits
        if self._gone:
            return
        begun = link.begun()
        if begun is None or begun != self._begun:
            self._begun, self._since = begun, now
        elif now - self._since >= limits.head_timeout:
            connections.tell(HEAD_TIMEOUT)
            self.give_up("what was begun did not come in time")
            return
        if not self.idle(now):
            self._keep_alive(connections, now)
            return
        most = limits.idle_timeout if self._asked else limits.unused_timeout
        if self._drained_at is not None:
            if now - self._drained_at >= limits.head_timeout:
                self.give_up("nothing was asked for long")
        elif most is not None and now - self.idle_since >= most:
            self._drained_at = now
            connections.tell(IDLE_TIMEOUT if self._asked else UNUSED_TIMEOUT)
            link.drain()

    def _keep_alive(self, connections: Connections, now: float) -> None:
        """Ask a client with calls under way whether it is there, and close its connection if it does not answer."""
        link, limits = self.link, connections.limits
        if limits.keepalive_time is None:
            return
        if link.holds:  # an answer would not be read
            self._pinged_at = now
        elif link.awaits_pong:
            if now - self._pinged_at >= limits.keepalive_timeout:
                connections.tell(KEEPALIVE_TIMEOUT)
                self.give_up("a keepalive ping was not answered in time")
        elif now - self._pinged_at >= limits.keepalive_time:
            self._pinged_at = now
            link.ask()

    def give_up(self, reason: str) -> None:
        """Have it closed, once."""
        self._gone = True
        self.link.give_up(reason)


class _Aging:
    """What stands on the wheel for a connection."""

    def __init__(self, link: Watched, connections: Connections) -> None:
        self._link = link
        self._connections = connections

    def expire(self) -> None:
        self._connections.tell(MAX_AGE)
        self._link.drain()
