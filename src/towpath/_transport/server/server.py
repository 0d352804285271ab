"""The server: listens, gives each connection a link, and ends without losing a call."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from towpath._core.calls.activity import activity_of
from towpath._core.context import Context
from towpath._core.decisions import Signal, unheard
from towpath._core.errors import SetupError
from towpath._core.http_bindings import UnknownQuery
from towpath._core.propagation.trust import DEFAULT_TRUST, Trust
from towpath._core.service import Layer, Service
from towpath._transport.address import BACKLOG, Address, UnixPath, bind, place_of
from towpath._transport.message_options import NO_METHODS, MethodOptions
from towpath._transport.server.connections.buffer_budget import BufferBudget
from towpath._transport.server.connections.connection import ServerLink
from towpath._transport.server.connections.connection_limits import ConnectionLimits
from towpath._transport.server.connections.deferred_writes import DeferredWrites
from towpath._transport.server.connections.open_connections import Connections
from towpath._transport.server.connections.protocol_detection import Front
from towpath._transport.server.connections.tls_handshake import RefusalLog, TlsFront
from towpath._transport.server.listener import Listener
from towpath._transport.server.method_route import MaxTimeout
from towpath._transport.server.mounts.mount import Mount
from towpath._transport.server.routes import NO_DOCUMENTS, Documents, Routes
from towpath._transport.socket_options import TcpKeepalive, set_keepalive
from towpath._transport.tls import Rotating, ServerTls
from towpath._wire.codec import JsonDefaults
from towpath._wire.compression import CompressionName
from towpath._wire.cors import CorsOptions
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT
from towpath._wire.http1 import Http1Limits
from towpath._wire.http2 import DEFAULT_LIMITS, Limits

_LAST_WORDS: Final = 1.0
"""Seconds that cancelled handlers and slow clients are given before connections are cut."""

_KEEPALIVE: Final = TcpKeepalive()

_ACCEPTED: Final = 16
"""Connections that asyncio accepts in a row, and calls its backlog. All of them have their sockets before the first is counted."""


class Server:
    """Serves `services`, each method wrapped in what `layers` put around it; without layers it is the bare path.

    `limits` hold for each connection of HTTP/2 and `http1_limits` for each of HTTP/1.1, `connections` for how many there are and how old
    they get, `keepalive` for those whose clients vanished (None: TCP asks nobody), `message_limit` (bytes, default 4 MiB) for each message
    before and after decompression; with it goes how many messages and entries of maps one may have within it: one for each 8 bytes of the
    limit in protobuf's form and for each 16 in JSON, and 32 Ki at the least (`towpath._wire.elements`). `compression` is applied to answers
    whose caller accepts it. `methods` are other limits and compressions of single methods, by full names. `documents` are what a GET of
    their paths is answered with, each made when it is asked for. `trust` says whose words about tenant and criticality hold
    (`towpath._core.propagation.trust`; by default those of private networks). `unknown_query` says whether REST refuses a query parameter
    that is no field of the request, or ignores it. `json_defaults` says whether JSON leaves out fields that have their default, or has
    them, in every protocol. `max_timeout` (seconds; "contract" for the timeouts that contracts declare; None for
    any) is the longest timeout that a caller gets. `cors` says which pages of other origins may call (None: browsers let none). `signal` is
    told of the connections, calls and messages that the limits reject. `mounts` are ASGI applications, which the server serves beside the
    services; it does not run their lifespans. Binds to the loop that runs `start`."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        layers: Sequence[Layer] = (),
        limits: Limits = DEFAULT_LIMITS,
        http1_limits: Http1Limits | None = None,
        message_limit: int = DEFAULT_MESSAGE_LIMIT,
        compression: CompressionName | None = None,
        methods: MethodOptions = NO_METHODS,
        connections: ConnectionLimits | None = None,
        keepalive: TcpKeepalive | None = _KEEPALIVE,
        documents: Documents = NO_DOCUMENTS,
        unknown_query: UnknownQuery = "refuse",
        json_defaults: JsonDefaults = "omit",
        max_timeout: MaxTimeout = None,
        cors: CorsOptions | None = None,
        signal: Signal = unheard,
        trust: Trust = DEFAULT_TRUST,
        mounts: Sequence[Mount] = (),
    ) -> None:
        self.routes = Routes(
            services,
            layers,
            documents,
            message_limit=message_limit,
            compression=compression,
            methods=methods,
            unknown_query=unknown_query,
            json_defaults=json_defaults,
            max_timeout=max_timeout,
            cors=cors,
            mounts=mounts,
        )
        """What becomes of each request, by its head."""
        self.limits = limits
        """What a connection of HTTP/2 allows its client."""
        self.http1_limits = http1_limits or Http1Limits()
        """What a connection of HTTP/1.1 allows its client."""
        self.links: dict[ServerLink[Any], None] = {}
        """The open connections that have said which HTTP they speak."""
        self.signal = signal
        """The function that hears of decisions."""
        self.trust = trust
        """The callers whose words about a call hold."""
        self.connections = Connections(connections or ConnectionLimits(), signal)
        """All open connections, and their limits."""
        self.buffers = BufferBudget(self.connections.limits.max_buffered, signal)
        """What is kept of requests in part and of answers that are not read."""
        self.deferred_writes = DeferredWrites()
        """What connections write at the end of a turn of the loop."""
        self._listener: asyncio.Server | None = None
        self._rotating: Rotating | None = None
        self._keepalive = keepalive
        self._address = ""

    @property
    def address(self) -> str:
        """`host:port` or `unix:path` as bound, once started; empty before."""
        return self._address

    def recompose(self, layers: Sequence[Layer]) -> None:
        """Put `layers` around every handler, in place of those that are there, for calls that begin from now on. What `wrap` raises leaves
        all as it was."""
        self.routes.compose(layers)

    async def start(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        sock: socket.socket | None = None,
        tls: ServerTls | None = None,
        insecure: bool = False,
    ) -> None:
        """Listen on `host:port` (port 0: a free one), or on `sock`, a listening socket that the server then owns.

        Without `tls` only on the loopback address, unless `insecure` says that plaintext is meant. Raises SetupError if the address cannot
        be had or a file of `tls` cannot be used. Where it raises or is cancelled, nothing listens, and `sock` is closed.
        """
        try:
            self._rotating = None if tls is None else Rotating(tls)
            if sock is None:
                sock = bind(Address(host, port), "the server's address")
            address = place_of(sock)
            if tls is None and not insecure and not address.loopback:
                raise SetupError(
                    f"{address} can be reached by others, and has no TLS: give a certificate ([service.tls]), or set service.insecure = "
                    "true if plaintext is meant, as behind a proxy that speaks TLS"
                )
            self._address = str(address)
            await self._listen(sock, unix=isinstance(address, UnixPath), tls=tls)
        except BaseException:
            if self._rotating is not None:
                self._rotating.close()
            if sock is not None:
                sock.close()
            raise

    async def _listen(self, sock: socket.socket, *, unix: bool, tls: ServerTls | None) -> None:
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {}
        if isinstance(loop, asyncio.BaseEventLoop):
            options["backlog"] = _ACCEPTED
        if isinstance(loop, asyncio.SelectorEventLoop) and type(sock) is socket.socket:
            sock = Listener(sock, self.connections.no_file_left)
        if self._rotating is not None:
            self._rotating.on_distrust = self._distrust
            self._rotating.watch(loop)
        if self._keepalive is not None:
            set_keepalive(sock, self._keepalive, self.connections.limits.unread_timeout)
        listen: Any = loop.create_unix_server if unix else loop.create_server
        listener: Any = None
        try:
            listener = await listen(self._front(loop, tls), sock=sock, start_serving=False, **options)
            await listener.start_serving()
            sock.listen(BACKLOG)  # loops make it their own default of 100
        except BaseException:
            if listener is not None:
                listener.close()
            sock.close()
            for early in (*self.connections.newcomers, *self.links):
                early.abort()
            raise
        self._listener = listener
        activity_of(loop).servers[self._under_way] = None

    def _under_way(self) -> Iterator[tuple[asyncio.Task[None] | None, Context]]:
        for link in list(self.links):
            yield from link.under_way()

    def _front(self, loop: asyncio.AbstractEventLoop, tls: ServerTls | None) -> Callable[[], Front | TlsFront]:
        """What makes the protocol of a new connection."""
        if tls is None or self._rotating is None:
            return lambda: Front(loop, self)
        context, refusals = self._rotating.context, RefusalLog()
        return lambda: TlsFront(loop, self, context, tls.handshake_timeout, refusals)

    def _distrust(self, authorities: frozenset[bytes]) -> None:
        for link in list(self.links):
            link.distrust(authorities)

    async def close(self, grace: float = 5.0) -> None:
        """Stop listening, let every call under way finish, and close. After `grace` seconds the rest are cancelled with UNAVAILABLE.

        If this coroutine is cancelled, the rest are cancelled at once. Calling it twice, or before `start`, does nothing.
        """
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.close()
        activity = activity_of(asyncio.get_running_loop())
        if self._rotating is not None:
            self._rotating.close()
        for newcomer in list(self.connections.newcomers):
            newcomer.abort()
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
                activity.servers.pop(self._under_way, None)

    def _cancel_calls(self) -> list[asyncio.Future[None]]:
        """End what is still running; returns what tells when it has ended."""
        leftover: list[asyncio.Future[None]] = []
        for link in list(self.links):
            leftover += (call.task for call in link.calls if call.task is not None)
            leftover.append(link.closed)
            link.cancel_calls()
            link.close()
        return leftover
