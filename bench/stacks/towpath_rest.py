"""towpath as a service uses it, with its default stack: one resource by GET, as JSON."""

import asyncio
from collections.abc import Callable

from items.v1.items_pb2 import GetItemRequest, GetItemResponse
from items.v1.items_towpath import ItemService

from bench import payload
from bench.stacks.http_load import connect
from towpath import App, Context

__all__ = ["DISTRIBUTIONS", "connect", "serve"]

DISTRIBUTIONS = ("towpath",)


class _Items(ItemService):
    async def get_item(self, request: GetItemRequest, ctx: Context) -> GetItemResponse:
        return GetItemResponse(id=request.id, n=request.n + 1, text=payload.TEXT)


async def serve(announce: Callable[[str], None]) -> None:
    """Serve for ever on a free port."""
    app = App()
    app.add(_Items())
    await app.start("127.0.0.1", 0)
    announce(app.address)
    await asyncio.get_running_loop().create_future()
