"""grpcio as the other end of streams: a stub, and a server that answers `stream.v1.StreamService` with the tests' own implementation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from stream.v1.stream_towpath import StreamService

from tests.stream_service import Streams
from towpath._core.context import Context
from towpath._core.errors import RpcError
from towpath._core.metadata import Metadata
from towpath._core.service import MethodSpec


class StreamStub:
    """The methods of StreamService on a channel of grpcio."""

    def __init__(self, channel: Any) -> None:
        for spec in StreamService.spec.methods:
            setattr(self, StreamService.spec.attributes[spec.name], self._bound(channel, spec))

    @staticmethod
    def _bound(channel: Any, spec: MethodSpec[Any, Any]) -> Any:
        made = getattr(channel, _SHAPES[spec.name])
        return made(spec.path, request_serializer=spec.request.SerializeToString, response_deserializer=spec.response.FromString)

    def __getattr__(self, name: str) -> Any:
        """Only for type checkers: every method is set."""
        raise AttributeError(name)


_SHAPES = {"Repeat": "unary_stream", "Collect": "stream_unary", "Converse": "stream_stream"}


class _Behind:
    """`Streams` behind grpcio's server: the same handlers, with grpcio's context around them."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams

    async def repeat(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for response in self._streamed(self.streams.repeat, request, context):
            yield response

    async def converse(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for response in self._streamed(self.streams.converse, requests, context):
            yield response

    async def collect(self, requests: AsyncIterator[Any], context: Any) -> Any:
        try:
            return await self.streams.collect(requests, await _context(context))
        except RpcError as error:
            await _abort(context, error)

    async def _streamed(self, method: Any, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for response in method(request, await _context(context)):
                yield response
        except RpcError as error:
            await _abort(context, error)


async def _context(context: Any) -> Context:
    pairs = [(key, value) for key, value in context.invocation_metadata() if key.startswith(("head-", "trail-"))]
    await context.send_initial_metadata([pair for pair in pairs if pair[0].startswith("head-")])
    context.set_trailing_metadata([pair for pair in pairs if pair[0].startswith("trail-")])
    return Context("grpcio", metadata=Metadata(pairs))


async def _abort(context: Any, error: RpcError) -> None:
    await context.abort(next(code for code in grpc.StatusCode if code.value[0] == error.code), error.message)


@asynccontextmanager
async def grpcio_streaming(streams: Streams, *, compression: Any = None) -> AsyncIterator[str]:
    """A grpcio.aio server of `streams`; yields its address."""
    server = grpc.aio.server(compression=compression)
    add_to_grpcio(server, streams)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def add_to_grpcio(server: Any, streams: Streams) -> None:
    """Serve `streams` by handlers of grpcio's on `server`, which is grpc.aio's or takes its place."""
    behind = _Behind(streams)
    handlers = {
        spec.name: getattr(grpc, f"{_SHAPES[spec.name]}_rpc_method_handler")(
            getattr(behind, StreamService.spec.attributes[spec.name]),
            request_deserializer=spec.request.FromString,
            response_serializer=spec.response.SerializeToString,
        )
        for spec in StreamService.spec.methods
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(StreamService.spec.name, handlers),))
