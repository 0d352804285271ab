"""Responses without a deadline that are larger than the window of their client."""

import pytest

from tests.echo_service import Echo, serving, turn_until
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from towpath._transport.server import unread_response
from towpath._transport.server.routes import Document
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, Setting

BODY = bytes(range(256)) * 400
DOCUMENTS = {"/large": lambda: Document("text/plain", BODY)}
SMALL = [(Setting.INITIAL_WINDOW_SIZE, 1000)]
NONE = [(Setting.INITIAL_WINDOW_SIZE, 0)]
JSON = (b"content-type", b"application/json")


def get(peer: RawPeer, stream_id: int = 1) -> None:
    peer.send(frames.HEADERS, END_HEADERS | END_STREAM, stream_id, request_head(b"", (b":method", b"GET"), (b":path", b"/large")))


async def test_a_document_comes_whole_whatever_the_window() -> None:
    async with serving(Echo(), documents=DOCUMENTS) as server, raw_client(server.address, SMALL) as peer:
        get(peer)
        got, ended = b"", False
        while not ended:
            _, flags, _, piece = await peer.until(frames.DATA, 1)
            got, ended = got + piece, bool(flags & END_STREAM)
            for stream_id in (0, 1):
                peer.writer.write(frames.window_update(stream_id, 1000))
        assert got == BODY


@pytest.mark.parametrize("path", [b"/large", b"/echo.v1.EchoService/Say"], ids=["document", "error"])
async def test_a_client_that_makes_no_room_is_given_up(path: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread_response, "_PATIENCE", 0.0)
    wrong = (b":method", b"GET") if path == b"/large" else (b"content-encoding", b"unheard-of")
    async with serving(Echo(), documents=DOCUMENTS) as server, raw_client(server.address, NONE) as peer:
        peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, request_head(b"Say", (b":path", path), JSON, wrong))
        assert (await peer.until(frames.RST_STREAM, 1))[3] == int(ErrorCode.CANCEL).to_bytes(4, "big")
        assert not any(link.connection.streams for link in server.links)


async def test_a_client_that_has_read_in_time_is_not_given_up() -> None:
    async with serving(Echo(), documents=DOCUMENTS) as server, raw_client(server.address, SMALL) as peer:
        get(peer)
        await peer.until(frames.DATA, 1)
        (link,) = server.links
        waiting = unread_response.UnreadResponse(link, link.connection.streams[1])
        for stream_id in (0, 1):
            peer.writer.write(frames.window_update(stream_id, len(BODY)))
        while not (await peer.until(frames.DATA, 1))[1] & END_STREAM:
            pass
        waiting.expire()
        assert await peer.until_silent_with(b"all read") == []


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("path", [b"/large", b"/echo.v1.EchoService/Say"], ids=["document", "error"])
async def test_a_server_that_ends_waits_for_what_its_client_reads(path: bytes, reads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not reads:
        monkeypatch.setattr(unread_response, "_PATIENCE", 0.1)
    wrong = (b":method", b"GET") if path == b"/large" else (b"content-encoding", b"unheard-of")
    async with serving(Echo(), documents=DOCUMENTS) as server, raw_client(server.address, NONE) as peer:
        peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, request_head(b"Say", (b":path", path), JSON, wrong))
        await peer.until(frames.HEADERS, 1)
        (link,) = server.links
        link.drain()
        _, _, _, ping = await peer.until(frames.PING)
        peer.send(frames.PING, frames.ACK, 0, ping)
        await turn_until(lambda: link.draining)
        if reads:
            for stream_id in (0, 1):
                peer.writer.write(frames.window_update(stream_id, len(BODY)))
        await peer.closed()
        await turn_until(lambda: not server.links)
