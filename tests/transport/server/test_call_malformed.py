"""Requests whose compressed data are malformed, or whose encoding nobody knows, are their callers' fault in every protocol."""

import asyncio
import gzip
import http.client
from contextlib import closing
from typing import Any, Final

import pytest
from echo.v1 import echo_pb2 as pb

from tests.call_counts import counted_calls
from tests.echo_service import PATIENCE, Echo, serving
from tests.library_service import Library
from tests.stream_service import Streams
from tests.transport.raw_peer import raw_client, request_head
from tests.transport.server.test_grpc_unary import status_of
from towpath._core.errors import Code
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Server
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

SAY: Final = "/echo.v1.EchoService/Say"
REPEAT: Final = "/stream.v1.StreamService/Repeat"
BOOKS: Final = "/v1/shelves/1/books"

WHOLE: Final = gzip.compress(b"{}")
MALFORMED: Final = {
    "truncated": WHOLE[:-3],
    "cut in its head": WHOLE[:5],
    "followed by garbage": WHOLE + b"garbage",
    "of another sum": WHOLE[:-8] + bytes(8),
    "no gzip": b"plain",
}


def message(data: bytes) -> bytes:
    """A message that says it is compressed."""
    return b"\1" + len(data).to_bytes(4, "big") + data


def ask(address: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, http.client.HTTPMessage, bytes]:
    with closing(http.client.HTTPConnection(address, timeout=PATIENCE)) as connection:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


async def asked(path: str, body: bytes, headers: dict[str, str], layers: Any = ()) -> tuple[int, http.client.HTTPMessage, bytes]:
    server = Server([Echo(), Library(), Streams()], layers=layers)
    await server.start("127.0.0.1", 0)
    try:
        return await asyncio.to_thread(ask, server.address, path, body, headers)
    finally:
        await server.close(0)


@pytest.mark.parametrize("field", ["grpc-timeout", "connect-timeout-ms"])
@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        (SAY, "application/json"),
        (SAY, "application/grpc-web+proto"),
        (REPEAT, "application/grpc-web+proto"),
        (REPEAT, "application/connect+json"),
        (BOOKS, "application/json"),
    ],
)
async def test_an_error_about_a_timeout_names_the_field_that_came(field: str, path: str, content_type: str) -> None:
    _, _, body = await asked(path, b"", {"Content-Type": content_type, field: "1.5"})
    other = {"grpc-timeout": b"connect-timeout", "connect-timeout-ms": b"grpc-timeout"}[field]
    assert (field.encode() in body, other in body) == (True, False)


@pytest.mark.parametrize(
    ("content_type", "field"), [("application/grpc-web+proto", b"grpc-encoding"), ("application/connect+json", b"connect-content-encoding")]
)
async def test_an_error_about_compression_names_the_field_of_the_protocol(content_type: str, field: bytes) -> None:
    _, _, body = await asked(REPEAT, message(WHOLE), {"Content-Type": content_type})
    assert b"a message is compressed, but " + field + b" names no compression" in body
    _, _, body = await asked(REPEAT, b"\4" + message(b"")[1:], {"Content-Type": content_type})
    assert b"compressed flag is 4, and neither 0 nor 1" in body


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_gzip_is_an_invalid_argument(data: bytes) -> None:
    status, _, body = await asked(SAY, data, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert (status, b'"invalid_argument"' in body, b"gzip" in body) == (400, True, True)
    status, _, body = await asked(BOOKS, data, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert (status, b'"INVALID_ARGUMENT"' in body, b"gzip" in body) == (400, True, True)
    web = {"Content-Type": "application/grpc-web+proto", "Grpc-Encoding": "gzip"}
    assert b"grpc-status: 3\r\n" in (await asked(SAY, message(data), web))[2]
    metrics = CallMetrics()
    stream = {"Content-Type": "application/connect+json", "Connect-Content-Encoding": "gzip"}
    assert b'"invalid_argument"' in (await asked(REPEAT, message(data), stream, (metrics.server,)))[2]
    assert counted_calls(metrics.registry, "server", "stream.v1.StreamService/Repeat", "INVALID_ARGUMENT") == 1


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_gzip_is_an_invalid_argument_over_grpc(data: bytes) -> None:
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", (b"grpc-encoding", b"gzip")))
        peer.send(frames.DATA, END_STREAM, 1, message(data))
        assert (await status_of(peer, 1))[0] == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("name", ["GZIP", "x-gzip", " gzip "])
async def test_gzip_has_several_names(name: str) -> None:
    plain = pb.SayRequest(id="a").SerializeToString()
    data = gzip.compress(plain)
    status, _, body = await asked(SAY, data, {"Content-Type": "application/proto", "Content-Encoding": name})
    assert (status, pb.SayResponse.FromString(body).id) == (200, "a")


@pytest.mark.parametrize("name", ["", "Identity"])
async def test_no_encoding_has_several_names(name: str) -> None:
    assert (await asked(SAY, b"{}", {"Content-Type": "application/json", "Content-Encoding": name}))[0] == 200


@pytest.mark.parametrize(("path", "status"), [(SAY, 501), (BOOKS, 415)])
@pytest.mark.parametrize("name", ["br", "x-br", "gzip, gzip"])
async def test_an_unknown_encoding_is_told_the_known_ones(name: str, path: str, status: int) -> None:
    found, headers, body = await asked(path, b"{}", {"Content-Type": "application/json", "Content-Encoding": name})
    assert (found, headers["accept-encoding"], b"use gzip" in body) == (status, "gzip", True)


@pytest.mark.parametrize("text", [False, True])
async def test_an_unknown_encoding_is_told_the_known_ones_over_grpc_web(text: bool) -> None:
    content_type = "application/grpc-web-text+proto" if text else "application/grpc-web+proto"
    _, headers, _ = await asked(SAY, b"", {"Content-Type": content_type, "Grpc-Encoding": "br"})
    assert (headers["content-type"], headers["grpc-status"], headers["grpc-accept-encoding"]) == (content_type, "12", "identity,gzip")
