"""The attacks on HTTP/2 of recent years, each over a raw socket: the attacker is stopped with the right word, memory stays where it was,
and another client's calls are answered all the while."""

import asyncio
import gc
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.conformance.test_robustness import Hardy
from tests.echo_service import PATIENCE, serving, turn_until
from tests.transport.raw_peer import RawPeer, request_head
from towpath._core.context import CallOptions
from towpath._transport import Channel, Server
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.hpack import literal
from towpath._wire.http2 import ErrorCode, Limits, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, PREFACE

PATIENT = CallOptions(timeout=PATIENCE)

MOST_BLOCKS = 50_000
"""Growth, in allocated blocks of Python's heap, while an attacker is connected: some megabytes."""

Attack = Callable[[RawPeer], Awaitable[None]]


async def send(peer: RawPeer, pieces: bytes, times: int) -> None:
    """So often the same, as fast as it is taken; who has been cut off stops."""
    try:
        for _ in range(times):
            peer.writer.write(pieces)
            await peer.writer.drain()
    except ConnectionError:
        return


async def continuation_flood(peer: RawPeer) -> None:
    """CVE-2024-27316: a header block that never ends, in frames that carry nothing."""
    peer.send(frames.HEADERS, 0, 1, request_head(b"Say"))
    await send(peer, frames.frame(frames.CONTINUATION, 0, 1, b"") * 100, 1000)


async def endless_header_block(peer: RawPeer) -> None:
    """A header block that goes on for megabytes."""
    peer.send(frames.HEADERS, 0, 1, request_head(b"Say"))
    await send(peer, frames.frame(frames.CONTINUATION, 0, 1, literal(b"x", bytes(16_000))), 1000)


async def empty_frames(peer: RawPeer) -> None:
    """CVE-2019-9518: DATA without data, which flow control does not hold back."""
    peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say"))
    await send(peer, frames.frame(frames.DATA, 0, 1, b"") * 100, 10_000)


async def empty_frames_on_what_was_refused(peer: RawPeer) -> None:
    """The same on a stream that the server has reset, where whatever comes is ignored."""
    peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", (b"X-Upper", b"case")))
    await peer.until(frames.RST_STREAM, 1)
    await send(peer, frames.frame(frames.DATA, 0, 1, b"") * 100, 10_000)


async def ping_flood(peer: RawPeer) -> None:
    """CVE-2019-9512: questions without end from one who reads no answer."""
    await send(peer, frames.frame(frames.PING, 0, 0, b"question") * 1000, 2_000)


async def settings_flood(peer: RawPeer) -> None:
    """CVE-2019-9515: the same with SETTINGS."""
    await send(peer, frames.settings([]) * 1000, 4_000)


async def settings_churn(peer: RawPeer) -> None:
    """SETTINGS that change the windows of as many streams as there may be, over and over."""
    for stream_id in range(1, 513, 2):
        peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Say"))
    grown, shrunk = (frames.settings([(frames.Setting.INITIAL_WINDOW_SIZE, size)]) for size in (70_000, 1))
    await send(peer, (grown + shrunk) * 1000, 100)


async def goodbyes(peer: RawPeer) -> None:
    """GOAWAY without end."""
    await send(peer, frames.goaway(0, 0, b"bye") * 1000, 100)


def over_and_over(piece: bytes) -> Attack:
    """The same frame without end, on a connection with a stream that is open and one that the server has reset."""

    async def attack(peer: RawPeer) -> None:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say"))
        peer.send(frames.HEADERS, END_HEADERS, 3, request_head(b"Say", (b"X-Upper", b"case")))
        await send(peer, piece * 1000, 4_000)

    return attack


def calls_without_end(head: bytes) -> Attack:
    """Calls of which none can begin."""

    async def attack(peer: RawPeer) -> None:
        for first in range(1, 400_000, 200):
            calls = (frames.frame(frames.HEADERS, END_HEADERS, stream_id, head) for stream_id in range(first, first + 200, 2))
            await send(peer, b"".join(calls), 1)

    return attack


async def rapid_reset(peer: RawPeer) -> None:
    """CVE-2023-44487: calls that are taken back as soon as they were made, so that no limit on streams holds for them."""
    head = request_head(b"Say")
    for first in range(1, 200_000, 200):
        calls = (
            frames.frame(frames.HEADERS, END_HEADERS, stream_id, head) + frames.rst_stream(stream_id, ErrorCode.CANCEL)
            for stream_id in range(first, first + 200, 2)
        )
        await send(peer, b"".join(calls), 1)


async def made_to_reset(peer: RawPeer) -> None:
    """CVE-2025-8671: the same by frames that make the server reset what it has begun."""
    head = request_head(b"Say")
    for first in range(1, 200_000, 200):
        calls = (
            frames.frame(frames.HEADERS, END_HEADERS, stream_id, head) + frames.window_update(stream_id, 0)
            for stream_id in range(first, first + 200, 2)
        )
        await send(peer, b"".join(calls), 1)


async def window_overflow(peer: RawPeer) -> None:
    """More credit than a window can hold (RFC 9113, section 6.9.1)."""
    await send(peer, frames.window_update(0, 2**31 - 1), 2)


async def shrunken_table(peer: RawPeer) -> None:
    """A reference into a table that has nothing there (RFC 7541, section 2.3.3)."""
    peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\x07")
    await peer.writer.drain()


@asynccontextmanager
async def attacker(server: Server) -> AsyncIterator[RawPeer]:
    """A connection that has greeted, and has little room for what it is sent."""
    host, port = server.address.split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    writer.write(PREFACE + frames.settings([]))
    try:
        yield RawPeer(reader, writer)
    finally:
        writer.transport.abort()


class Neighbour:
    """Another client, which calls all the while."""

    def __init__(self, channel: Channel) -> None:
        self.answered = 0
        self._over = False
        self._client = EchoServiceClient(channel)
        self._task = asyncio.create_task(self._call())

    async def _call(self) -> None:
        while not self._over:
            await self._client.say(pb.SayRequest(id="neighbour"), PATIENT)
            self.answered += 1

    async def served(self, calls: int = 100) -> None:
        """Until it has had so many more answers."""
        wanted = self.answered + calls
        await turn_until(lambda: self.answered >= wanted)

    async def stop(self) -> None:
        self._over = True
        await self._task


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (continuation_flood, ErrorCode.ENHANCE_YOUR_CALM),
        (endless_header_block, ErrorCode.ENHANCE_YOUR_CALM),
        (empty_frames, ErrorCode.ENHANCE_YOUR_CALM),
        (empty_frames_on_what_was_refused, ErrorCode.ENHANCE_YOUR_CALM),
        (settings_flood, ErrorCode.ENHANCE_YOUR_CALM),
        (settings_churn, ErrorCode.ENHANCE_YOUR_CALM),
        (goodbyes, ErrorCode.ENHANCE_YOUR_CALM),
        (over_and_over(frames.frame(frames.PING, frames.ACK, 0, bytes(8))), ErrorCode.ENHANCE_YOUR_CALM),
        (over_and_over(frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\0\1")), ErrorCode.ENHANCE_YOUR_CALM),
        (over_and_over(frames.frame(0xFA, 0xFF, 77)), ErrorCode.ENHANCE_YOUR_CALM),
        (over_and_over(frames.window_update(0, 1)), ErrorCode.ENHANCE_YOUR_CALM),
        (over_and_over(frames.window_update(1, 1)), ErrorCode.ENHANCE_YOUR_CALM),
        (over_and_over(frames.frame(frames.DATA, frames.PADDED, 1, b"\0")), ErrorCode.ENHANCE_YOUR_CALM),
        (over_and_over(frames.frame(frames.DATA, 0, 3, b"x")), ErrorCode.ENHANCE_YOUR_CALM),
        (over_and_over(frames.rst_stream(3, 8)), ErrorCode.ENHANCE_YOUR_CALM),
        (calls_without_end(request_head(b"Say")), ErrorCode.ENHANCE_YOUR_CALM),
        (calls_without_end(request_head(b"Say", (b"X-Upper", b"case"))), ErrorCode.ENHANCE_YOUR_CALM),
        (calls_without_end(request_head(b"Nothing")), ErrorCode.ENHANCE_YOUR_CALM),
        (rapid_reset, ErrorCode.ENHANCE_YOUR_CALM),
        (made_to_reset, ErrorCode.ENHANCE_YOUR_CALM),
        (window_overflow, ErrorCode.FLOW_CONTROL_ERROR),
        (shrunken_table, ErrorCode.COMPRESSION_ERROR),
    ],
)
async def test_an_attacker_is_sent_away_and_nobody_else_notices(attack: Attack, code: ErrorCode) -> None:
    async with serving(Hardy()) as server, Channel(server.address) as channel:
        neighbour = Neighbour(channel)
        await neighbour.served()
        gc.collect()
        blocks = sys.getallocatedblocks()
        async with attacker(server) as peer:
            await attack(peer)
            try:
                _, _, _, goaway = await peer.until(frames.GOAWAY)
                assert int.from_bytes(goaway[4:8], "big") == code
            except (
                ConnectionError,
                asyncio.IncompleteReadError,
            ):
                # What was still on its way to a closed socket has cost us the word that closed it.
                assert attack is not shrunken_table
            await turn_until(lambda: len(server.links) == 1)
        await neighbour.served()
        await neighbour.stop()
        gc.collect()
        assert sys.getallocatedblocks() - blocks < MOST_BLOCKS


async def test_who_does_not_read_is_not_read_from() -> None:
    async with serving(Hardy(), limits=Limits(overhead_burst=10_000_000)) as server, Channel(server.address) as channel:
        neighbour = Neighbour(channel)
        await neighbour.served()
        gc.collect()
        blocks = sys.getallocatedblocks()
        async with attacker(server) as peer:
            attacking = asyncio.create_task(ping_flood(peer))
            await turn_until(lambda: any(link.paused for link in server.links))
            await neighbour.served()
            gc.collect()
            assert sys.getallocatedblocks() - blocks < MOST_BLOCKS
            assert not attacking.done(), "all of it was taken"
            attacking.cancel()
            await asyncio.wait([attacking])
        await turn_until(lambda: len(server.links) == 1)
        await neighbour.stop()


async def test_streams_beyond_the_limit_are_refused_and_the_others_served() -> None:
    """RFC 9113, section 5.1.2."""
    async with serving(Hardy()) as server:
        host, port = server.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE + frames.settings([]))
        peer = RawPeer(reader, writer)
        for stream_id in range(1, 2 * 300, 2):
            peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Say"))
        refused = [frame for frame in await peer.until_silent_with(b"finished") if frame[0] == frames.RST_STREAM]
        assert len(refused) == 300 - 256
        assert {int.from_bytes(payload, "big") for _, _, _, payload in refused} == {ErrorCode.REFUSED_STREAM}
        peer.send(frames.DATA, END_STREAM, 1, message_frame(b""))
        await peer.until(frames.DATA, 1)
        writer.close()
