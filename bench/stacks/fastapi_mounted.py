"""The application of `bench.stacks.fastapi_get`, unchanged, mounted in a towpath `App`."""

import asyncio
from collections.abc import Callable

from bench.stacks.fastapi_get import app
from bench.stacks.http_load import connect
from towpath import App

__all__ = ["DISTRIBUTIONS", "connect", "serve"]

DISTRIBUTIONS = ("towpath", "fastapi", "pydantic")


async def serve(announce: Callable[[str], None]) -> None:
    """Serve for ever on a free port."""
    server = App()
    server.mount("/", app)
    await server.start("127.0.0.1", 0)
    announce(server.address)
    await asyncio.get_running_loop().create_future()
