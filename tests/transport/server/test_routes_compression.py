"""The answer's compression, agreed on by one rule in every protocol, over real sockets."""

import asyncio
import gzip
import http.client
from contextlib import closing
from typing import Final

import pytest

from tests.echo_service import Echo
from tests.library_service import Library
from tests.stream_service import Streams
from tests.transport.raw_peer import raw_client, request_head
from towpath._core.errors import SetupError
from towpath._transport import Channel, Server
from towpath._wire.grpc.framing import frame
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

SAY: Final = "/echo.v1.EchoService/Say"
REPEAT: Final = "/stream.v1.StreamService/Repeat"
GRPC: Final = {"grpc": "application/grpc", "grpc json": "application/grpc+json"}
OTHERS: Final = {
    "grpc-web": ("POST", SAY, frame(b""), "application/grpc-web+proto", "grpc"),
    "connect": ("POST", SAY, b"{}", "application/json", ""),
    "connect get": ("GET", f"{SAY}?encoding=json&message=%7B%7D", None, "application/json", ""),
    "connect stream": ("POST", REPEAT, frame(b"{}"), "application/connect+json", "connect"),
    "rest": ("GET", "/v1/shelves/1/books/2", None, "application/json", ""),
}

ACCEPTED: Final = {
    "gzip": True,
    "identity, br , gzip": True,
    "gzip;q=1.0": True,
    "br;q=1, gzip; q=0.5": True,
    "gzip;q=0": False,
    "gzip; q=0.000, br": False,
    "gz ip": False,
    "identity": False,
}


@pytest.mark.parametrize(("accepted", "compressed"), ACCEPTED.items())
@pytest.mark.parametrize("content_type", GRPC.values(), ids=GRPC)
async def test_grpc_compresses_an_answer_whose_caller_accepts_it(content_type: str, accepted: str, compressed: bool) -> None:
    server = Server([Echo()], compression="gzip")
    await server.start()
    try:
        async with raw_client(server.address) as peer:
            fields = (b"content-type", content_type.encode()), (b"grpc-accept-encoding", accepted.encode())
            peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", *fields))
            peer.send(frames.DATA, END_STREAM, 1, frame(b"{}" if "json" in content_type else b""))
            answer = peer.fields(await peer.until(frames.HEADERS, 1))
            assert answer.get(b"grpc-encoding") == (b"gzip" if compressed else None)
            assert (await peer.until(frames.DATA, 1))[3][0] == compressed
    finally:
        await server.close(0)


def exchange(address: str, name: str, accepted: str) -> tuple[str | None, bytes]:
    """The encoding and the body of an answer."""
    method, path, body, content_type, protocol = OTHERS[name]
    prefix = f"{protocol}-" if protocol else ""
    encoding = f"{prefix}encoding" if protocol == "grpc" else f"{prefix}content-encoding"
    host, _, port = address.rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=120)) as connection:
        connection.request(method, path, body, {"content-type": content_type, f"{prefix}accept-encoding": accepted})
        response = connection.getresponse()
        return response.headers[encoding], response.read()


@pytest.mark.parametrize(("accepted", "compressed"), ACCEPTED.items())
@pytest.mark.parametrize("name", OTHERS)
async def test_every_other_protocol_agrees(name: str, accepted: str, compressed: bool) -> None:
    server = Server([Echo(), Streams(), Library()], compression="gzip")
    await server.start()
    try:
        plain = (await asyncio.to_thread(exchange, server.address, name, "identity"))[1]
        encoding, body = await asyncio.to_thread(exchange, server.address, name, accepted)
        assert encoding == ("gzip" if compressed else None)
        if not OTHERS[name][4] and plain:
            assert (gzip.decompress(body) if compressed else body) == plain
    finally:
        await server.close(0)


async def test_a_compression_that_is_not_known_is_a_mistake() -> None:
    with pytest.raises(SetupError, match="compression='br' is not known; use gzip, or None"):
        Server([Echo()], compression="br")  # pyright: ignore[reportArgumentType]
    with pytest.raises(SetupError, match="compression='br' is not known; use gzip, or None"):
        Channel("127.0.0.1:1", compression="br")  # pyright: ignore[reportArgumentType]
