"""grpcio's asyncio API: streams as async generators, which is how its documentation writes them, and a large message."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from echo.v1 import echo_pb2 as pb
from echo.v1 import echo_pb2_grpc

from bench import payload
from bench.measuring.load import Caller
from bench.suites import BIDI_STREAMING, BLOB, LARGE, MESSAGES, SERVER_STREAMING

DISTRIBUTIONS = ("grpcio",)


class _Streams(echo_pb2_grpc.StreamServiceServicer):
    async def Repeat(self, request: Any, _context: Any) -> AsyncIterator[Any]:  # noqa: N802 - the contract's names
        for _ in range(request.count):
            yield pb.RepeatResponse(id=request.id, n=request.n + 1, text=payload.TEXT)

    async def Converse(self, requests: Any, _context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for request in requests:
            yield pb.ConverseResponse(id=request.id, n=request.n + 1, text=payload.TEXT)

    async def Return(self, request: Any, _context: Any) -> Any:  # noqa: N802
        return pb.ReturnResponse(data=request.data)


async def serve(announce: Callable[[str], None]) -> None:
    """Listen on a free port, announce it, and serve for ever."""
    server = grpc.aio.server()
    echo_pb2_grpc.add_StreamServiceServicer_to_server(_Streams(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    announce(f"127.0.0.1:{port}")
    await server.wait_for_termination()


@asynccontextmanager
async def _repeating(address: str) -> AsyncIterator[Caller]:
    request = pb.RepeatRequest(id=payload.ID, n=payload.N, count=MESSAGES)
    async with grpc.aio.insecure_channel(address) as channel:
        stub = echo_pb2_grpc.StreamServiceStub(channel)
        yield Caller(lambda: payload.read_all(stub.Repeat(request, timeout=payload.TIMEOUT)), payload.verify_stream)


@asynccontextmanager
async def _conversing(address: str) -> AsyncIterator[Caller]:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = echo_pb2_grpc.StreamServiceStub(channel)
        requests = [pb.ConverseRequest(id=payload.ID, n=payload.N, tags=payload.TAGS)] * MESSAGES
        yield Caller(lambda: payload.read_all(stub.Converse(iter(requests), timeout=payload.TIMEOUT)), payload.verify_stream)


@asynccontextmanager
async def _returning(address: str) -> AsyncIterator[Caller]:
    request = pb.ReturnRequest(data=bytes(BLOB))
    async with grpc.aio.insecure_channel(address) as channel:
        stub = echo_pb2_grpc.StreamServiceStub(channel)
        yield Caller(lambda: stub.Return(request, timeout=payload.TIMEOUT), payload.verify_blob)


CONNECT = {SERVER_STREAMING: _repeating, BIDI_STREAMING: _conversing, LARGE: _returning}
