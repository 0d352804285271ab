"""FastAPI on uvicorn: one resource by GET, as JSON."""

from collections.abc import Callable

from fastapi import FastAPI
from pydantic import BaseModel

from bench import payload
from bench.stacks import asgi
from bench.stacks.http_load import connect

__all__ = ["DISTRIBUTIONS", "connect", "serve"]

DISTRIBUTIONS = ("fastapi", "pydantic", "uvicorn")


class Item(BaseModel):
    """The answer."""

    id: str
    n: int
    text: str


app = FastAPI()


@app.get("/v1/items/{item_id}")
async def get_item(item_id: str, n: int) -> Item:
    """The item with this id."""
    return Item(id=item_id, n=n + 1, text=payload.TEXT)


async def serve(announce: Callable[[str], None]) -> None:
    """Serve for ever on a free port."""
    await asgi.serve(app, announce)
