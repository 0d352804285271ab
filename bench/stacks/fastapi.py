"""FastAPI on uvicorn with an aiohttp client: JSON over HTTP/1.1, what most Python teams have today. No contract but its models."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from fastapi import FastAPI
from pydantic import BaseModel

from bench import payload
from bench.measuring.load import Caller
from bench.stacks import asgi

DISTRIBUTIONS = ("fastapi", "pydantic", "uvicorn", "aiohttp")


class SayRequest(BaseModel):
    """The contract's request."""

    id: str
    n: int
    tags: list[str]


class SayResponse(BaseModel):
    """The contract's response."""

    id: str
    n: int
    text: str


app = FastAPI()


@app.post("/say")
async def say(request: SayRequest) -> SayResponse:
    """The contract's method."""
    return SayResponse(id=request.id, n=request.n + 1, text=payload.TEXT)


async def serve(announce: Callable[[str], None]) -> None:
    """Serve for ever on a free port."""
    await asgi.serve(app, announce)


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Caller]:
    """A session with `address`; aiohttp's default pool allows 100 connections, so 64 in flight have one each."""
    url = f"http://{address}/say"
    body = {"id": payload.ID, "n": payload.N, "tags": list(payload.TAGS)}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=payload.TIMEOUT), raise_for_status=True) as session:

        async def call() -> dict[str, Any]:
            async with session.post(url, json=body) as response:
                return await response.json()

        yield Caller(call, lambda answer: payload.verify(answer["id"], answer["n"], answer["text"]))
