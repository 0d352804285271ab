"""towpath's transport without layers: streams, and a large message."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from echo.v1.echo_pb2 import ConverseRequest, ConverseResponse, RepeatRequest, RepeatResponse, ReturnRequest, ReturnResponse
from echo.v1.echo_towpath import StreamService, StreamServiceClient

from bench import payload
from bench.load import Caller
from bench.suites import BIDI_STREAMING, BLOB, LARGE, MESSAGES, SERVER_STREAMING
from towpath.core.context import CallOptions, Context
from towpath.transport import Channel, Server

DISTRIBUTIONS = ("towpath",)
_OPTIONS = CallOptions(timeout=payload.TIMEOUT)


class _Streams(StreamService):
    async def repeat(self, request: RepeatRequest, ctx: Context) -> AsyncIterator[RepeatResponse]:
        for _ in range(request.count):
            yield RepeatResponse(id=request.id, n=request.n + 1, text=payload.TEXT)

    async def converse(self, requests: AsyncIterator[ConverseRequest], ctx: Context) -> AsyncIterator[ConverseResponse]:
        async for request in requests:
            yield ConverseResponse(id=request.id, n=request.n + 1, text=payload.TEXT)

    async def return_(self, request: ReturnRequest, ctx: Context) -> ReturnResponse:
        return ReturnResponse(data=request.data)


async def serve(announce: Callable[[str], None]) -> None:
    """Serve for ever on a free port."""
    server = Server([_Streams()], layers=())
    await server.start("127.0.0.1", 0)
    announce(server.address)
    await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def _repeating(address: str) -> AsyncIterator[Caller]:
    request = RepeatRequest(id=payload.ID, n=payload.N, count=MESSAGES)
    async with Channel(address) as channel:
        client = StreamServiceClient(channel)
        yield Caller(lambda: payload.read_all(client.repeat(request, _OPTIONS)), payload.verify_stream)


@asynccontextmanager
async def _conversing(address: str) -> AsyncIterator[Caller]:
    async with Channel(address) as channel:
        client = StreamServiceClient(channel)
        requests = [ConverseRequest(id=payload.ID, n=payload.N, tags=payload.TAGS)] * MESSAGES
        yield Caller(lambda: payload.read_all(client.converse(iter(requests), _OPTIONS)), payload.verify_stream)


@asynccontextmanager
async def _returning(address: str) -> AsyncIterator[Caller]:
    request = ReturnRequest(data=bytes(BLOB))
    async with Channel(address) as channel:
        client = StreamServiceClient(channel)
        yield Caller(lambda: client.return_(request, _OPTIONS), payload.verify_blob)


CONNECT = {SERVER_STREAMING: _repeating, BIDI_STREAMING: _conversing, LARGE: _returning}
