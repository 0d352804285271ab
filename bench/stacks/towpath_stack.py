"""towpath as a service uses it: `App` and `connect` with the default stack of both sides."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bench.measuring.load import Caller
from bench.stacks.towpath_echo import DISTRIBUTIONS, Echo, caller
from towpath import App
from towpath import connect as connect_channel

__all__ = ["DISTRIBUTIONS", "connect", "serve"]


async def serve(announce: Callable[[str], None]) -> None:
    """Serve for ever on a free port."""
    app = App()
    app.add(Echo())
    await app.start("127.0.0.1", 0)
    announce(app.address)
    await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Caller]:
    """A channel to `address` with the default stack."""
    async with connect_channel(address) as channel:
        yield caller(channel)
