"""What a server remembers of one connection from one look at it to the next, and which of its times is over.

`towpath._transport.server.connections.open_connections` says when it looks, and chooses the connections that make room for others.
"""

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol

from towpath._core.errors import Code, RpcError
from towpath._transport.server.connections.connection_limits import (
    BODY_TIMEOUT,
    HEAD_TIMEOUT,
    IDLE_TIMEOUT,
    KEEPALIVE_TIMEOUT,
    UNREAD_TIMEOUT,
    UNUSED_TIMEOUT,
    ConnectionLimits,
)
from towpath._transport.server.connections.slow_clients import Arriving, LateRequests, Reading, UnreadTime

HURRY: Final = 8
"""The part of `unread_timeout` that a client has which reads nothing in a crowd, or whose place is needed: 30 s of 240 s. It is also the
part of `body_timeout` if the place is needed, and of a ping's times while a server is full: then a client has to answer within 38 s, and is
asked as often."""

BETWEEN_CALLS: Final = 2.0
"""Seconds for which a connection that was just used keeps its place. A client that calls now and then is idle in between, and would lose it
to anybody who connects."""

SILENCE: Final = 30.0
"""Seconds for which a client may say nothing on a stream of requests over HTTP/1.1, if its place is needed."""


class Watched(Reading, Protocol):
    """A connection that speaks, as those see it who let it go."""

    loop: asyncio.AbstractEventLoop
    closed: asyncio.Future[None]

    def arriving(self) -> Iterable[Arriving]:
        """The calls under way, of which some may wait for their requests."""
        ...

    @property
    def owes_unasked(self) -> bool:
        """Whether its client has the rest of a request to send, and cannot be asked whether it is there."""
        ...

    heard: bool
    """Whether bytes have come, of a client that cannot be asked. A look clears it."""

    def schedule_flush(self) -> None:
        """Write what waits at the end of this turn of the loop."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...

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


class Connections(Protocol):
    """All of them, as the watch of one sees them."""

    limits: ConnectionLimits

    crowded: bool
    """Whether many clients read nothing."""

    full: bool
    """Whether connections are refused, since there is a call under way on each of the total."""

    def tell(self, reason: str, method: str = "") -> None:
        """A limit has interfered."""
        ...


class ConnectionWatch:
    """What is remembered of a connection from one look at it to the next."""

    __slots__ = (
        "_asked",
        "_begun",
        "_drained_at",
        "_gone",
        "_heard_at",
        "_late_requests",
        "_pinged_at",
        "_since",
        "_unread_time",
        "idle_since",
        "link",
        "peer",
        "unread",
    )

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
        self._heard_at = now
        self._unread_time = UnreadTime()
        self._late_requests = LateRequests()
        self.unread = 0.0
        """Seconds for which the client had read nothing of what waits for it, at the last look."""

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
        self.unread = self._unread_time.look(link, now)
        if link.heard or link.holds:  # what is not read cannot be heard
            link.heard, self._heard_at = False, now
        if limits.unread_timeout is not None and self.unread >= limits.unread_timeout / (HURRY if connections.crowded else 1):
            connections.tell(UNREAD_TIMEOUT)
            self._gone = True
            link.abort()  # also where it is closing, and only waits for its client to read
        if self._gone:
            return
        if limits.body_timeout is not None:
            self._end_late_requests(connections, limits.body_timeout, now)
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

    def _end_late_requests(self, connections: Connections, timeout: float, now: float) -> None:
        link = self.link
        arriving = () if link.holds or not link.busy else link.arriving()  # what is not read cannot come
        for call in self._late_requests.look(arriving, now, timeout):
            method = call.served.name
            connections.tell(BODY_TIMEOUT, method)
            call.cancel(RpcError(Code.DEADLINE_EXCEEDED, f"the request of {method} did not come whole in time"))
            link.schedule_flush()

    def _keep_alive(self, connections: Connections, now: float) -> None:
        """Ask a client with calls under way whether it is there, and close its connection if it does not answer."""
        link, limits, hurry = self.link, connections.limits, HURRY if connections.full else 1
        if limits.keepalive_time is None:
            return
        if link.holds:  # an answer would not be read
            self._pinged_at = now
        elif link.awaits_pong:
            if now - self._pinged_at >= limits.keepalive_timeout / hurry:
                connections.tell(KEEPALIVE_TIMEOUT)
                self.give_up("a keepalive ping was not answered in time")
        elif now - self._pinged_at >= limits.keepalive_time / hurry:
            self._pinged_at = now
            link.ask()

    @property
    def may_be_missed_by_nobody(self) -> bool:
        """Whether `missed_by_nobody` is worth asking, as of the last look."""
        link = self.link
        return self.unread > 0 or self._late_requests.alone or link.owes_unasked or not link.busy

    def missed_by_nobody(self, limits: ConnectionLimits, now: float) -> bool:
        """Whether its place may go to a new connection: nothing is under way, or its client has read nothing for long, or is slow to send
        all that it has begun to ask, or says nothing more on a stream of requests and cannot be pinged."""
        link = self.link
        if not link.busy:
            return self.idle(now) and (not link.asked or now - self.idle_since >= BETWEEN_CALLS)
        if link.owes_unasked and not link.heard and now - self._heard_at >= SILENCE:
            return True
        if limits.unread_timeout is not None and self._unread_time.look(link, now) >= limits.unread_timeout / HURRY:
            return True
        hurried = limits.body_timeout
        return hurried is not None and self._late_requests.alone and self._late_requests.all_late(link.arriving(), now, hurried / HURRY)

    def make_room(self) -> None:
        """Have it closed for a new connection."""
        if self.link.busy:
            self._gone = True
            self.link.abort()
        else:
            self.give_up("there are too many connections, and this one had nothing under way")

    def give_up(self, reason: str) -> None:
        """Have it closed, once."""
        self._gone = True
        self.link.give_up(reason)
