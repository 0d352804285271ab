"""The channel: a client's way to one target. Connects when first used, and gives each call a connection that takes it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self

from google.protobuf.message import DecodeError, Message

from towpath.core import clock
from towpath.core.calls import ClientExchange, StreamOpener
from towpath.core.context import NO_OPTIONS, CallOptions, Context
from towpath.core.deadline import NO_SLOT
from towpath.core.errors import Code, RpcError, SetupError
from towpath.core.service import Handler, MethodKind, MethodSpec, Req, Res, UnaryCall
from towpath.core.signals import Signal, unheard
from towpath.transport.client.endpoints.dialer import Dialer
from towpath.transport.client.endpoints.health_check import HealthCheck
from towpath.transport.client.endpoints.pool import Pool
from towpath.transport.client.endpoints.resolver import resolver_of
from towpath.transport.client.endpoints.target import Target
from towpath.transport.client.grpc_stream import ClientStream
from towpath.transport.client.grpc_unary import ClientCall, grpc_fields, request_head
from towpath.transport.client.load_balancing.endpoint_guard import Guards
from towpath.transport.client.options import ChannelOptions
from towpath.transport.client.stream import SpokenStream
from towpath.transport.client.unary import whole_attempt
from towpath.transport.tls import ClientTls
from towpath.wire.compression import CompressionName, configured
from towpath.wire.elements import UNCHECKED, check_elements
from towpath.wire.grpc import framing, propagation
from towpath.wire.grpc.framing import DEFAULT_MESSAGE_LIMIT, pack_prefix
from towpath.wire.http.fields import Field, Template
from towpath.wire.http2 import DEFAULT_LIMITS, ErrorCode, Limits
from towpath.wire.spoken import SPOKEN


class Channel:
    """Calls to `target` (see `towpath.transport.client.endpoints.target`) over gRPC on HTTP/2, or in the protocol of `options`: the bare
    path, no layers.

    Safe to share among tasks of one loop. `message_limit` (bytes, default 4 MiB) bounds answers before and after decompression,
    and how many messages are within one, as it does on a server (`towpath.transport.Server`); `compression` is applied to requests. A call
    on a target that cannot be reached raises UNAVAILABLE naming it and why, unless its options say `wait_for_ready`: then it waits until
    its deadline. Nothing is retried.

    `guards` make what each of several endpoints is guarded by, see `towpath.transport.client.load_balancing.endpoint_guard`. Where fewer
    than half of them allow a call, they are not heeded, of which `signal` is told with the reason PANIC.
    """

    def __init__(
        self,
        target: str,
        *,
        limits: Limits = DEFAULT_LIMITS,
        message_limit: int = DEFAULT_MESSAGE_LIMIT,
        compression: CompressionName | None = None,
        options: ChannelOptions | None = None,
        tls: ClientTls | None = None,
        insecure: bool = False,
        guards: Guards | None = None,
        signal: Signal = unheard,
    ) -> None:
        """Without `tls` only to the loopback address, unless `insecure` says that plaintext is meant. Raises SetupError if `target` is no
        target, or needs TLS, or a file of `tls` cannot be used."""
        self.target = target
        where = Target.parse(target, "a channel's target")
        if tls is None and not insecure and not where.loopback:
            raise SetupError(f"a channel to {target} has no TLS: give tls=, or insecure=True if plaintext is meant")
        self._scheme = b"http" if tls is None else b"https"
        self._authority = where.authority.encode()
        self._message_limit = message_limit
        self._compression = configured(compression)
        settings = options or ChannelOptions()
        self._spoken = SPOKEN.get(settings.protocol)  # None for gRPC
        named = where.places[0].host if where.scheme == "dns" else None  # an address is on no certificate, its name is
        dialer = Dialer(settings, limits, None if tls is None else tls.context(), None if tls is None else tls.server_name or named)
        asked = settings.health_service
        health = None if asked is None else HealthCheck(asked, settings, scheme=self._scheme, authority=self._authority)
        self._pool = Pool(target, resolver_of(where), dialer, settings, health, guards, signal)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End its connections; calls under way end with UNAVAILABLE, calls that still wait for a connection with CANCELLED."""
        await self._pool.close()

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
        if method.kind is not MethodKind.UNARY:
            return self._streaming(method)
        spoken = self._spoken
        if spoken is None:
            return self._unary(method)
        head = self._head(method, spoken.unary_fields(self._compression))
        return whole_attempt(self._pool, method, head, spoken, limit=self._message_limit, compression=self._compression)

    def _streaming(self, method: MethodSpec[Any, Any]) -> Handler:
        compression = self._compression
        spoken = self._spoken
        head = self._head(method, grpc_fields(compression) if spoken is None else spoken.stream_fields(compression))
        literals_of = propagation.literals if spoken is None else spoken.literals
        response_type: type[Message] = method.response
        limit = self._message_limit
        implied = method.default_criticality
        name = method.full_name
        pool = self._pool

        async def attempt(exchange: ClientExchange[Any, Any], ctx: Context) -> None:
            request = exchange.request
            body = b"" if request is None else framing.frame(request.SerializeToString(), compression)
            link = pool.sole
            if link is None or not link.connection.can_open():
                link = pool.pick(ctx, method) or await pool.link_for(ctx, method)
            connection = link.connection
            if spoken is None:
                call = ClientStream(link, exchange, response_type, limit, compression)
            else:
                call = SpokenStream(link, exchange, response_type, limit, spoken.streamed_answer(limit), compression)
            literals = literals_of(ctx, implied)
            if request is None:
                connection.open(call)
                connection.send_head(call, connection.encode(head, literals), end_stream=False)
            else:
                connection.request(call, head, literals, body)
            link.schedule_flush()
            deadline = ctx.deadline
            slot = NO_SLOT if deadline is None else link.wheel.add(deadline, call)
            load = link.load
            began = None if load is None else load.begin(name)
            exchange.attached(call)
            fault: BaseException | None = None
            try:
                await call.over
            except (asyncio.CancelledError, RpcError) as error:
                fault = error
                call.reset(ErrorCode.CANCEL)
                link.schedule_flush()
                raise
            finally:
                slot.pop(call, None)
                if load is not None:
                    load.streamed(began, fault)
                if link.needs_attention:
                    link.stream_ended()

        return attempt

    def _unary(self, method: MethodSpec[Any, Any]) -> Handler:
        compression = self._compression
        head = self._head(method, grpc_fields(compression))
        response_type: type[Message] = method.response
        limit = self._message_limit
        implied = method.default_criticality
        name = method.full_name
        pool = self._pool

        async def attempt(request: Message, ctx: Context) -> Message:
            message = request.SerializeToString()
            link = pool.sole
            if link is None or not link.connection.can_open():
                link = pool.pick(ctx, method) or await pool.link_for(ctx, method)
            connection = link.connection
            call = ClientCall(connection, link.loop, ctx, limit)
            body = pack_prefix(0, len(message)) + message if compression is None else framing.frame(message, compression)
            literals = propagation.literals(ctx, implied)  # what may raise comes before the stream exists, or its place would be lost
            connection.request(call, head, literals, body)
            if len(connection.streams) == 1:
                link.flush()  # nobody to share a write with: waiting for the turn's end would only cost time
            else:
                link.schedule_flush()
            deadline = ctx.deadline
            slot = NO_SLOT if deadline is None else link.wheel.add(deadline, call)
            load = link.load
            began = 0.0 if load is None else load.begin(name)
            try:
                answer = await call.answer
            except (asyncio.CancelledError, RpcError) as error:
                if load is not None:
                    load.failed(began, error)
                call.reset(ErrorCode.CANCEL)
                link.schedule_flush()  # also the reset of a call that expired: the wheel knows no link
                raise
            finally:
                slot.pop(call, None)
                if link.needs_attention:
                    link.stream_ended()
            try:
                if len(answer) > UNCHECKED:
                    check_elements(response_type, answer, limit)
                response = response_type.FromString(answer)
            except RpcError as fault:
                if load is not None:
                    load.failed(began, fault)
                raise
            except DecodeError as error:
                fault = RpcError(Code.INTERNAL, f"the answer is not a {response_type.DESCRIPTOR.full_name}: {error}")
                if load is not None:
                    load.failed(began, fault)
                raise fault from None
            if load is not None:
                load.succeeded(began)
            return response

        return attempt

    def _head(self, method: MethodSpec[Any, Any], own: list[Field]) -> Template:
        return Template(*request_head(method.path, self._scheme, self._authority, own))


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
        ctx = Context(name, deadline, level, given.tenant or "", given.metadata, "", None, b"", "", given.reply)
        ctx.wait_for_ready = given.wait_for_ready
        ctx.idempotency_key = given.idempotency_key
        return ctx

    return context
