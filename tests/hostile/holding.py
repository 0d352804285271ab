"""Attackers that make a server hold something for them: uploads without an end, answers that are not read, heads that are remembered."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress

from stream.v1 import stream_pb2 as stream

from tests.hostile.kit import Attacker, Probe, Victim, attacking
from tests.hostile.protocols import message
from tests.transport.raw_peer import request_head
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, Setting

_REPEAT = (b":path", b"/stream.v1.StreamService/Repeat")
_FOREVER = (b"grpc-timeout", b"99999999H")
_LITTLE = 4096

Hold = Callable[[Victim, Probe, int], Coroutine[None, None, None]]
"""An attack by several connections, which have gone when it returns."""


def _head(stream_id: int, *fields: tuple[bytes, bytes]) -> bytes:
    return frames.frame(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Say", _FOREVER, *fields))


async def _upload(peer: Attacker, start: bytes, piece: bytes, times: int, *fields: tuple[bytes, bytes]) -> None:
    """Begin 16 calls, and send the first part of a body on each."""
    peer.greet()
    for _ in range(16):
        stream_id = peer.stream()
        await peer.send(_head(stream_id, *fields) + frames.frame(frames.DATA, 0, stream_id, start))
        await peer.send(frames.frame(frames.DATA, 0, stream_id, piece), times)
    await peer.ending()


async def abandoned_uploads(victim: Victim, probe: Probe, volume: int) -> None:
    """Large messages of which the last byte never comes, on connections that are dropped."""
    for _ in range(8 * volume):
        async with attacking(victim) as peer:
            await _upload(peer, b"\0" + (4 << 20).to_bytes(4, "big"), bytes(16_000), 15)


async def abandoned_uploads_of_connect(victim: Victim, probe: Probe, volume: int) -> None:
    """The bodies of Connect's calls that never end."""
    for _ in range(8 * volume):
        async with attacking(victim) as peer:
            await _upload(peer, b"{", bytes(16_000), 15, (b"content-type", b"application/json"))


async def abandoned_uploads_over_http1(victim: Victim, probe: Probe, volume: int) -> None:
    """Requests of HTTP/1.1 that announce more than they send."""
    head = b"POST /v1/weigh HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n"
    for _ in range(16 * volume):
        async with attacking(victim) as peer:
            peer.read(in_frames=False)
            with suppress(ConnectionError):
                await peer.send(head + bytes(500_000))
            await probe.goes_on(2)


def _endless() -> bytes:
    """A request for 1,000 answers of 100 KB."""
    return stream.RepeatRequest(answers=[stream.Answer(size=100_000)] * 1000).SerializeToString()


async def _ask_and_read_nothing(victim: Victim, probe: Probe, connections: int, settings: bytes) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(connections):
            peer = await stack.enter_async_context(attacking(victim, receive_buffer=_LITTLE))
            peer.greet_in_silence(settings)
            for stream_id in range(1, 2 * 20, 2):
                await peer.send(
                    _head(stream_id, _REPEAT) + frames.frame(frames.DATA, END_STREAM, stream_id, message(_endless(), compressed=False))
                )
        await probe.goes_on(100)


async def unread_streams(victim: Victim, probe: Probe, volume: int) -> None:
    """Long answers on streams whose windows are open, on connections that read nothing."""
    window = frames.settings([(Setting.INITIAL_WINDOW_SIZE, 2**31 - 1)]) + frames.window_update(0, 2**30)
    await _ask_and_read_nothing(victim, probe, 10 * volume, window)


async def shut_windows(victim: Victim, probe: Probe, volume: int) -> None:
    """Long answers on streams whose windows are shut."""
    await _ask_and_read_nothing(victim, probe, 10 * volume, frames.settings([(Setting.INITIAL_WINDOW_SIZE, 0)]))


async def unread_streams_over_http1(victim: Victim, probe: Probe, volume: int) -> None:
    """Long answers over HTTP/1.1 that are not read."""
    async with AsyncExitStack() as stack:
        for _ in range(20 * volume):
            peer = await stack.enter_async_context(attacking(victim, receive_buffer=_LITTLE))
            await peer.send(b"GET /v1/shelves/1/books/2:read?count=10000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        await probe.goes_on(100)


async def large_heads(victim: Victim, probe: Probe, volume: int) -> None:
    """Heads of 15 KB that are all different, which a connection of HTTP/1.1 may remember."""
    async with AsyncExitStack() as stack:
        for _ in range(10 * volume):
            peer = await stack.enter_async_context(attacking(victim))
            peer.read(in_frames=False)
            for number in range(63):
                await peer.send(b"GET /v1/archive/%04d" % number + b"x" * 15_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        await probe.goes_on(100)


async def unread_pings(victim: Victim, probe: Probe, volume: int) -> None:
    """Pings whose answers are not read."""
    async with attacking(victim, receive_buffer=_LITTLE) as peer:
        peer.greet_in_silence()
        sending = asyncio.create_task(peer.send(frames.frame(frames.PING, 0, 0, b"question") * 1000, 2000 * volume))
        await probe.goes_on(200)
        sending.cancel()  # the server takes no more
        with suppress(asyncio.CancelledError, ConnectionError):
            await sending


HOLDS: dict[str, Hold] = {
    hold.__name__: hold
    for hold in (
        abandoned_uploads,
        abandoned_uploads_of_connect,
        abandoned_uploads_over_http1,
        unread_streams,
        shut_windows,
        unread_streams_over_http1,
        large_heads,
        unread_pings,
    )
}
"""Each kind by its name."""
