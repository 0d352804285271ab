"""Refused uploads over gRPC: a client hears of the status before it is told to stop, and gets no more room in between."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from stream.v1.stream_pb2 import CollectRequest, End

from tests.echo_service import Echo, turn_until
from tests.stream_service import Streams
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from towpath._core.early_rejection import Rejection
from towpath._core.errors import Code, RpcError
from towpath._transport import Server
from towpath._transport.server import unfinished_stream
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import ErrorCode, Limits, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

COLLECT = b"/stream.v1.StreamService/Collect"
REFUSED: dict[str, tuple[bytes, tuple[tuple[bytes, bytes], ...]]] = {
    "malformed timeout": (b"\0", ((b"grpc-timeout", b"soon"),)),
    "past its deadline": (b"\0", ((b"grpc-timeout", b"0n"),)),
    "too large": (b"\0\x7f\xff\xff\xff", ()),
    "unknown path": (b"\0", ((b":path", b"/nowhere"),)),
    "unknown encoding": (b"\0", ((b"grpc-encoding", b"unheard-of"),)),
    "stream, past its deadline": (b"\0", ((b":path", COLLECT), (b"grpc-timeout", b"0n"))),
    "stream, too large": (b"\0\x7f\xff\xff\xff", ((b":path", COLLECT),)),
    "stream, by its handler": (message_frame(CollectRequest(end=End(code=9)).SerializeToString()), ((b":path", COLLECT),)),
}
"""What comes of a body, and what is in its head beside the usual."""
WAYS = pytest.mark.parametrize("way", REFUSED)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server gives its clients the time that they take on a busy machine."""
    monkeypatch.setattr(unfinished_stream, "_LINGER", 1e6)


@asynccontextmanager
async def attacked(**options: Any) -> AsyncGenerator[tuple[Server, RawPeer]]:
    server = Server([Echo(), Streams()], **options)
    await server.start("127.0.0.1", 0)
    try:
        async with raw_client(server.address) as peer:
            yield server, peer
    finally:
        await server.close(0)


def ask(peer: RawPeer, way: str, stream_id: int) -> None:
    """Send what is refused."""
    body, more = REFUSED[way]
    peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Say", *more))
    peer.send(frames.DATA, 0, stream_id, body)


async def refused(peer: RawPeer, way: str, stream_id: int = 1) -> None:
    """Send what is refused, and wait for the status."""
    ask(peer, way, stream_id)
    while True:
        kind, flags, stream, _ = await peer.frame()
        assert kind != frames.RST_STREAM
        if kind == frames.HEADERS and stream == stream_id and flags & END_STREAM:
            return


def left(server: Server) -> int:
    """Streams of the one connection, which are all that is left of its calls."""
    link: Any
    (link,) = server.links
    assert len(link.lingering) == len(link.connection.streams)
    return len(link.connection.streams)


@WAYS
async def test_a_body_that_ends_soon_costs_no_reset(way: str) -> None:
    async with attacked() as (server, peer):
        await refused(peer, way)
        for _ in range(12):
            peer.send(frames.DATA, 0, 1, bytes(16_000))
        assert await peer.until_silent_with(b"all read") == []  # no more room for this stream
        assert left(server) == 1
        peer.send(frames.DATA, END_STREAM, 1)
        assert await peer.until_silent_with(b"all read") == []
        assert left(server) == 0


@WAYS
async def test_trailers_end_it_too(way: str) -> None:
    async with attacked() as (server, peer):
        await refused(peer, way)
        peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1)
        assert await peer.until_silent_with(b"all read") == []
        assert left(server) == 0


@WAYS
async def test_a_client_that_takes_its_call_back_leaves_nothing(way: str) -> None:
    async with attacked() as (server, peer):
        await refused(peer, way)
        peer.send(frames.RST_STREAM, 0, 1, bytes(4))
        assert await peer.until_silent_with(b"all read") == []
        assert left(server) == 0


@WAYS
async def test_a_reset_behind_the_answer_is_free(way: str) -> None:
    limits = Limits(reset_burst=1, resets_per_second=0)
    async with attacked(limits=limits) as (server, peer):
        for stream_id in range(1, 40, 2):
            await refused(peer, way, stream_id)
            peer.send(frames.RST_STREAM, 0, stream_id, bytes(4))
        assert await peer.until_silent_with(b"all read") == []
        assert left(server) == 0


@WAYS
async def test_a_client_that_goes_on_is_told_to_stop(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished_stream, "_LINGER", 0.0)
    async with attacked() as (server, peer):
        await refused(peer, way)
        assert (await peer.until(frames.RST_STREAM, 1))[3] == ErrorCode.NO_ERROR.to_bytes(4, "big")
        assert left(server) == 0
        peer.send(frames.DATA, 0, 1, bytes(1000))  # was on its way
        assert await peer.until_silent_with(b"all read") == []


@WAYS
async def test_of_many_the_first_ends_for_one_more(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished_stream, "_MOST_LINGERING", 3)
    async with attacked() as (server, peer):
        for stream_id in (1, 3, 5):
            await refused(peer, way, stream_id)
        for stream_id in (7, 9):
            ask(peer, way, stream_id)
            assert (await peer.until(frames.RST_STREAM))[2] == stream_id - 6
        await peer.until_silent_with(b"all read")
        assert left(server) == 3


@WAYS
async def test_what_is_ended_since_too_much_is_kept_leaves_nothing(way: str) -> None:
    async with attacked() as (server, peer):
        await refused(peer, way)
        (link,) = server.links
        for kept in link.kept():
            kept.overdrawn("too much")
        await peer.until(frames.RST_STREAM, 1)
        assert left(server) == 0


async def drained(server: Server, peer: RawPeer) -> None:
    """The server asks the client to go elsewhere, and hears that the client has heard of it."""
    (link,) = server.links
    link.drain()
    _, _, _, ping = await peer.until(frames.PING)
    peer.send(frames.PING, frames.ACK, 0, ping)


async def told_to_stop(peer: RawPeer, *stream_ids: int) -> None:
    """The client is told to stop once it has answered a ping behind the status, and not before."""
    kind, flags, _, ping = await peer.frame()
    while kind in (frames.GOAWAY, frames.HEADERS):
        kind, flags, _, ping = await peer.frame()
    assert (kind, flags) == (frames.PING, 0)
    peer.send(frames.PING, frames.ACK, 0, ping)
    for stream_id in stream_ids:
        assert await peer.frame() == (frames.RST_STREAM, 0, stream_id, ErrorCode.NO_ERROR.to_bytes(4, "big"))


@WAYS
async def test_a_connection_that_drains_waits_for_nobody_who_was_refused(way: str) -> None:
    async with attacked() as (server, peer):
        await refused(peer, way, 1)
        await refused(peer, way, 3)
        await drained(server, peer)
        await told_to_stop(peer, 1, 3)
        await peer.closed()
        await turn_until(lambda: not server.links)


async def test_a_connection_that_drains_waits_for_a_ping_after_each_refusal() -> None:
    async with attacked() as (server, peer):
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say"))
        peer.send(frames.HEADERS, END_HEADERS, 3, request_head(b"Say"))
        await peer.until_silent_with(b"has come")
        await drained(server, peer)
        await peer.until_silent_with(b"has come")
        peer.send(frames.DATA, 0, 1, b"\0\x7f\xff\xff\xff")
        _, _, _, ping = await peer.until(frames.PING)
        peer.send(frames.DATA, 0, 3, b"\0\x7f\xff\xff\xff")  # refused while the first ping is under way
        await peer.until(frames.HEADERS, 3)
        peer.send(frames.PING, frames.ACK, 0, ping)
        assert (await peer.until(frames.RST_STREAM))[2] == 1
        await told_to_stop(peer, 3)
        await peer.closed()
        await turn_until(lambda: not server.links)


async def test_a_ping_that_is_answered_too_late_ends_nothing() -> None:
    async with attacked() as (server, peer):
        await refused(peer, "too large")
        peer.send(frames.HEADERS, END_HEADERS, 3, request_head(b"Say"))
        await drained(server, peer)
        _, _, _, ping = await peer.until(frames.PING)
        peer.send(frames.DATA, END_STREAM, 1)
        peer.send(frames.PING, frames.ACK, 0, ping)
        assert await peer.until_silent_with(b"all read") == []
        assert len(server.links) == 1  # which the other call keeps


@WAYS
@pytest.mark.parametrize("kind", [frames.DATA, frames.HEADERS])
async def test_a_connection_that_drains_ends_with_the_last_refused_upload(way: str, kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished_stream, "_LINGER", 1e6)
    async with attacked() as (server, peer):
        await refused(peer, way)
        (link,) = server.links
        link.drain()
        _, _, _, ping = await peer.until(frames.PING)
        peer.send(frames.PING, frames.ACK, 0, ping)
        peer.send(kind, END_STREAM | (END_HEADERS if kind == frames.HEADERS else 0), 1)
        await peer.closed()
        await turn_until(lambda: not server.links)


class Shut:
    """A layer that rejects every call by its head."""

    role = "shut"
    rejection = Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "not now"))

    def wrap(self, _method: Any, following: Any) -> Any:
        return following

    def early_rejection(self, _method: Any) -> Any:
        return self

    def on_headers(self, _headers: Any, _extra: Any) -> Rejection:
        return self.rejection

    def on_arrival(self, _ctx: Any, _call: Any) -> Rejection:
        return self.rejection


async def test_a_call_that_is_rejected_by_its_head_may_send_half_a_window() -> None:
    async with attacked(layers=(Shut(),)) as (server, peer):
        for stream_id, ends in ((1, True), (3, False)):
            peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Say"))
            assert (await peer.until(frames.HEADERS, stream_id))[1] & END_STREAM
            for _ in range(8):
                peer.send(frames.DATA, 0, stream_id, bytes(16_000))
            assert await peer.until_silent_with(b"all read") == []
            peer.send(frames.DATA, END_STREAM if ends else 0, stream_id, bytes(16_000))
            seen = await peer.until_silent_with(b"all read")
            assert seen == ([] if ends else [(frames.RST_STREAM, 0, stream_id, ErrorCode.NO_ERROR.to_bytes(4, "big"))])
        assert left(server) == 0
