"""A server's connection, of whichever HTTP: what its calls need of it, and how it ends without losing one."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar, Final, Protocol, TypeVar

from towpath._core import clock
from towpath._core.calls.activity import activity_of
from towpath._core.context import Context
from towpath._core.deadline import wheel_of
from towpath._core.decisions import Signal
from towpath._core.errors import Code, RpcError
from towpath._core.propagation.trust import Belief, Trust
from towpath._transport.connection_driver import Link, SansIO
from towpath._transport.peer_certificate import caller_of, lifetime, margin, vouched_for_by
from towpath._transport.server.call import Handling
from towpath._transport.server.connections.buffer_budget import BufferBudget, Kept
from towpath._transport.server.connections.deferred_writes import DeferredWrites
from towpath._transport.server.connections.open_connections import Connections
from towpath._transport.server.routes import Routes
from towpath._wire.http1 import Http1Limits
from towpath._wire.http2 import Limits

End = TypeVar("End", bound=SansIO)

_HALF_CLOSED: Final = 60.0
"""Seconds for which a client that has closed its half of the connection is answered, if it can be asked whether it is there."""

_DISTRUST_GRACE: Final = 10.0
"""Seconds that calls under way have to end after the authority of their client's certificate was removed."""


class Site(Protocol):
    """The server, as its connections see it."""

    routes: Routes
    limits: Limits
    http1_limits: Http1Limits
    links: "dict[ServerLink[Any], None]"
    connections: Connections
    buffers: BufferBudget
    signal: Signal
    trust: Trust
    deferred_writes: DeferredWrites


class ServerLink(Link[End]):
    """One client's connection and its calls."""

    http_version: ClassVar[str]
    """The version of HTTP, as ASGI names it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, site: Site) -> None:
        super().__init__(loop)
        self.site = site
        self.wheel = wheel_of(loop)
        self.activity = activity_of(loop)
        self.calls: dict[Handling, None] = {}
        self.draining = False
        self.awaits_pong = False
        """Whether the last ping has not been answered."""
        self.caller = ""
        """Who the client is by its certificate."""
        self.belief = Belief.NOTHING
        """What the client's calls are believed, once it has connected."""
        self.signal = site.signal
        self.buffers = site.buffers
        self._largest_write = 0
        self._asgi_facts: dict[str, Any] | None = None
        # Without a factory, `loop.create_task` only adds to the time of making a task: 1.3 us against 0.9, measured.
        own_tasks = loop.get_task_factory() is not None
        task_type: type[asyncio.Task[Any]] = asyncio.Task
        self.create_task: Callable[..., asyncio.Task[Any]] = loop.create_task if own_tasks else partial(task_type, loop=loop)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.site.links[self] = None
        self.caller = caller_of(transport)
        super().connection_made(transport)
        self.belief = self.site.trust.belief(self.peer, self.caller)
        left = lifetime(transport)
        if left is not None:
            grace = margin(left)
            self._at(left - grace, lambda: self.end_within(grace, "its client's certificate has expired"))

    @property
    def asgi_facts(self) -> dict[str, Any]:
        """What the connection says of its requests, for the scopes of mounted applications."""
        facts = self._asgi_facts
        if facts is None:
            facts = self._asgi_facts = self._told()
        return facts

    def _told(self) -> dict[str, Any]:
        transport = self._transport
        told: Callable[[str], Any] = (lambda _: None) if transport is None else transport.get_extra_info
        client, server = told("peername"), told("sockname")
        return {
            "http_version": self.http_version,
            "scheme": "http" if told("ssl_object") is None else "https",
            "client": _host_and_port(client),
            "server": _host_and_port(server) or (str(server or ""), None),
        }

    def eof_received(self) -> bool:
        """The client sends nothing more. It may have closed its half of the connection and wait for what it has asked: one that is gone
        looks the same, so it is answered for `half_closed_time` seconds at most. TLS has no half of a connection to close."""
        transport = self._transport
        if transport is None:
            return False
        if transport.can_write_eof():
            self._input_ended()
        self.flush()
        if transport.is_closing() or not transport.can_write_eof() or not self.busy:
            return False
        if self._cut is None:
            self._cut = self.loop.call_later(self.half_closed_time(), self.abort)
        return True

    def half_closed_time(self) -> float:
        """Seconds for which a client that has closed its half of the connection is answered."""
        return _HALF_CLOSED

    @abstractmethod
    def _input_ended(self) -> None:
        """Give up what has come in part, and close once all that has come whole is answered."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone; its calls are cancelled."""
        self.site.links.pop(self, None)
        self.buffers.leave(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read what it is sent."""
        super().pause_writing()
        self._largest_write = 0
        self.buffers.grew(self, self.buffered)

    def wrote_unread(self, size: int) -> None:
        self._largest_write = max(self._largest_write, size)
        self.buffers.grew(self, size)

    @property
    def held(self) -> int:
        """Bytes that are kept for the socket. What was written in one piece is kept whole, however little of it is left."""
        waiting = self.buffered
        return max(waiting, self._largest_write) if waiting else 0

    @abstractmethod
    def kept(self) -> Iterator[Kept]:
        """The calls, for which bytes may be kept."""

    @abstractmethod
    def overdrawn(self, reason: str) -> None:
        """End the connection, since too much is kept for it."""

    def end_within(self, seconds: float, reason: str) -> None:
        """Ask the client to go elsewhere, and end the connection with what is still under way after so many seconds."""
        self.drain()
        self._at(seconds, lambda: self.give_up(reason))

    def distrust(self, authorities: frozenset[bytes]) -> None:
        """Some certificates (DER) are authorities no more: a client that one of them vouched for has ten seconds to end its calls. Its next
        connection has to be vouched for by another one."""
        if self._transport is not None and vouched_for_by(self._transport, authorities):
            self.end_within(_DISTRUST_GRACE, "the authority that vouched for its client's certificate is not trusted any more")

    def _at(self, delay: float, what: Callable[[], None]) -> None:
        """Call `what` in so many seconds, unless the connection has ended."""
        item = _Later(what)
        slot = self.wheel.add(clock.now() + delay, item)
        self.closed.add_done_callback(lambda _: slot.pop(item, None))

    @property
    @abstractmethod
    def asked(self) -> int:
        """How many requests have come; only whether that changes matters, and whether it is 0."""

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether a call is under way."""

    def begun(self) -> object:
        """What has begun to come and is not there whole, but for bodies: equal to what this was before as long as it is the same. None if
        there is nothing, or if the rest is not read."""
        return None if self.holds else self._begun()

    @abstractmethod
    def _begun(self) -> object:
        """The same, where all is read."""

    @abstractmethod
    def give_up(self, reason: str) -> None:
        """Tell the client why, and close."""

    def ask(self) -> None:
        """Ask the client whether it is there, where the protocol can."""

    @abstractmethod
    def drain(self) -> None:
        """Ask the client to go elsewhere, and close once nothing is under way."""

    @abstractmethod
    def close_if_idle(self) -> None:
        """Close once the last call of a draining connection has ended."""

    def under_way(self) -> "Iterator[tuple[asyncio.Task[None] | None, Context]]":
        """The calls whose handlers run. It may be asked in any thread."""
        for call in list(self.calls):
            yield call.task, call.context

    def cancel_calls(self) -> None:
        """End what is still running."""
        for call in [*self.calls, *self._unbegun()]:
            call.cancel(RpcError(Code.UNAVAILABLE, "the server is shutting down"))

    @property
    def owes_unasked(self) -> bool:
        """Whether the client has the rest of a request to send, and cannot be asked whether it is there."""
        return False

    @abstractmethod
    def arriving(self) -> list[Handling]:
        """The calls of which some may wait for the rest of their requests."""

    @abstractmethod
    def _unbegun(self) -> list[Handling]:
        """The calls that have no handler yet: their requests are still coming, or they wait to be admitted."""


def _host_and_port(address: tuple[Any, ...] | str | None) -> tuple[str, int] | None:
    return (str(address[0]), int(address[1])) if isinstance(address, tuple) else None


class _Later:
    """Stands on the wheel for what is done later."""

    __slots__ = ("_what",)

    def __init__(self, what: Callable[[], None]) -> None:
        self._what = what

    def expire(self) -> None:
        self._what()
