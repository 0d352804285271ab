"""connectrpc as the other end: how it names our methods, and its server around the tests' own services, under uvicorn over HTTP/2.

uvicorn with zttp is the lightest server of ASGI that takes HTTP/2 with prior knowledge and sends trailers, without which connectrpc refuses
gRPC.
"""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from connectrpc.code import Code as ConnectCode
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.compression.gzip import GzipCompression
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from echo.v1.echo_towpath import EchoService
from protobuf.wkt import Any as AnyMessage
from stream.v1.stream_towpath import StreamService

from tests.echo_service import Echo
from tests.stream_service import Streams
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.errors import RpcError
from towpath._core.metadata import Metadata, Value
from towpath._core.service import MethodKind, MethodSpec

_SHAPES = {
    MethodKind.UNARY: (StreamType.UNARY, Endpoint.unary),
    MethodKind.CLIENT_STREAMING: (StreamType.CLIENT_STREAM, Endpoint.client_stream),
    MethodKind.SERVER_STREAMING: (StreamType.SERVER_STREAM, Endpoint.server_stream),
    MethodKind.BIDI_STREAMING: (StreamType.BIDI_STREAM, Endpoint.bidi_stream),
}


def info(spec: MethodSpec[Any, Any]) -> MethodInfo[Any, Any]:
    """A method as connectrpc describes one."""
    level = IdempotencyLevel[spec.idempotency.name]
    return MethodInfo(
        name=spec.name,
        service_name=spec.service,
        input=spec.request,
        output=spec.response,
        idempotency_level=level,
        stream_type=_SHAPES[spec.kind][0],
    )


@asynccontextmanager
async def connectrpc_serving(echo: Echo, streams: Streams, *, compressed: bool = False) -> AsyncIterator[str]:
    """A server of both services on a free port; yields its address."""
    application = _Application(echo, streams, compressed=compressed)
    config = uvicorn.Config(application, http="zttp", http2=True, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # connections wait in its backlog until the server has begun
        task = asyncio.create_task(server.serve(sockets=[listener]))
        host, port = listener.getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            server.should_exit = True
            await task


class _Application(ConnectASGIApplication[Any]):
    def __init__(self, echo: Echo, streams: Streams, *, compressed: bool) -> None:
        super().__init__(
            service=None,
            endpoints=lambda _: dict((*_endpoints(echo, EchoService.spec), *_endpoints(streams, StreamService.spec))),
            compressions=[GzipCompression()] if compressed else [],
            codecs=[google_protobuf_binary_codec(), google_protobuf_json_codec()],
        )

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return "/"


def _endpoints(service: Any, spec: Any) -> Any:
    for method in spec.methods:
        handler = getattr(service, spec.attributes[method.name])
        around = _streamed if method.kind in (MethodKind.SERVER_STREAMING, MethodKind.BIDI_STREAMING) else _single
        yield method.path, _SHAPES[method.kind][1](info(method), around(handler))


def _single(handler: Any) -> Any:
    async def handle(request: Any, ctx: RequestContext[Any, Any]) -> Any:
        own = _context(ctx)
        try:
            return await handler(request, own)
        except RpcError as error:
            raise _translated(error) from None
        finally:
            _reply(own, ctx)

    return handle


def _streamed(handler: Any) -> Any:
    async def handle(request: Any, ctx: RequestContext[Any, Any]) -> AsyncIterator[Any]:
        own = _context(ctx)
        responses = handler(request, own)
        try:
            response = await anext(responses, None)
            _reply(own, ctx)
            while response is not None:
                yield response
                response = await anext(responses, None)
        except RpcError as error:
            raise _translated(error) from None
        finally:
            await responses.aclose()

    return handle


def _context(ctx: RequestContext[Any, Any]) -> Context:
    pairs = [_received(name, value) for name, value in ctx.request_headers.allitems() if name.startswith(("head-", "trail-"))]
    remaining = ctx.timeout_ms
    return Context("connectrpc", None if remaining is None else clock.now() + remaining / 1000, metadata=Metadata(pairs))


def _reply(own: Context, ctx: RequestContext[Any, Any]) -> None:
    for given, taken in ((own.reply.headers, ctx.response_headers), (own.reply.trailers, ctx.response_trailers)):
        for name, value in given:
            taken.add(name, value if isinstance(value, str) else base64.b64encode(value).decode())


def _received(name: str, value: str) -> tuple[str, Value]:
    return (name, base64.b64decode(value + "=" * (-len(value) % 4))) if name.endswith("-bin") else (name, value)


def _translated(error: RpcError) -> ConnectError:
    details = [
        ErrorDetail(AnyMessage(type_url=f"type.googleapis.com/{detail.DESCRIPTOR.full_name}", value=detail.SerializeToString()))
        for detail in error.details
    ]
    return ConnectError(_CODES[error.code], error.message, details)


_CODES: Mapping[int, ConnectCode] = dict(enumerate(ConnectCode, 1))
