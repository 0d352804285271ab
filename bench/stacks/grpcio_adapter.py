"""The servicer and the stub of `bench.stacks.grpcio_aio`, unchanged, on towpath at both ends: `towpath.compat.grpcio`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from echo.v1 import echo_pb2_grpc

from bench.measuring.load import Caller
from bench.stacks.grpcio_aio import Echo, caller
from towpath import App
from towpath import connect as connect_channel
from towpath.compat.grpcio import GrpcioChannel, GrpcioServer

DISTRIBUTIONS = ("towpath", "grpcio")


async def serve(announce: Callable[[str], None]) -> None:
    """Serve for ever on a free port."""
    app = App()
    echo_pb2_grpc.add_EchoServiceServicer_to_server(Echo(), GrpcioServer(app))
    await app.start("127.0.0.1", 0)
    announce(app.address)
    await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Caller]:
    """A channel to `address` with the default stack."""
    async with connect_channel(address) as channel:
        yield caller(GrpcioChannel(channel))
