"""Faults that others reported of servers and libraries like this one, each played against a server by its bytes."""

import asyncio
import contextlib
import gc
import socket
from weakref import WeakSet

import pytest
from stream.v1 import stream_pb2

from tests.echo_service import PATIENCE, Echo, serving, turn_until
from tests.stream_service import Streams, answers
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from towpath._transport import Server
from towpath._transport.server.connections import http1_connection
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, Setting

REPEAT = (b":path", b"/stream.v1.StreamService/Repeat")
SAY = "POST /echo.v1.EchoService/Say HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
MAX_WINDOW = 2**31 - 1


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused client has the time that it takes on a busy machine: what it still sends later than that would reset the connection."""
    monkeypatch.setattr(http1_connection, "_LAST_WORDS", PATIENCE)


def code_of(frame: tuple[int, int, int, bytes]) -> int:
    """The error of RST_STREAM or of GOAWAY."""
    return int.from_bytes(frame[3] if frame[0] == frames.RST_STREAM else frame[3][4:8], "big")


def download(peer: RawPeer, stream_id: int, size: int) -> None:
    request = stream_pb2.RepeatRequest(answers=answers([size])).SerializeToString()
    peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(b"", REPEAT))
    peer.send(frames.DATA, END_STREAM, stream_id, message_frame(request))


async def is_served(peer: RawPeer, stream_id: int) -> None:
    """Whether a call over the same connection is answered."""
    peer.call(stream_id, b"Say", b"")
    assert (await peer.until(frames.DATA, stream_id))[3] == message_frame(b"")


async def said(server: Server, *pieces: bytes) -> bytes:
    """All that is answered to these pieces over HTTP/1.1 until the server closes."""
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(PATIENCE):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await reader.read()
    finally:
        writer.close()


async def test_a_window_of_a_stream_that_overflows_ends_that_stream_alone() -> None:
    """https://github.com/nghttp2/nghttp2/issues/2845: the whole connection went."""
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say"))
        peer.writer.write(frames.window_update(1, MAX_WINDOW))
        assert code_of(await peer.until(frames.RST_STREAM, 1)) == ErrorCode.FLOW_CONTROL_ERROR
        await is_served(peer, 3)


async def test_an_increment_of_nothing_ends_that_stream_alone() -> None:
    """https://github.com/nghttp2/nghttp2/issues/369, from the other side."""
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say"))
        peer.send(frames.WINDOW_UPDATE, 0, 1, bytes(4))
        assert code_of(await peer.until(frames.RST_STREAM, 1)) == ErrorCode.PROTOCOL_ERROR
        await is_served(peer, 3)


async def test_settings_that_make_a_window_overflow_end_the_connection() -> None:
    """https://github.com/netty/netty/issues/17416: only the stream was reset."""
    async with serving(Streams()) as server, raw_client(server.address) as peer:
        download(peer, 1, 1 << 20)
        await peer.until(frames.DATA, 1)
        peer.writer.write(frames.window_update(1, MAX_WINDOW - 100_000))
        peer.writer.write(frames.settings([(Setting.INITIAL_WINDOW_SIZE, MAX_WINDOW)]))
        assert code_of(await peer.until(frames.GOAWAY)) == ErrorCode.FLOW_CONTROL_ERROR
        await peer.closed()
        await turn_until(lambda: not server.links)


async def test_a_window_below_zero_holds_back_until_it_is_above() -> None:
    """https://github.com/pydantic/httpx2/pull/935 and https://github.com/h2o/h2o/issues/3585: more was sent, or an exception raised."""
    size = 100_000
    async with serving(Streams()) as server, raw_client(server.address) as peer:
        peer.writer.write(frames.window_update(0, 1 << 20))
        download(peer, 1, size)
        got = 0
        while got < 65_535:
            got += len((await peer.until(frames.DATA, 1))[3])
        peer.writer.write(frames.settings([(Setting.INITIAL_WINDOW_SIZE, 0)]))  # 65,535 below zero
        peer.writer.write(frames.window_update(1, 65_535))
        assert not [frame for frame in await peer.until_silent_with(b"at zero!") if frame[0] == frames.DATA]
        peer.writer.write(frames.window_update(1, 1))
        assert (await peer.until(frames.DATA, 1))[3:] == (b"\0",)
        peer.writer.write(frames.window_update(1, size))
        ended = False
        while not ended:
            _, flags, _, _ = await peer.until(frames.HEADERS, 1)
            ended = bool(flags & END_STREAM)


async def test_calls_that_are_taken_back_at_once_leave_nothing() -> None:
    """https://github.com/hyperium/hyper/issues/2877: they piled up before they were accepted."""
    async with serving(echo := Echo()) as server, raw_client(server.address) as peer:
        for stream_id in range(1, 1200, 2):
            peer.call(stream_id, b"Say", b"")
            peer.send(frames.RST_STREAM, 0, stream_id, int(ErrorCode.CANCEL).to_bytes(4, "big"))
        await peer.until_silent_with(b"all read")
        (link,) = server.links
        await turn_until(lambda: not link.connection.streams and not link.calls)
        await is_served(peer, 1201)
        assert echo.seen["say"] <= 601


async def test_a_client_that_provokes_resets_and_reads_none_of_them_is_cut() -> None:
    """https://rustsec.org/advisories/RUSTSEC-2024-0003.html: the resets were queued without a bound."""
    provoked = b"".join(
        frames.frame(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Say"))
        + frames.frame(frames.WINDOW_UPDATE, 0, stream_id, bytes(4))
        for stream_id in range(1, 40_000, 2)
    )
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(provoked), 1 << 16):
                peer.writer.write(provoked[start : start + (1 << 16)])
                await peer.writer.drain()
        await turn_until(lambda: not server.links)


async def test_responses_that_a_client_finds_too_large_leave_no_streams() -> None:
    """https://github.com/grpc/grpc-go/issues/2444: each stayed, with its message."""
    async with serving(Streams()) as server, raw_client(server.address) as peer:
        for stream_id in range(1, 60, 2):
            download(peer, stream_id, 5 << 20)
            await peer.until(frames.HEADERS, stream_id)
            peer.send(frames.RST_STREAM, 0, stream_id, int(ErrorCode.CANCEL).to_bytes(4, "big"))
        await peer.until_silent_with(b"all read")
        (link,) = server.links
        await turn_until(lambda: not link.connection.streams and not link.calls)
        assert link.unsent == 0


async def test_connections_that_say_nothing_leave_nothing() -> None:
    """https://github.com/Kludex/uvicorn/pull/1244: a health check by TCP leaked one connection each."""
    async with serving(Echo()) as server:
        host, port = server.address.split(":")
        for _ in range(200):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
        await turn_until(lambda: not server.links)


async def test_what_ends_by_a_reset_is_not_kept_until_a_timeout() -> None:
    """https://github.com/Soju06/codex-lb/issues/2041: uvicorn kept each connection that a proxy had reset for its keep-alive time."""
    async with serving(Echo()) as server:
        host, port = server.address.split(":")
        kept = WeakSet[object]()
        for _ in range(20):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"{SAY}Content-Length: 2\r\n\r\n{{}}".encode())
            async with asyncio.timeout(PATIENCE):
                await reader.readuntil(b"\r\n\r\n")
            kept.update(server.links)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()
        await turn_until(lambda: gc.collect() >= 0 and not kept)


@pytest.mark.parametrize("size", ["4", "6"])
async def test_a_chunk_of_another_size_than_it_says_is_refused_at_once(size: str) -> None:
    """https://github.com/aio-libs/aiohttp/issues/10596: the server waited for ever."""
    async with serving(Echo()) as server:
        asked = f"{SAY}Transfer-Encoding: chunked\r\n\r\n{size}\r\nHello\r\n0\r\n\r\n".encode()
        assert (await said(server, asked)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("line", [b"5;" + b"x" * 65_536, b"0" * 65_536, b"5\r\nHello\r\n0\r\n" + b"x: " + b"y" * 65_536])
async def test_a_line_of_a_chunked_body_without_an_end_is_refused(line: bytes) -> None:
    """https://github.com/twisted/twisted/pull/1563: it was buffered without a bound."""
    async with serving(Echo()) as server:
        answer = await said(server, f"{SAY}Transfer-Encoding: chunked\r\n\r\n".encode(), *[line] * 4)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 ", b"HTTP/1.1 413 "))


async def test_what_comes_behind_a_request_to_close_is_not_answered() -> None:
    """https://github.com/Kludex/uvicorn/issues/2238: it was, on a connection that its client had given up."""
    async with serving(echo := Echo()) as server:
        one = f"{SAY}Content-Length: 2\r\n"
        answer = await said(server, f"{one}Connection: close\r\n\r\n{{}}{one}\r\n{{}}".encode())
        assert answer.count(b"HTTP/1.1 200 ") == 1
        assert echo.seen["say"] == 1
