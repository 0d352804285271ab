"""towpath's transport without layers, over TLS with a certificate that was made for the run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bench.measuring.load import Caller
from bench.places import CERTIFICATE, KEY
from bench.stacks.towpath_echo import DISTRIBUTIONS, Echo, caller
from towpath.transport import Channel, ClientTls, Server, ServerTls

__all__ = ["DISTRIBUTIONS", "connect", "serve"]


async def serve(announce: Callable[[str], None]) -> None:
    """Serve for ever on a free port."""
    server = Server([Echo()], layers=())
    await server.start("127.0.0.1", 0, tls=ServerTls(certificate=CERTIFICATE, key=KEY))
    announce(server.address)
    await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Caller]:
    """A channel to `address` without layers, which trusts the run's certificate."""
    async with Channel(address, tls=ClientTls(ca=CERTIFICATE)) as channel:
        yield caller(channel)
