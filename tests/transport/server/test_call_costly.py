"""Requests that take long to read are read in a thread: other calls go on, and a call that ends meanwhile is not read at all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from everything.v1 import everything_pb2 as pb

from tests.echo_service import serving, turn_until
from tests.everything_service import GIVE, LIMIT, Everything, costly, crowded, stream, thread_taken
from tests.library_service import Library
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from tests.transport.server.test_call_unstarted import Fields, counted, ends
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Channel, ChannelOptions, Server
from towpath._wire.codec import JSON
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

PATH = f"/{GIVE.full_name}".encode()
RAW = costly().SerializeToString()
TOO_MANY = crowded().SerializeToString()
PROTOCOLS: dict[str, tuple[Fields, bytes, bytes]] = {
    "grpc": ((), message_frame(RAW), message_frame(TOO_MANY)),
    "grpc json": (
        ((b"content-type", b"application/grpc+json"),),
        message_frame(JSON.encode(costly())),
        message_frame(b'{"children":[' + b"{}," * 12_000 + b"{}]}"),
    ),
    "grpc-web": (((b"content-type", b"application/grpc-web+proto"),), message_frame(RAW), message_frame(TOO_MANY)),
    "connect": (((b"content-type", b"application/proto"),), RAW, TOO_MANY),
    "connect json": (((b"content-type", b"application/json"),), JSON.encode(costly()), b'{"children":[' + b"{}," * 12_000 + b"{}]}"),
}
"""The fields of a request in each protocol, a body that takes long to read, and one that has too much in it."""
ALL = pytest.mark.parametrize("protocol", PROTOCOLS)


class Taker(Everything):
    """Gives nothing back, for which a peer that opens no window has room."""

    async def give(self, request: pb.Everything, ctx: Context) -> pb.Everything:
        await super().give(request, ctx)
        return pb.Everything()


@asynccontextmanager
async def stage() -> AsyncIterator[tuple[Everything, CallMetrics, Server, RawPeer]]:
    service, metrics = Taker(), CallMetrics()
    server = Server([service], layers=(metrics.server,), message_limit=LIMIT)
    await server.start("127.0.0.1", 0)
    try:
        async with raw_client(server.address) as peer:
            yield service, metrics, server, peer
    finally:
        await server.close(0)


def ask(peer: RawPeer, stream_id: int, protocol: str, body: bytes, *more: tuple[bytes, bytes]) -> None:
    fields, _, _ = PROTOCOLS[protocol]
    peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Give", (b":path", PATH), *fields, *more))
    for start in range(0, len(body) or 1, 16_384):
        last = start + 16_384 >= len(body)
        peer.send(frames.DATA, END_STREAM if last else 0, stream_id, body[start : start + 16_384])


@ALL
async def test_other_calls_go_on_while_one_is_read(protocol: str) -> None:
    async with stage() as (service, metrics, server, peer):
        with thread_taken() as release:
            ask(peer, 1, protocol, PROTOCOLS[protocol][1])
            ask(peer, 3, "connect", b"")
            await peer.until(frames.HEADERS, 3)
            assert service.seen == [0]
            release.set()
            await peer.until(frames.HEADERS, 1)
        assert service.seen == [0, len(RAW)]
        assert await ends(metrics, server) == {"OK": 2}


@ALL
async def test_one_that_cannot_be_read_ends_like_any_other(protocol: str) -> None:
    async with stage() as (service, metrics, server, peer):
        ask(peer, 1, protocol, PROTOCOLS[protocol][2])
        await peer.until(frames.HEADERS, 1)
        assert await ends(metrics, server) == {"RESOURCE_EXHAUSTED": 1}
        assert service.seen == []


@ALL
async def test_one_whose_caller_leaves_is_not_read(protocol: str) -> None:
    async with stage() as (service, metrics, server, peer):
        with thread_taken():
            ask(peer, 1, protocol, PROTOCOLS[protocol][1])
            await turn_until(lambda: any(link.calls for link in server.links))
            peer.send(frames.RST_STREAM, 0, 1, ErrorCode.CANCEL.to_bytes(4, "big"))
            await peer.until_silent_with(b"all read")
            assert await ends(metrics, server) == {"CANCELLED": 1}
        assert service.seen == []


@ALL
async def test_one_whose_deadline_passes_is_not_read(protocol: str) -> None:
    async with stage() as (service, metrics, server, peer):
        with thread_taken():
            ask(peer, 1, protocol, PROTOCOLS[protocol][1], (b"grpc-timeout", b"50m"), (b"connect-timeout-ms", b"50"))
            await peer.until(frames.HEADERS, 1)
            assert await ends(metrics, server) == {"DEADLINE_EXCEEDED": 1}
        assert service.seen == []


async def test_a_body_over_rest_is_read_in_the_thread_too() -> None:
    head = request_head(b"", (b":path", b"/v1/shelves/7/books"), (b"content-type", b"application/json"))
    async with serving(Library()) as server, raw_client(server.address) as peer:
        with thread_taken() as release:
            peer.send(frames.HEADERS, END_HEADERS, 1, head)
            body = b'{"title":"' + b"x" * 40_000 + b'"}'
            for start in range(0, len(body), 16_000):
                peer.send(frames.DATA, END_STREAM if start + 16_000 >= len(body) else 0, 1, body[start : start + 16_000])
            await turn_until(lambda: any(link.calls for link in server.links))
            await peer.until_silent_with(b"all read")
            release.set()
            assert peer.fields(await peer.until(frames.HEADERS, 1))[b":status"] == b"200"


async def test_a_server_that_closes_meanwhile_ends_the_call() -> None:
    async with stage() as (service, metrics, server, peer):
        with thread_taken():
            ask(peer, 1, "grpc", PROTOCOLS["grpc"][1])
            await turn_until(lambda: any(link.calls for link in server.links))
            await server.close(0)
        assert sum(counted(metrics).values()) == 1
        assert service.seen == []


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
async def test_the_messages_of_a_stream_keep_their_order(protocol: Any) -> None:
    async with stage() as (service, _, server, _):
        async with Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel:
            call = stream(channel)
            for message in (pb.Everything(), costly(), pb.Everything(an_int32=1), costly()):
                await call.send(message)
            await call.half_close()
            found = [message async for message in call]
        assert found == [pb.Everything(), costly(), pb.Everything(an_int32=1), costly()]
        assert service.seen == [0, len(RAW), 2, len(RAW)]
        async with Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel:
            call = stream(channel)
            await call.send(crowded())
            with pytest.raises(RpcError, match="more than 32768 messages") as caught:
                await anext(call)
            assert caught.value.code is Code.RESOURCE_EXHAUSTED
