"""Expectations (RFC 9110, section 10.1.1), over HTTP/2 and HTTP/1.1."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.echo_service import PATIENCE, Echo, serving
from tests.library_service import Library
from tests.stream_service import Streams
from tests.transport.raw_peer import raw_client, request_head
from towpath._transport import Server
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

EXPECTS = (b"expect", b"100-Continue")
REST = (b":path", b"/v1/shelves/7/books")
COLLECT = (b":path", b"/stream.v1.StreamService/Collect")
JSON = (b"content-type", b"application/json")


@asynccontextmanager
async def closing(server: Server) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await server.close(0)


@pytest.mark.parametrize(
    ("fields", "body", "response"),
    [
        ((), message_frame(b""), message_frame(b"")),
        (((b"content-type", b"application/grpc-web+proto"),), message_frame(b""), message_frame(b"")),
        ((JSON,), b'{"id":"a"}', b'{"id":"a"}'),
        ((JSON, REST), b'{"title":"Emma"}', b'{"book":{"name":"shelves/7/books/new","title":"Emma"}}'),
        ((COLLECT,), message_frame(b""), message_frame(b"\x08\x01")),
    ],
    ids=["grpc", "grpc-web", "connect", "rest", "stream"],
)
async def test_a_client_that_asks_is_told_to_send_its_body(fields: tuple[tuple[bytes, bytes], ...], body: bytes, response: bytes) -> None:
    server = Server([Echo(), Library(), Streams()])
    await server.start("127.0.0.1", 0)
    async with closing(server), raw_client(server.address) as peer:
        for stream_id in (1, 3):
            peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Say", *fields, EXPECTS))
            head = await peer.until(frames.HEADERS, stream_id)
            assert (peer.fields(head), head[1] & END_STREAM) == ({b":status": b"100"}, 0)
            peer.send(frames.DATA, END_STREAM, stream_id, body)
            assert peer.fields(await peer.until(frames.HEADERS, stream_id))[b":status"] == b"200"
            assert (await peer.until(frames.DATA, stream_id))[3] == response
            if not fields or COLLECT in fields:
                assert peer.fields(await peer.until(frames.HEADERS, stream_id))[b"grpc-status"] == b"0"


@pytest.mark.parametrize("path", [b"/nowhere", b"/echo.v1.EchoService/Say"])
async def test_a_client_is_not_told_to_send_a_body_that_is_not_wanted(path: bytes) -> None:
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        wrong = (b"content-encoding", b"unheard-of") if path != b"/nowhere" else (b"x", b"y")
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", (b":path", path), JSON, EXPECTS, wrong))
        assert peer.fields(await peer.until(frames.HEADERS, 1))[b":status"] in {b"404", b"501"}
        peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 3, request_head(b"Say", (b":path", path), JSON, EXPECTS))
        assert peer.fields(await peer.until(frames.HEADERS, 3))[b":status"] != b"100"


@pytest.mark.parametrize("value", [b"the impossible", b"100-continue, more", b"100-continue;q=1"])
async def test_an_expectation_that_nobody_knows_is_417(value: bytes) -> None:
    async with serving(Echo()) as server:
        async with raw_client(server.address) as peer:
            peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", (b"expect", value)))
            assert peer.fields(await peer.until(frames.HEADERS, 1))[b":status"] == b"417"
        host, port = server.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = b"POST /echo.v1.EchoService/Say HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: "
        writer.write(head + value + b"\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            assert (await reader.read()).startswith(b"HTTP/1.1 417 Expectation Failed\r\n")
        writer.close()
