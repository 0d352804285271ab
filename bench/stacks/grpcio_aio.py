"""grpcio's asyncio API, on uvloop: its core polls by itself either way, and uvloop measured no slower than asyncio's own loop."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from echo.v1 import echo_pb2, echo_pb2_grpc

from bench import payload
from bench.measuring.load import Caller

DISTRIBUTIONS = ("grpcio",)


class _Echo(echo_pb2_grpc.EchoServiceServicer):
    async def Say(self, request: Any, _context: Any) -> Any:  # noqa: N802  # the contract's name
        return echo_pb2.SayResponse(id=request.id, n=request.n + 1, text=payload.TEXT)


async def serve(announce: Callable[[str], None]) -> None:
    """Listen on a free port, announce it, and serve for ever."""
    server = grpc.aio.server()
    echo_pb2_grpc.add_EchoServiceServicer_to_server(_Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    announce(f"127.0.0.1:{port}")
    await server.wait_for_termination()


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Caller]:
    """A channel to `address`."""
    request = echo_pb2.SayRequest(id=payload.ID, n=payload.N, tags=payload.TAGS)
    async with grpc.aio.insecure_channel(address) as channel:
        stub = echo_pb2_grpc.EchoServiceStub(channel)
        yield Caller(lambda: stub.Say(request, timeout=payload.TIMEOUT), lambda answer: payload.verify(answer.id, answer.n, answer.text))
