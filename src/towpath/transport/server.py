"""The server: listens, gives each connection a link, and ends without losing a call."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Literal, cast

from towpath.core.deadline import wheel_of
from towpath.core.errors import Code, RpcError
from towpath.core.service import Layer, Service
from towpath.transport.address import Address, bind, bound
from towpath.transport.handling import Handling
from towpath.transport.http2_exchange import Http2Exchange
from towpath.transport.link import Link
from towpath.transport.routes import Dialogue, Refusal, Route, Routes
from towpath.transport.serving import RefusedCall, ServerCall
from towpath.wire.grpc.framing import DEFAULT_MESSAGE_LIMIT
from towpath.wire.http2 import DEFAULT_LIMITS, Limits, Section, ServerConnection, Stream

_LAST_WORDS: Final = 1.0
"""Seconds that cancelled handlers and slow clients are given before connections are cut."""

_BUSY: Final = Refusal(RpcError(Code.RESOURCE_EXHAUSTED, "too many calls are under way on this connection"))
_SHUTDOWN_PING: Final = b"goodbye!"


class Server:
    """Serves `services` over gRPC on HTTP/2, each method wrapped in what `layers` put around it; without layers it is the bare path.

    `limits` hold for each connection, `message_limit` (bytes, default 4 MiB) for each message before and after decompression.
    `compression` is applied to answers whose caller accepts it. Binds to the loop that runs `start`.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        layers: Sequence[Layer] = (),
        limits: Limits = DEFAULT_LIMITS,
        message_limit: int = DEFAULT_MESSAGE_LIMIT,
        compression: Literal["gzip"] | None = None,
    ) -> None:
        self.routes = Routes(services, layers)
        self.limits = limits
        self.message_limit = message_limit
        self.compression = compression
        self.links: dict[ServerLink, None] = {}
        self._listener: asyncio.Server | None = None
        self._address = ""

    @property
    def address(self) -> str:
        """`host:port` as bound, once started; empty before."""
        return self._address

    async def start(self, host: str = "127.0.0.1", port: int = 0, *, sock: socket.socket | None = None) -> None:
        """Listen on `host:port` (port 0: a free one), or on `sock`, a listening socket that the server then owns.

        Raises SetupError if the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        if sock is None:
            sock = bind(Address(host, port), "the server's address")
        self._address = str(bound(sock))
        self._listener = await loop.create_server(lambda: ServerLink(loop, self), sock=sock)

    async def close(self, grace: float = 5.0) -> None:
        """Stop listening, let every call under way finish, and close. After `grace` seconds the rest are cancelled with UNAVAILABLE.

        If this coroutine is cancelled, the rest are cancelled at once. Calling it twice, or before `start`, does nothing.
        """
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.close()
        links = list(self.links)
        for link in links:
            link.drain()
        try:
            if links:
                await asyncio.wait([link.closed for link in links], timeout=grace)
        finally:
            try:
                # A handler may have something to put away when it is cancelled; one that refuses to die is not waited for.
                if leftover := self._cancel_calls():
                    await asyncio.wait(leftover, timeout=_LAST_WORDS)
            finally:
                for link in list(self.links):
                    link.abort()

    def _cancel_calls(self) -> list[asyncio.Future[None]]:
        """End what is still running; returns what tells when it has ended."""
        leftover: list[asyncio.Future[None]] = []
        for link in list(self.links):
            leftover += (call.task for call in link.calls if call.task is not None)
            leftover.append(link.closed)
            link.cancel_calls()
            link.close()
        return leftover


class ServerLink(Link[ServerConnection]):
    """One client's connection and its calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Server) -> None:
        super().__init__(loop)
        self.server = server
        self.wheel = wheel_of(loop)
        self.calls: dict[Handling, None] = {}
        self.draining = False
        self.compresses = server.compression == "gzip"
        self.message_limit = server.message_limit
        # Without a factory, `loop.create_task` only adds to the time of making a task: 1.3 us against 0.9, measured.
        own_tasks = loop.get_task_factory() is not None
        task_type: type[asyncio.Task[Any]] = asyncio.Task
        self.create_task: Callable[..., asyncio.Task[Any]] = loop.create_task if own_tasks else partial(task_type, loop=loop)
        # As many again as may be under way still clean up after their streams were reset.
        self.most_calls = 2 * server.limits.max_concurrent_streams
        self.connection = ServerConnection(self, server.limits)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.server.links[self] = None
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone; its calls are cancelled."""
        self.server.links.pop(self, None)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read its answers: take no more requests from it."""
        super().pause_writing()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._transport is not None:
            self._transport.resume_reading()

    def drain(self) -> None:
        """Ask the client to go elsewhere. Requests that it had already sent are told apart by a ping that travels behind them."""
        self.connection.announce_shutdown()
        self.connection.ping(_SHUTDOWN_PING)
        self.flush()

    def cancel_calls(self) -> None:
        """End what is still running."""
        for call in list(self.calls):
            call.cancel(RpcError(Code.UNAVAILABLE, "the server is shutting down"))

    def close_if_idle(self) -> None:
        """Close once the last call of a draining connection has ended."""
        if not self.calls and not self.connection.streams:
            self.close()

    # What the connection tells.

    def accept(self, head: Section) -> Stream:
        """A request begins."""
        route = head.memo
        if len(self.calls) >= self.most_calls:
            # Without this bound, a client that opens and resets streams in a row runs any number of handlers at once (CVE-2023-44487).
            return RefusedCall(self, _BUSY)
        if isinstance(route, Route):  # nearly always, for one look at the memo
            return ServerCall(self, route)
        if route is None:
            route = self.server.routes.resolve(head)
        if isinstance(route, Dialogue):
            return Http2Exchange(self, self.connection, route)
        if isinstance(route, Route):
            return ServerCall(self, route)
        return RefusedCall(self, cast("Refusal", route))

    def ready(self) -> None:
        """The client's settings are known; a server need not wait for them."""

    def going_away(self, reason: str) -> None:
        """The client will open no more streams; it closes the connection once those it has are answered."""

    def pinged(self, payload: bytes) -> None:
        """The client has heard that we are going."""
        if payload == _SHUTDOWN_PING:
            self.connection.stop_accepting()
            self.draining = True
            self.close_if_idle()
