"""towpath's transport without layers: streams, and a large message."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from echo.v1.echo_pb2 import ConverseRequest, RepeatRequest, ReturnRequest
from echo.v1.echo_towpath import StreamServiceClient

from bench import payload
from bench.measuring.load import Caller
from bench.stacks.towpath_bare import serve
from bench.stacks.towpath_echo import DISTRIBUTIONS
from bench.suites import BIDI_STREAMING, BLOB, LARGE, MESSAGES, SERVER_STREAMING
from towpath import CallOptions
from towpath.transport import Channel

__all__ = ["CONNECT", "DISTRIBUTIONS", "serve"]

_OPTIONS = CallOptions(timeout=payload.TIMEOUT)


@asynccontextmanager
async def _repeating(address: str) -> AsyncIterator[Caller]:
    request = RepeatRequest(id=payload.ID, n=payload.N, count=MESSAGES)
    async with Channel(address) as channel:
        client = StreamServiceClient(channel)
        yield Caller(lambda: payload.read_all(client.repeat(request, _OPTIONS)), payload.verify_stream)


@asynccontextmanager
async def _conversing(address: str) -> AsyncIterator[Caller]:
    async with Channel(address) as channel:
        client = StreamServiceClient(channel)
        requests = [ConverseRequest(id=payload.ID, n=payload.N, tags=payload.TAGS)] * MESSAGES
        yield Caller(lambda: payload.read_all(client.converse(iter(requests), _OPTIONS)), payload.verify_stream)


@asynccontextmanager
async def _returning(address: str) -> AsyncIterator[Caller]:
    request = ReturnRequest(data=bytes(BLOB))
    async with Channel(address) as channel:
        client = StreamServiceClient(channel)
        yield Caller(lambda: client.return_(request, _OPTIONS), payload.verify_blob)


CONNECT = {SERVER_STREAMING: _repeating, BIDI_STREAMING: _conversing, LARGE: _returning}
