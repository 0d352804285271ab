"""The seam between a socket and a connection: what leaves when, and what a peer that does not read does to it."""

import asyncio
import gc
import weakref

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.conformance.attack import MemoryTransport
from tests.echo_service import PATIENCE, Echo, serving
from tests.transport.raw_peer import request_head
from towpath._core.context import CallOptions
from towpath._transport import Channel, Server, connection_driver
from towpath._transport.server.connections.http2_connection import Http2Link
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, PREFACE


class Recording(MemoryTransport):
    """Keeps each write apart, and whether reading is paused."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__(loop, protocol)
        self.writes: list[bytes] = []
        self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


def connected(kind: type[Recording] = Recording) -> tuple[Http2Link, Recording]:
    loop = asyncio.get_running_loop()
    link = Http2Link(loop, Server([Echo()]))
    transport = kind(loop, link)
    link.connection_made(transport)
    link.data_received(PREFACE + frames.settings([]))
    return link, transport


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_answers_to_many_requests_leave_in_few_writes_but_not_in_one() -> None:
    """The client gets to work on the first ones while the others are worked on here."""
    link, transport = connected()
    await turns()
    transport.writes.clear()
    request = message_frame(pb.SayRequest(id="x").SerializeToString())
    batch = b"".join(
        frames.frame(frames.HEADERS, END_HEADERS, stream, request_head(b"Say")) + frames.frame(frames.DATA, END_STREAM, stream, request)
        for stream in range(1, 41, 2)
    )
    link.data_received(batch)
    await turns()
    assert sum(write.count(b"\x0a\x01x") for write in transport.writes) == 20
    assert 4 <= len(transport.writes) <= 10
    link.abort()
    await link.closed


async def test_a_peer_that_does_not_read_is_not_read_from() -> None:
    link, transport = connected()
    link.pause_writing()
    assert transport.paused
    link.resume_writing()
    assert not transport.paused
    link.abort()
    await link.closed
    link.pause_writing()
    link.resume_writing()


class Stuck(Recording):
    """Has bytes that the peer never reads, so that a close never comes to its end."""

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = False
        super().close()


async def test_a_peer_that_broke_the_protocol_and_does_not_read_why_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_driver, "_LAST_WORDS", 0.01)
    link, transport = connected(Stuck)
    link.data_received(frames.frame(frames.PING, 0, 1, bytes(8)))
    assert transport.writes[-1].endswith(b"PING on stream 1; it concerns the connection")
    assert transport.closing
    assert not link.closed.done()
    async with asyncio.timeout(PATIENCE):
        await link.closed


async def test_a_peer_that_reads_why_is_not_waited_for() -> None:
    link, transport = connected()
    link.data_received(frames.frame(frames.PING, 0, 1, bytes(8)))
    await link.closed
    await turns()
    kept = weakref.ref(link)
    del link, transport
    gc.collect()
    assert kept() is None, "what would cut it off still waits"


async def test_after_the_end_everything_is_harmless() -> None:
    link, transport = connected()
    link.close()
    await link.closed
    before = len(transport.writes)
    link.schedule_flush()
    link.flush()
    link.close()
    link.abort()
    link.data_received(frames.frame(frames.PING, 0, 0, bytes(8)))
    link.connection_lost(None)
    await turns()
    assert len(transport.writes) == before


async def test_both_ends_know_their_peer() -> None:
    async with serving(Echo()) as server, Channel(server.address) as channel:
        seen = await EchoServiceClient(channel).inspect(pb.InspectRequest(), CallOptions(timeout=PATIENCE))
        (there,) = server.links
        here = channel.pool.sole
        assert here.peer == server.address
        assert seen.peer == there.peer
        assert there.peer.startswith("127.0.0.1:")
