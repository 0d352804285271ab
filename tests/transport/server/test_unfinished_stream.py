"""Responses without a deadline that are larger than the window of their client, and requests that go on after their responses."""

import pytest

from tests.echo_service import Echo, serving, turn_until
from tests.stream_service import Streams
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from towpath._transport import Server
from towpath._transport.server import unfinished_stream
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
    monkeypatch.setattr(unfinished_stream, "_PATIENCE", 0.0)
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
        stream = link.connection.streams[1]
        assert isinstance(stream, unfinished_stream.UnfinishedStream)
        for stream_id in (0, 1):
            peer.writer.write(frames.window_update(stream_id, len(BODY)))
        while not (await peer.until(frames.DATA, 1))[1] & END_STREAM:
            pass
        stream.expire()
        assert await peer.until_silent_with(b"all read") == []


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("path", [b"/large", b"/echo.v1.EchoService/Say"], ids=["document", "error"])
async def test_a_server_that_ends_waits_for_what_its_client_reads(path: bytes, reads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not reads:
        monkeypatch.setattr(unfinished_stream, "_PATIENCE", 0.1)
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


REFUSED = {
    "unknown path": ((b":path", b"/nowhere"), JSON),
    "wrong type": ((b"content-type", b"text/html"),),
    "no document": ((b":path", b"/large"), JSON),
    "unknown encoding": (JSON, (b"content-encoding", b"unheard-of")),
    "expects": ((b":path", b"/nowhere"), JSON, (b"expect", b"100-continue")),
    "expects of a method": (JSON, (b"content-encoding", b"unheard-of"), (b"expect", b"100-continue")),
    "late": (JSON, (b"connect-timeout-ms", b"0")),
    "grpc-web": ((b"content-type", b"application/grpc-web+proto"), (b"grpc-encoding", b"unheard-of")),
}
"""Requests that get their responses before their bodies."""


async def begin(peer: RawPeer, *more: tuple[bytes, bytes]) -> None:
    """Send a head, and wait for the end of its response."""
    peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", *more))
    while True:
        kind, flags, _, _ = await peer.frame()
        if kind in (frames.HEADERS, frames.DATA) and flags & END_STREAM:
            return


def kinds(seen: list[tuple[int, int, int, bytes]]) -> set[int]:
    return {kind for kind, *_ in seen}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_request_may_go_on_after_its_response(name: str) -> None:
    async with serving(Echo(), documents=DOCUMENTS) as server, raw_client(server.address) as peer:
        await begin(peer, *REFUSED[name])
        for _ in range(40):
            peer.send(frames.DATA, 0, 1, bytes(16_000))
            assert kinds(await peer.until_silent_with(b"all read")) <= {frames.WINDOW_UPDATE}
        if name == "late":
            peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, b"")
        else:
            peer.send(frames.DATA, END_STREAM, 1)
        assert kinds(await peer.until_silent_with(b"all read")) == set()
        assert not any(link.connection.streams for link in server.links)


@pytest.mark.parametrize("name", ["unknown path", "unknown encoding"])
@pytest.mark.parametrize("limit", ["_MAX_DROPPED", "_PATIENCE"])
async def test_a_request_may_not_go_on_for_ever_after_its_response(name: str, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished_stream, limit, 0)
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        await begin(peer, *REFUSED[name])
        peer.send(frames.DATA, 0, 1, bytes(10))
        assert (await peer.until(frames.RST_STREAM, 1))[3] == bytes(4)
        assert not any(link.connection.streams for link in server.links)


@pytest.mark.parametrize("name", ["unknown path", "unknown encoding"])
async def test_nothing_is_kept_of_a_request_whose_client_takes_it_back_after_the_response(name: str) -> None:
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        await begin(peer, *REFUSED[name])
        (link,) = server.links
        stream = link.connection.streams[1]
        peer.send(frames.RST_STREAM, 0, 1, bytes(4))
        await peer.until_silent_with(b"all read")
        assert not link.connection.streams
        assert isinstance(stream, unfinished_stream.UnfinishedStream)
        stream.expire()
        assert kinds(await peer.until_silent_with(b"all read")) == set()


@pytest.mark.parametrize(
    "more",
    [
        ((b":path", b"/nowhere"),),
        ((b"content-type", b"application/grpc+json"), (b"grpc-encoding", b"unheard-of")),
        ((b":path", b"/stream.v1.StreamService/Collect"), (b"content-type", b"application/connect+json"), (b"connect-timeout-ms", b"0")),
    ],
    ids=["grpc", "grpc json", "streams"],
)
async def test_a_client_that_understands_it_is_told_to_stop(more: tuple[tuple[bytes, bytes], ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished_stream, "_LINGER", 0.0)
    server = Server([Echo(), Streams()])
    await server.start("127.0.0.1", 0)
    async with raw_client(server.address) as peer:
        await begin(peer, *more)
        assert (await peer.until(frames.RST_STREAM, 1))[3] == bytes(4)
        assert not any(link.connection.streams for link in server.links)
    await server.close(0)


async def test_a_request_goes_on_while_its_response_waits_for_room() -> None:
    body = b'{"payload":"' + b"AAAA" * 5000 + b'"}'
    async with serving(Echo(), message_limit=100) as server, raw_client(server.address, NONE) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", JSON))
        peer.send(frames.DATA, 0, 1, body[:16_000])
        await peer.until(frames.HEADERS, 1)  # too large
        peer.send(frames.DATA, END_STREAM, 1, body[16_000:])
        await peer.until_silent_with(b"all read")
        peer.writer.write(frames.window_update(1, 1000))
        assert (await peer.until(frames.DATA, 1))[1] & END_STREAM
        assert kinds(await peer.until_silent_with(b"all read")) == set()
        assert not any(link.connection.streams for link in server.links)
