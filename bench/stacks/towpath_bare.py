"""towpath's transport without layers: what the wire and the loop cost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bench.measuring.load import Caller
from bench.stacks.towpath_echo import DISTRIBUTIONS, Echo, Streams, caller
from towpath.transport import Channel, Server

__all__ = ["DISTRIBUTIONS", "connect", "serve"]


async def serve(announce: Callable[[str], None]) -> None:
    """Serve for ever on a free port."""
    server = Server([Echo(), Streams()], layers=())
    await server.start("127.0.0.1", 0)
    announce(server.address)
    await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Caller]:
    """A channel to `address` without layers."""
    async with Channel(address) as channel:
        yield caller(channel)
