"""grpclib: gRPC in pure Python over the h2 package."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from echo.v1 import echo_grpc, echo_pb2
from grpclib.client import Channel
from grpclib.server import Server

from bench import payload
from bench.measuring.load import Caller
from bench.processes.listening import address_of, listening_socket

DISTRIBUTIONS = ("grpclib", "h2")


class _Echo(echo_grpc.EchoServiceBase):
    async def Say(self, stream: Any) -> None:  # noqa: N802  # the contract's name
        request = await stream.recv_message()
        await stream.send_message(echo_pb2.SayResponse(id=request.id, n=request.n + 1, text=payload.TEXT))


async def serve(announce: Callable[[str], None]) -> None:
    """Listen on a free port, announce it, and serve for ever."""
    sock = listening_socket()
    server = Server([_Echo()])
    await server.start(sock=sock)
    announce(address_of(sock))
    await server.wait_closed()


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Caller]:
    """A channel to `address`."""
    host, port = address.rsplit(":", 1)
    request = echo_pb2.SayRequest(id=payload.ID, n=payload.N, tags=payload.TAGS)
    async with Channel(host, int(port)) as channel:
        stub = echo_grpc.EchoServiceStub(channel)
        yield Caller(lambda: stub.Say(request, timeout=payload.TIMEOUT), lambda answer: payload.verify(answer.id, answer.n, answer.text))
