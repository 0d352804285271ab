"""grpcio's asyncio API, on uvloop: its core polls by itself either way, and uvloop measured no slower than asyncio's own loop."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from echo.v1 import echo_pb2, echo_pb2_grpc

from bench import payload
from bench.measuring.load import Caller

DISTRIBUTIONS = ("grpcio",)


class Echo(echo_pb2_grpc.EchoServiceServicer):
    """The contract's servicer."""

    async def Say(self, request: Any, _context: Any) -> Any:  # noqa: N802  # the contract's name
        """Answer as the contract says."""
        return echo_pb2.SayResponse(id=request.id, n=request.n + 1, text=payload.TEXT)


async def serve(announce: Callable[[str], None]) -> None:
    """Listen on a free port, announce it, and serve for ever."""
    server = grpc.aio.server()
    echo_pb2_grpc.add_EchoServiceServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    announce(f"127.0.0.1:{port}")
    await server.wait_for_termination()


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Caller]:
    """A channel to `address`."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield caller(channel)


def caller(channel: Any) -> Caller:
    """Calls over `channel`, with the timeout that every peer is given."""
    stub = echo_pb2_grpc.EchoServiceStub(channel)
    request = echo_pb2.SayRequest(id=payload.ID, n=payload.N, tags=payload.TAGS)
    return Caller(lambda: stub.Say(request, timeout=payload.TIMEOUT), lambda answer: payload.verify(answer.id, answer.n, answer.text))
