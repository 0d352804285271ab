"""Serving a contract by calling it elsewhere: the core of a gateway at the edge.

A gateway speaks every protocol of a towpath server for the services that it forwards (gRPC, gRPC-Web, Connect, REST, OpenAPI), whatever the
services behind it speak. Every call keeps its deadline, tenant, trace and criticality on the way. Metadata pass in both directions, and
errors whole. Idempotency keys pass too, so that the server behind can keep answers by them. Streams pass message by message, and the back
pressure of each side reaches the other.

What a caller says of its tenant and criticality passes as far as the gateway believes it (`towpath._app.settings.trust`). The headers in
which a proxy tells of the caller behind it do not pass: they may be made up, and a server behind would take the gateway's word for them.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from towpath._core.calls.asynchronous import BidiStreamingCall, Binder, ClientStreamingCall, ServerStreamingCall
from towpath._core.context import CallOptions, Context, Reply
from towpath._core.metadata import Metadata
from towpath._core.propagation.fields import PROPAGATED
from towpath._core.propagation.trust import FORWARDED
from towpath._core.service import Handler, MethodKind, MethodSpec, Service

_OF_A_PROXY: Final = ("x-forwarded-", *FORWARDED)
"""The beginnings of names of headers that a proxy writes for the next hop."""

_NOT_INHERITED: Final = tuple(field.attribute for field in PROPAGATED if field.is_option and not field.inherited)


def forward(service: type[Service], channel: Binder) -> Service:
    """The contract of `service`, a generated class, served by calling each of its methods over `channel`.

    A call that is cancelled, or whose deadline passes, is cancelled at the server behind too. The deadline is the earlier of the caller's
    and the method's. Only the channel retries.
    """
    kind: type[_Forwarded] = type(f"Forwarded{service.__name__}", (_Forwarded,), {"spec": service.spec})
    return kind(channel)


def is_forwarded(service: Service) -> bool:
    """Whether `forward` made `service`, which has no effects of its own."""
    return isinstance(service, _Forwarded)


class _Forwarded(Service):
    def __init__(self, channel: Binder) -> None:
        self._handlers = [(method, _handler(method, channel)) for method in self.spec.methods]

    def handlers(self) -> list[tuple[MethodSpec[Any, Any], Handler]]:
        return self._handlers


def _handler(method: MethodSpec[Any, Any], channel: Binder) -> Any:
    if method.kind is MethodKind.UNARY:
        return _unary(method, channel)
    if method.kind is MethodKind.SERVER_STREAMING:
        return _server_streaming(method, channel)
    if method.kind is MethodKind.CLIENT_STREAMING:
        return _client_streaming(method, channel)
    return _bidi_streaming(method, channel)


def _unary(method: MethodSpec[Any, Any], channel: Binder) -> Any:
    call = channel.bind(method)

    async def handle(request: Any, ctx: Context) -> Any:
        options = _options(ctx)
        reply = options.reply
        response = await call(request, options)
        _pass_on(reply, ctx)
        return response

    return handle


def _server_streaming(method: MethodSpec[Any, Any], channel: Binder) -> Any:
    begin = channel.bind_stream(method)

    async def handle(request: Any, ctx: Context) -> AsyncIterator[Any]:
        async with ServerStreamingCall[Any](begin(request, _options(ctx))) as call:
            ctx.reply.headers = await call.headers()
            async for response in call:
                yield response
            _pass_on(call.reply, ctx)

    return handle


def _client_streaming(method: MethodSpec[Any, Any], channel: Binder) -> Any:
    begin = channel.bind_stream(method)

    async def handle(requests: AsyncIterator[Any], ctx: Context) -> Any:
        async with ClientStreamingCall[Any, Any](begin(None, _options(ctx)), requests) as call:
            response = await call
            _pass_on(call.reply, ctx)
            return response

    return handle


def _bidi_streaming(method: MethodSpec[Any, Any], channel: Binder) -> Any:
    begin = channel.bind_stream(method)

    async def handle(requests: AsyncIterator[Any], ctx: Context) -> AsyncIterator[Any]:
        async with BidiStreamingCall[Any, Any](begin(None, _options(ctx)), requests) as call:
            ctx.reply.headers = await call.headers()
            async for response in call:
                yield response
            _pass_on(call.reply, ctx)

    return handle


def _options(ctx: Context) -> CallOptions:
    """Options with the call's metadata, and with the propagated values that a call inside another does not inherit: a forwarded call is the
    same call."""
    metadata = ctx.metadata
    if any(name.startswith(_OF_A_PROXY) for name, _ in metadata):
        metadata = Metadata.received(tuple(pair for pair in metadata if not pair[0].startswith(_OF_A_PROXY)))
    return CallOptions(metadata=metadata, reply=Reply(), **{name: getattr(ctx, name) for name in _NOT_INHERITED})


def _pass_on(reply: Reply | None, ctx: Context) -> None:
    if reply is not None and (reply.headers or reply.trailers):
        ctx.reply.headers = reply.headers
        ctx.reply.trailers = reply.trailers
