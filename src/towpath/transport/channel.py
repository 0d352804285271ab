"""The channel: a client's way to one target. Connects when first used, shares one connection among all calls, replaces it once it ends."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Literal, Self

from google.protobuf.message import DecodeError, Message

from towpath.core import clock
from towpath.core.calls import ClientExchange, StreamOpener
from towpath.core.context import NO_OPTIONS, CallOptions, Context
from towpath.core.deadline import NO_SLOT
from towpath.core.errors import Code, RpcError, SetupError
from towpath.core.service import Handler, MethodKind, MethodSpec, Req, Res, UnaryCall
from towpath.transport.address import Address
from towpath.transport.calling import ClientCall
from towpath.transport.client_link import ClientLink, ConnectionLost
from towpath.transport.client_stream import ClientStream
from towpath.transport.tls import ClientTls, explained, selected_http2
from towpath.wire.grpc import framing, propagation
from towpath.wire.grpc.framing import DEFAULT_MESSAGE_LIMIT, pack_prefix
from towpath.wire.http2 import DEFAULT_LIMITS, ErrorCode, Limits, Template

_CONNECT_TIMEOUT: Final = 20.0
"""Seconds for TCP and the server's settings; gRPC's MIN_CONNECT_TIMEOUT."""

_CLOSE_TIMEOUT: Final = 1.0
"""Seconds that a server is given to read what was written before the channel was closed."""

_USER_AGENT: Final = b"towpath-python"


class Channel:
    """Calls to `target` (`host:port`) over gRPC on HTTP/2: the bare path, without layers.

    Safe to share among tasks of one loop. `message_limit` (bytes, default 4 MiB) bounds answers before and after decompression;
    `compression` is applied to requests. A call on a target that cannot be reached raises UNAVAILABLE naming it; nothing is retried.
    """

    def __init__(
        self,
        target: str,
        *,
        limits: Limits = DEFAULT_LIMITS,
        message_limit: int = DEFAULT_MESSAGE_LIMIT,
        compression: Literal["gzip"] | None = None,
        connect_timeout: float = _CONNECT_TIMEOUT,
        tls: ClientTls | None = None,
        insecure: bool = False,
    ) -> None:
        """Without `tls` only to the loopback address, unless `insecure` says that plaintext is meant. Raises SetupError if `target` is no
        address, or needs TLS, or a file of `tls` cannot be used."""
        self.target = target
        self._address = Address.parse(target, "a channel's target")
        if tls is None and not insecure and not self._address.loopback:
            raise SetupError(f"a channel to {target} has no TLS: give tls=, or insecure=True if plaintext is meant")
        self._ssl = None if tls is None else tls.context()
        self._server_name = None if tls is None else tls.server_name or self._address.host
        self._limits = limits
        self._message_limit = message_limit
        self._compression = compression
        self._connect_timeout = connect_timeout
        self._link: ClientLink | None = None
        self._links: dict[ClientLink, None] = {}
        self._connecting: asyncio.Task[ClientLink] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection; calls under way end with UNAVAILABLE, calls that still wait for a connection with CANCELLED."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        links = list(self._links)
        for link in links:
            link.close()
        if links:
            _, stuck = await asyncio.wait([link.closed for link in links], timeout=_CLOSE_TIMEOUT)
            if stuck:  # the server does not read
                for link in links:
                    link.abort()
                await asyncio.wait(stuck)

    def bind(self, method: MethodSpec[Req, Res]) -> UnaryCall[Req, Res]:
        """The callable for the unary `method`: context from the options alone, nothing inherited."""
        handler = self.handler(method)
        context = _contexts(method)

        def call(request: Req, options: CallOptions | None) -> Coroutine[Any, Any, Res]:
            return handler(request, context(options))

        return call

    def bind_stream(self, method: MethodSpec[Req, Res]) -> StreamOpener[Req, Res]:
        """What begins a call of `method`, which streams; likewise."""
        handler = self.handler(method)
        context = _contexts(method)

        def start(request: Req | None, options: CallOptions | None) -> ClientExchange[Req, Res]:
            return ClientExchange[Req, Res].start(handler, context(options), request)

        return start

    def handler(self, method: MethodSpec[Any, Any]) -> Handler:
        """The innermost handler of the method's stack: one attempt over the network."""
        return self._unary(method) if method.kind is MethodKind.UNARY else self._streaming(method)

    def _streaming(self, method: MethodSpec[Any, Any]) -> Handler:
        head = Template(*self._head(method))
        gzip = self._compression == "gzip"
        response_type: type[Message] = method.response
        limit = self._message_limit
        implied = method.default_criticality

        async def attempt(exchange: ClientExchange[Any, Any], ctx: Context) -> None:
            link = self._link
            if link is None or not link.connection.can_open():
                link = await self._link_for(ctx)
            connection = link.connection
            call = ClientStream(link, exchange, response_type, limit, gzip=gzip)
            request = exchange.request
            body = b"" if request is None else framing.frame(request.SerializeToString(), gzip=gzip)
            literals = propagation.literals(ctx, implied)
            if request is None:
                connection.open(call)
                connection.send_head(call, connection.encode(head, literals), end_stream=False)
            else:
                connection.request(call, head, literals, body)
            link.schedule_flush()
            deadline = ctx.deadline
            slot = NO_SLOT if deadline is None else link.wheel.add(deadline, call)
            exchange.attached(call)
            try:
                await call.over
            except (asyncio.CancelledError, RpcError):
                call.reset(ErrorCode.CANCEL)
                link.schedule_flush()
                raise
            finally:
                slot.pop(call, None)
                if link.needs_attention:
                    link.stream_ended()

        return attempt

    def _unary(self, method: MethodSpec[Any, Any]) -> Handler:
        head = Template(*self._head(method))
        gzip = self._compression == "gzip"
        response_type: type[Message] = method.response
        limit = self._message_limit
        implied = method.default_criticality

        async def attempt(request: Message, ctx: Context) -> Message:
            link = self._link
            if link is None or not link.connection.can_open():
                link = await self._link_for(ctx)
            connection = link.connection
            call = ClientCall(connection, link.loop, ctx, limit)
            message = request.SerializeToString()
            body = framing.frame(message, gzip=True) if gzip else pack_prefix(0, len(message)) + message
            literals = propagation.literals(ctx, implied)  # what may raise comes before the stream exists, or its place would be lost
            connection.request(call, head, literals, body)
            if len(connection.streams) == 1:
                link.flush()  # nobody to share a write with: waiting for the turn's end would only cost time
            else:
                link.schedule_flush()
            deadline = ctx.deadline
            slot = NO_SLOT if deadline is None else link.wheel.add(deadline, call)
            try:
                answer = await call.answer
            except (asyncio.CancelledError, RpcError):
                call.reset(ErrorCode.CANCEL)
                link.schedule_flush()  # also the reset of a call that expired: the wheel knows no link
                raise
            finally:
                slot.pop(call, None)
                if link.needs_attention:
                    link.stream_ended()
            try:
                return response_type.FromString(answer)
            except DecodeError as error:
                raise RpcError(Code.INTERNAL, f"the answer is not a {response_type.DESCRIPTOR.full_name}: {error}") from None

        return attempt

    def _head(self, method: MethodSpec[Any, Any]) -> list[tuple[bytes, bytes]]:
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http" if self._ssl is None else b"https"),
            (b":path", method.path.encode()),
            (b":authority", str(self._address).encode()),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"user-agent", _USER_AGENT),
            (b"grpc-accept-encoding", b"identity,gzip"),
        ]
        if self._compression == "gzip":
            fields.append((b"grpc-encoding", b"gzip"))
        return fields

    async def _link_for(self, ctx: Context) -> ClientLink:
        """A link that takes a stream now, within the call's deadline."""
        remaining = ctx.remaining()
        try:
            async with asyncio.timeout(None if remaining is None else max(0.0, remaining)):
                while True:
                    link = self._link
                    if link is None or link.connection.exhausted():
                        link = await self._connected()
                    if link.connection.can_open():
                        return link
                    await link.wait_for_stream()
        except TimeoutError:
            raise RpcError(Code.DEADLINE_EXCEEDED, f"{ctx.method}: no connection to {self.target} within the deadline") from None

    async def _connected(self) -> ClientLink:
        """The link, connected; concurrent callers share one attempt, and the cancellation of one does not end it."""
        if self._closed:
            raise self._is_closed()
        if self._connecting is None or self._connecting.done():  # done: those who began it were cancelled before it ended
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        connecting = self._connecting
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if connecting.cancelled() and task is not None and not task.cancelling():
                raise self._is_closed() from None
            raise
        finally:
            if connecting.done() and self._connecting is connecting:
                self._connecting = None

    async def _connect(self) -> ClientLink:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout):
                transport, link = await loop.create_connection(
                    lambda: ClientLink(loop, self, self._limits),
                    self._address.host,
                    self._address.port,
                    ssl=self._ssl,
                    server_hostname=self._server_name,
                )
                self._links[link] = None
                try:
                    if self._ssl is not None and not selected_http2(transport):
                        raise ConnectionLost("it speaks TLS, but not HTTP/2 (ALPN h2)")
                    await link.wait_ready()
                except BaseException:
                    link.abort()
                    raise
        except TimeoutError:
            raise self._unreachable(f"no answer within {self._connect_timeout:g} s") from None
        except OSError as error:
            raise self._unreachable(explained(error)) from None
        except ConnectionLost as error:
            raise self._unreachable(str(error)) from None
        if link.connection.exhausted():
            link.close()
            raise self._unreachable(link.fault)
        self._link = link
        return link

    def _is_closed(self) -> RpcError:
        return RpcError(Code.CANCELLED, f"the channel to {self.target} is closed")

    def _unreachable(self, reason: str) -> RpcError:
        return RpcError(Code.UNAVAILABLE, f"cannot connect to {self.target}: {reason}")

    def retire(self, link: ClientLink) -> None:
        """Send no new calls over `link`."""
        if self._link is link:
            self._link = None

    def forget(self, link: ClientLink) -> None:
        """`link` has ended."""
        self.retire(link)
        self._links.pop(link, None)


def _contexts(method: MethodSpec[Any, Any]) -> Callable[[CallOptions | None], Context]:
    """What makes the context of a call from its options alone."""
    name = method.full_name
    own_timeout = method.default_timeout
    own_criticality = method.default_criticality

    def context(options: CallOptions | None) -> Context:
        given = NO_OPTIONS if options is None else options
        timeout = own_timeout if given.timeout is None else given.timeout
        deadline = None if timeout is None else clock.now() + timeout
        level = given.criticality or own_criticality
        return Context(name, deadline, level, given.tenant or "", given.metadata, "", None, b"", "", given.reply)

    return context
