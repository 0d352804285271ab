"""The channel: a client's way to one target. Connects when first used, and gives each call a connection that takes it."""

import os
import warnings
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Self

from towpath._core.calls.asynchronous import ClientExchange, StreamOpener
from towpath._core.context import CallOptions
from towpath._core.context_factory import ContextFactory, context_factory
from towpath._core.decisions import Signal, unheard
from towpath._core.errors import SetupError
from towpath._core.service import Handler, IdempotencyKey, MethodKind, MethodSpec, Req, Res, UnaryCall
from towpath._transport.client.endpoints.dialer import Dialer
from towpath._transport.client.endpoints.health_check import HealthCheck
from towpath._transport.client.endpoints.pool import Pool
from towpath._transport.client.endpoints.resolver import Resolver, resolver_of
from towpath._transport.client.endpoints.target import Target
from towpath._transport.client.grpc_unary import grpc_unary_handler
from towpath._transport.client.load_balancing.endpoint_guard import Guards
from towpath._transport.client.options import ChannelOptions
from towpath._transport.client.stream import stream_handler
from towpath._transport.client.unary import unary_handler
from towpath._transport.message_options import AS_USUAL, NO_METHODS, MessageOptions, MethodOptions
from towpath._transport.tls import ClientTls, RotatingClient
from towpath._wire.compression import CompressionName, configured
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT
from towpath._wire.http.fields import Field, Template
from towpath._wire.http2 import DEFAULT_LIMITS, Limits
from towpath._wire.protocol import request_head
from towpath._wire.protocols import CLIENT_HALVES, GRPC


class Channel:
    """Calls to `target` (see `towpath._transport.client.endpoints.target`) over gRPC on HTTP/2, or in the protocol of `options`: the bare
    path, no layers.

    Safe to share among tasks of one loop. Once that loop is closed, or in a forked process, the channel connects anew in the loop that uses
    it next; a call in a second loop beside an open one raises RuntimeError. `message_limit` (bytes, default 4 MiB) bounds answers before
    and after decompression, and how many messages are within one, as it does on a server (`towpath.transport.Server`); `compression` is
    applied to requests. `methods` are other limits and compressions of single methods, by full names. A call on a target that cannot be
    reached raises UNAVAILABLE naming it and why, unless its options say `wait_for_ready`: then it waits until its deadline. Nothing is
    retried.

    A channel has to be closed. One that is dropped, together with all clients that were made with it, warns (ResourceWarning) and closes
    its connections.

    `guards` make what each of several endpoints is guarded by, see `towpath._transport.client.load_balancing.endpoint_guard`. Where fewer
    than half of them allow a call, they are not heeded, of which `signal` is told with the reason PANIC.

    `resolver` finds the endpoints in place of the one that goes with the scheme of `target`.
    """

    def __init__(
        self,
        target: str,
        *,
        limits: Limits = DEFAULT_LIMITS,
        message_limit: int = DEFAULT_MESSAGE_LIMIT,
        compression: CompressionName | None = None,
        methods: MethodOptions = NO_METHODS,
        options: ChannelOptions | None = None,
        tls: ClientTls | None = None,
        insecure: bool = False,
        guards: Guards | None = None,
        signal: Signal = unheard,
        resolver: Resolver | None = None,
    ) -> None:
        """Without `tls` only to the loopback address, unless `insecure` says that plaintext is meant. Raises SetupError if `target` is no
        target, or needs TLS, or a file of `tls` cannot be used."""
        self.target = target
        """What the channel calls, such as `dns:///flights:8081`."""
        where = Target.parse(target, "a channel's target")
        if tls is None and not insecure and not where.loopback:
            raise SetupError(
                f"a channel to {target} has no TLS: give tls=, or insecure=True if plaintext is meant; "
                "in a service file these are the table [tls] and service.insecure = true"
            )
        self._scheme = b"http" if tls is None else b"https"
        self._authority = where.authority.encode()
        self._message_limit = message_limit
        self._compression = configured(compression)
        self._methods = methods
        settings = options or ChannelOptions()
        self._protocol = CLIENT_HALVES[settings.protocol]
        named = where.places[0].host if where.scheme == "dns" else None  # an address is on no certificate, its name is
        rotating, server_name = (None, None) if tls is None else (RotatingClient(tls), tls.server_name or named)
        dialer = Dialer(settings, limits, rotating, server_name, target)
        asked = settings.health_service
        health = None if asked is None else HealthCheck(asked, settings, scheme=self._scheme, authority=self._authority)
        self.pool = Pool(
            target, resolver or resolver_of(where, settings.connect_timeout), dialer, settings, health, guards=guards, signal=signal
        )
        """The endpoints of the target and their connections. It is the package's own: a release may change what it offers."""
        self._owner = _Owner(target, self.pool)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End its connections; calls under way end with UNAVAILABLE, calls that still wait for a connection with CANCELLED."""
        await self.pool.close()

    def bind(self, method: MethodSpec[Req, Res]) -> UnaryCall[Req, Res]:
        """The callable for the unary `method`: context from the options alone, nothing inherited."""
        handler = self.handler(method)
        context = _contexts(method)

        def call(request: Req, options: CallOptions | None) -> Coroutine[Any, Any, Res]:
            return handler(request, context(options))

        return call

    def bind_stream(self, method: MethodSpec[Req, Res]) -> StreamOpener[Req, Res]:
        """What begins a call of the streaming `method`, with its context from the options alone."""
        handler = self.handler(method)
        context = _contexts(method)

        def start(request: Req | None, options: CallOptions | None) -> ClientExchange[Req, Res]:
            return ClientExchange[Req, Res].start(handler, context(options), request)

        return start

    def handler(self, method: MethodSpec[Any, Any], options: MessageOptions | None = None) -> Handler:
        """The innermost handler of the method's stack: one attempt over the network. `options` replace those that the channel has for the
        method."""
        handler = self._handler(method, options or self._methods.get(method.full_name, AS_USUAL))
        vars(handler)["owner"] = self._owner  # a client may outlive its channel
        return handler

    def _handler(self, method: MethodSpec[Any, Any], own: MessageOptions) -> Handler:
        compression = own.compresses(self._compression)
        limit = own.limit(self._message_limit)
        protocol = self._protocol
        unary = method.kind is MethodKind.UNARY
        head = self._head(method, protocol.unary_fields(compression) if unary else protocol.stream_fields(compression))
        recorder = self.pool.recorder
        rows = None if recorder is None else recorder.attempts(method)
        if not unary:
            return stream_handler(self.pool, method, head, protocol, limit=limit, compression=compression, rows=rows)
        if protocol is GRPC.client:
            return grpc_unary_handler(self.pool, method, head, limit=limit, compression=compression, rows=rows)
        return unary_handler(self.pool, method, head, protocol, limit=limit, compression=compression, rows=rows)

    def _head(self, method: MethodSpec[Any, Any], own: list[Field]) -> Template:
        return Template(*request_head(method.path, self._scheme, self._authority, own))


class _Owner:
    """Is held by a channel and by all that makes calls over it. With the last of them it ends the connections that nobody has closed."""

    def __init__(self, target: str, pool: Pool) -> None:
        self._target = target
        self._pool = pool
        self._process = os.getpid()

    def __del__(self, warn: Callable[..., None] = warnings.warn) -> None:
        loop = self._pool.unclosed_in
        if loop is None or loop.is_closed() or self._process != os.getpid():  # after a fork they are the parent's
            return
        warn(f"the channel to {self._target} was dropped without being closed; close it, or use it with `async with`", ResourceWarning, 2)
        with suppress(RuntimeError):  # the loop was closed in this moment
            loop.call_soon_threadsafe(self._pool.shut_down)


def _contexts(method: MethodSpec[Any, Any]) -> ContextFactory:
    makes_keys = method.idempotency_key is IdempotencyKey.AUTO
    return context_factory(method.full_name, method.default_timeout, method.default_criticality, inherits=False, makes_keys=makes_keys)
