"""Large responses of mounted applications are made by turns, as other answers are, while clients leave much unread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.asgi_apps import Asgi, only_http
from tests.echo_service import PATIENCE, turn_until
from tests.transport.raw_peer import RawPeer, raw_client
from towpath._core import clock
from towpath._transport import ConnectionLimits, Server
from towpath._transport.server.mounts.mount import mounted
from towpath._wire.hpack import literal
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, MAX_WINDOW, Setting

LIMIT = 8 << 20
SIZE = 1_000_000
CALLS = 24
ROOM = [(Setting.INITIAL_WINDOW_SIZE, 2 * SIZE)]


def head(path: bytes) -> bytes:
    fields = ((b":method", b"GET"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x"))
    return b"".join(literal(name, value) for name, value in fields)


class App:
    """Answers with a megabyte, whole or in pieces, or at `/admin/small` with a few bytes."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces
        self.begun = self.sent = 0
        self.app: Asgi = only_http(self._serve)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        small = scope["path"] == "/admin/small"
        self.begun += not small
        await send({"type": "http.response.start", "status": 200, "headers": []})
        size = 2 if small else SIZE // self.pieces
        for number in range(1 if small else self.pieces):
            await send({"type": "http.response.body", "body": bytes(size), "more_body": not small and number < self.pieces - 1})
        self.sent += not small


@asynccontextmanager
async def unread(app: App, time: list[float]) -> AsyncIterator[tuple[Server, RawPeer]]:
    """A server and a client that has asked for 24 MB, and whose windows are shut. The server's time is what `time` says."""
    mount = mounted("/admin", app.app, others=(), max_body=None, lifespan="off")
    server = Server([], mounts=[mount], connections=ConnectionLimits(max_buffered=LIMIT))
    await server.start("127.0.0.1", 0)
    try:
        with clock.using(lambda: time[0]):
            async with raw_client(server.address, [(Setting.INITIAL_WINDOW_SIZE, 0)]) as peer:
                peer.writer.write(frames.window_update(0, MAX_WINDOW - frames.DEFAULT_WINDOW))
                for number in range(CALLS):
                    peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, head(b"/admin/large"))
                await turn_until(lambda: server.buffers.turns.waiting)
                yield server, peer
    finally:
        await server.close(0)


def kept(server: Server) -> int:
    return sum(link.held + sum(each.held for each in link.kept()) for link in server.links)


@pytest.mark.parametrize("pieces", [1, 2])
async def test_what_a_client_does_not_read_waits_and_all_of_it_comes_once_it_reads(pieces: int) -> None:
    app = App(pieces)
    async with asyncio.timeout(PATIENCE), unread(app, [clock.now()]) as (server, peer):
        await peer.until_silent_with(b"all read")
        assert kept(server) < LIMIT
        assert app.sent < CALLS // 2
        peer.writer.write(frames.settings(ROOM))
        ended = 0
        while ended < CALLS:
            kind, flags, _, _ = await peer.frame()
            assert kind not in (frames.RST_STREAM, frames.GOAWAY)
            ended += kind == frames.DATA and bool(flags & END_STREAM)
        await turn_until(lambda: app.sent == CALLS)


async def test_another_client_gets_its_small_page_meanwhile_and_a_large_one_in_its_turn() -> None:
    app, time = App(1), [clock.now()]
    async with asyncio.timeout(PATIENCE), unread(app, time) as (server, _), raw_client(server.address, ROOM) as other:
        other.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, head(b"/admin/small"))
        await other.until(frames.DATA, 1)
        for stream_id in (3, 5, 7, 9):  # there is room for one, perhaps
            other.send(frames.HEADERS, END_HEADERS | END_STREAM, stream_id, head(b"/admin/large"))
        await other.until_silent_with(b"has come")
        assert app.begun < CALLS
        ended = 0
        while ended < 4:
            time[0] += 2
            kind, flags, _, payload = await other.frame()
            if kind == frames.DATA and payload:
                other.send(frames.WINDOW_UPDATE, 0, 0, len(payload).to_bytes(4, "big"))
            ended += kind == frames.DATA and bool(flags & END_STREAM)


async def test_requests_that_wait_are_taken_back_and_never_reach_the_application() -> None:
    app = App(1)
    async with asyncio.timeout(PATIENCE), unread(app, [clock.now()]) as (server, peer):
        await peer.until_silent_with(b"all read")
        (link,) = server.links
        await turn_until(lambda: len(link.calls) > 1)
        begun = app.begun
        for number in range(40, 60):
            peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, head(b"/admin/large"))
        await peer.until_silent_with(b"all read")
        assert app.begun == begun
        for number in (*range(CALLS), *range(40, 60)):
            peer.send(frames.RST_STREAM, 0, 2 * number + 1, bytes(4))
        await turn_until(lambda: not link.calls and not kept(server) and not server.buffers.turns.waiting)
        assert app.begun == begun


async def test_of_many_pages_some_are_forgotten() -> None:
    mount = mounted("/admin", App(1).app, others=(), max_body=None, lifespan="off")
    for number in range(10_000):
        mount.note_large(b"/%d" % number, SIZE)
    assert 0 < len(mount.large_answers) <= 256
    assert mount.large_answers[b"/9999"] == SIZE
