"""connectrpc (Buf) on uvicorn: the Connect protocol over HTTP/1.1, its default, with its own client (Rust, through pyqwest)."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from echo.v1.echo_connect import EchoService, EchoServiceASGIApplication, EchoServiceClient
from echo.v1.echo_pb import SayRequest, SayResponse

from bench import payload
from bench.measuring.load import Caller
from bench.stacks import asgi

DISTRIBUTIONS = ("connectrpc", "pyqwest", "uvicorn")


class _Echo(EchoService):
    async def say(self, request: SayRequest, _ctx: Any, /) -> SayResponse:
        return SayResponse(id=request.id, n=request.n + 1, text=payload.TEXT)


async def serve(announce: Callable[[str], None]) -> None:
    """Serve for ever on a free port."""
    await asgi.serve(EchoServiceASGIApplication(_Echo()), announce)


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Caller]:
    """A client of `address`; its transport keeps the connections."""
    request = SayRequest(id=payload.ID, n=payload.N, tags=list(payload.TAGS))
    async with EchoServiceClient(f"http://{address}", timeout_ms=int(payload.TIMEOUT * 1000)) as client:
        yield Caller(lambda: client.say(request), lambda answer: payload.verify(answer.id, answer.n, answer.text))
