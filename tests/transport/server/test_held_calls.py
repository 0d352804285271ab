"""Large and compressed messages in every protocol, over real sockets: none is read before it is admitted, or once it expired."""

import asyncio
import http.client
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from typing import Any, Final

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import Echo, turn_until
from tests.library_service import Library
from tests.transport.raw_peer import raw_client, request_head
from towpath._core import clock
from towpath._core.context import CallOptions
from towpath._core.early_rejection import ADMIT, WAIT, Rejection
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions, Server
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

GARBAGE: Final = b"\x1f\x8b garbage"
"""What says that it is gzip, and is not."""
FRAMED: Final = b"\1" + len(GARBAGE).to_bytes(4, "big") + GARBAGE
SAY: Final = "/echo.v1.EchoService/Say"

PROTOCOLS: Final = [None, "connect", "grpc-web"]

Request = tuple[str, str, bytes, dict[str, str]]

REQUESTS: Final[dict[str, Request]] = {
    "connect": ("POST", SAY, GARBAGE, {"content-type": "application/proto", "content-encoding": "gzip"}),
    "connect json": ("POST", SAY, GARBAGE, {"content-type": "application/json", "content-encoding": "gzip"}),
    "connect get": ("GET", f"{SAY}?encoding=proto&compression=gzip&base64=1&message=H4sgZ2FyYmFnZQ", b"", {}),
    "grpc-web": ("POST", SAY, FRAMED, {"content-type": "application/grpc-web+proto", "grpc-encoding": "gzip"}),
    "grpc-web json": ("POST", SAY, FRAMED, {"content-type": "application/grpc-web+json", "grpc-encoding": "gzip"}),
    "rest": ("POST", "/v1/shelves/1/books", GARBAGE, {"content-type": "application/json", "content-encoding": "gzip"}),
}


def options(protocol: Any) -> ChannelOptions:
    return ChannelOptions() if protocol is None else ChannelOptions(protocol=protocol)


class Gatekeeper:
    """A layer that has every call wait, or says what `verdict` says."""

    role = "gatekeeper"

    def __init__(self, verdict: Callable[[Any], Any] = lambda _: WAIT) -> None:
        self.held: list[Any] = []
        self._verdict = verdict

    def wrap(self, _method: Any, following: Any) -> Any:
        return following

    def early_rejection(self, _method: Any) -> Any:
        return self

    def on_headers(self, *_: Any) -> None:
        """Let every call arrive."""

    def on_arrival(self, ctx: Any, call: Any) -> Any:
        self.held.append(call)
        return self._verdict(ctx)


@asynccontextmanager
async def stage(verdict: Callable[[Any], Any] = lambda _: WAIT) -> AsyncIterator[tuple[Gatekeeper, Echo, Server]]:
    keeper, echo = Gatekeeper(verdict), Echo()
    server = Server([echo, Library()], layers=(keeper,))
    await server.start("127.0.0.1", 0)
    try:
        yield keeper, echo, server
    finally:
        await server.close(0)


def exchange(address: str, request: Request) -> tuple[int, bytes]:
    host, _, port = address.rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=120)) as connection:
        method, path, body, headers = request
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        return response.status, response.read()


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_call_is_refused_before_anything_of_its_body_is_looked_at(name: str) -> None:
    async with stage(lambda _: Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "no room"))) as (_, echo, server):
        status, body = await asyncio.to_thread(exchange, server.address, REQUESTS[name])
        assert b"no room" in body.replace(b"%20", b" ")
        assert status == (200 if name.startswith("grpc") else 429)
        assert not echo.seen


@pytest.mark.parametrize("how", ["begin", "run", "refuse"])
@pytest.mark.parametrize("name", REQUESTS)
async def test_what_cannot_be_read_is_found_out_when_it_is_let_in(name: str, how: str) -> None:
    async with stage() as (keeper, echo, server):
        asked = asyncio.create_task(asyncio.to_thread(exchange, server.address, REQUESTS[name]))
        await turn_until(lambda: keeper.held)
        assert not keeper.held[0].over
        if how == "begin":
            keeper.held[0].begin()
        elif how == "run":
            await keeper.held[0].run()
        else:
            keeper.held[0].reject(Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "no room")))
        _, body = await asked
        assert (b"no room" if how == "refuse" else b"not valid gzip") in body.replace(b"%20", b" ")
        assert keeper.held[0].over
        assert not echo.seen


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("how", ["begin", "run"])
async def test_a_call_that_was_held_is_served(protocol: Any, how: str) -> None:
    async with stage() as (keeper, echo, server), Channel(server.address, options=options(protocol), compression="gzip") as channel:
        task = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(id="a"), CallOptions(timeout=120)))
        await turn_until(lambda: keeper.held)
        assert not echo.seen
        if how == "begin":
            keeper.held[0].begin()
        else:
            await keeper.held[0].run()
        assert (await task).id == "a"


@pytest.mark.parametrize("protocol", ["connect", "grpc-web"])
async def test_a_call_that_was_cancelled_while_it_was_held_is_over(protocol: Any) -> None:
    async with stage() as (keeper, _, server), Channel(server.address, options=options(protocol)) as channel:
        task = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(id="a")))
        await turn_until(lambda: keeper.held)
        task.cancel()
        await turn_until(lambda: keeper.held[0].over)
        keeper.held[0].reject(Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "no room")))  # does nothing any more


def expire(ctx: Any) -> bool:
    """As if the loop had been busy for long, and the wheel not come round yet."""
    ctx.deadline = clock.now() - 1
    return ADMIT


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_call_that_expired_is_not_read_any_more(name: str) -> None:
    async with stage(expire) as (_, echo, server):
        _, body = await asyncio.to_thread(exchange, server.address, REQUESTS[name])
        assert b"did not finish within its deadline" in body.replace(b"%20", b" ")
        assert not echo.seen


@pytest.mark.parametrize(("flag", "body"), [(1, GARBAGE), (0, bytes(100_000))], ids=["compressed", "large"])
async def test_a_call_over_grpc_that_expired_is_not_read_any_more(flag: int, body: bytes) -> None:
    async with stage(expire) as (_, echo, server), raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", (b"grpc-encoding", b"gzip")))
        framed = bytes([flag]) + len(body).to_bytes(4, "big") + body
        for start in range(0, len(framed), 16_384):
            peer.send(frames.DATA, END_STREAM if start + 16_384 >= len(framed) else 0, 1, framed[start : start + 16_384])
        assert peer.fields(await peer.until(frames.HEADERS, 1))[b"grpc-status"] == b"4"
        assert not echo.seen


async def test_a_call_over_grpc_is_refused_before_it_is_decompressed() -> None:
    refusal = RpcError(Code.RESOURCE_EXHAUSTED, "no room")
    for verdict, status in ((Rejection(refusal), b"8"), (ADMIT, b"3")):
        async with stage(lambda _, verdict=verdict: verdict) as (_, echo, server), raw_client(server.address) as peer:
            peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", (b"grpc-encoding", b"gzip")))
            peer.send(frames.DATA, END_STREAM, 1, FRAMED)
            assert peer.fields(await peer.until(frames.HEADERS, 1))[b"grpc-status"] == status
            assert not echo.seen
