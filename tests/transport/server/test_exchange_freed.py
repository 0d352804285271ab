"""What has ended is freed at once, in every protocol and over every HTTP, and not when the garbage collector looks for it."""

import asyncio
import gc
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.echo_service import PATIENCE, Echo, turn_until
from tests.library_service import Library
from tests.stream_service import Streams
from tests.transport.raw_peer import request_head
from towpath._core.calls.asynchronous import ClientExchange
from towpath._transport import Server
from towpath._transport.server.connections.http1_connection import Http1Exchange, Http1Link
from towpath._transport.server.connections.http2_connection import Http2Link
from towpath._transport.server.exchange import ServerExchange
from towpath._transport.server.grpc_unary import ServerCall
from towpath._transport.server.http2_exchange import Http2Exchange
from towpath._transport.server.routes import DialectRoute
from towpath._wire.dialect import Dialect
from towpath._wire.grpc.framing import MessageReader
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http1 import Http1Connection
from towpath._wire.http2 import ServerConnection, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, PREFACE

pytestmark = pytest.mark.untraced

OF_CONNECTIONS = (Http1Link, Http2Link, Http1Connection, ServerConnection, DialectRoute)
OF_CALLS = (ServerExchange, ServerCall, Http1Exchange, Http2Exchange, Dialect, MessageReader, ClientExchange)

JSON = (b"content-type", b"application/json")
CONNECT_STREAM = (b"content-type", b"application/connect+proto")
GRPC_WEB = (b"content-type", b"application/grpc-web+proto")
REST = (b":path", b"/v1/shelves/7/books")
COLLECT = (b":path", b"/stream.v1.StreamService/Collect")
MESSAGE = message_frame(b"")
HALF = b"\0\0\1\0\0" + bytes(5000)
BOOK = b'{"title":"Emma"}'


def http1(path: bytes, content_type: bytes, body: bytes, length: int) -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (path, content_type, length, body)


def http2(body: bytes, *fields: tuple[bytes, bytes], end: bool) -> bytes:
    head = frames.frame(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", *fields))
    return PREFACE + frames.settings([]) + head + frames.frame(frames.DATA, END_STREAM if end else 0, 1, body)


@contextmanager
def without_collector() -> Iterator[Callable[..., list[str]]]:
    """What it gives tells the objects of some kinds that were made since and are there, since nobody looks for garbage."""
    gc.collect()
    gc.disable()
    gc.freeze()  # what other tests have made is not looked at, which are a million objects in a whole run

    def left(*kinds: type) -> list[str]:
        # Not isinstance, which asks lazy objects of other libraries, such as Django's settings, for the class that they stand for.
        return [type(found).__name__ for found in gc.get_objects() if issubclass(type(found), kinds)]

    try:
        yield left
    finally:
        gc.unfreeze()
        gc.enable()


CALLS = {
    "grpc": http2(MESSAGE, end=True),
    "grpc, abandoned": http2(HALF, end=False),
    "grpc stream": http2(MESSAGE, COLLECT, end=True),
    "grpc stream, abandoned": http2(MESSAGE + HALF, COLLECT, end=False),
    "grpc-web": http2(MESSAGE, GRPC_WEB, end=True),
    "grpc-web, abandoned": http2(HALF, GRPC_WEB, end=False),
    "connect": http2(b"{}", JSON, end=True),
    "connect, abandoned": http2(bytes(5000), JSON, end=False),
    "connect stream, abandoned": http2(MESSAGE + HALF, COLLECT, CONNECT_STREAM, end=False),
    "rest": http2(BOOK, JSON, REST, end=True),
    "rest, abandoned": http2(bytes(5000), JSON, REST, end=False),
    "rest, malformed": http2(b"{", JSON, REST, end=True),
    "http1": http1(REST[1], JSON[1], BOOK, len(BOOK)),
    "http1, abandoned": http1(REST[1], JSON[1], bytes(5000), 20_000),
    "http1, malformed": http1(REST[1], JSON[1], b"{", 1),
    "http1 stream, abandoned": http1(COLLECT[1], CONNECT_STREAM[1], MESSAGE + HALF, 20_000),
    "http1 grpc-web": http1(b"/echo.v1.EchoService/Say", GRPC_WEB[1], MESSAGE, len(MESSAGE)),
}


@pytest.mark.parametrize("abruptly", [False, True])
@pytest.mark.parametrize("name", CALLS)
async def test_nothing_is_left_of_a_connection_that_has_ended(name: str, abruptly: bool) -> None:
    server = Server([Echo(), Library(), Streams()])
    await server.start("127.0.0.1", 0)
    host, port = server.address.split(":")
    try:
        with without_collector() as left:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(CALLS[name])
            async with asyncio.timeout(PATIENCE):
                await turn_until(lambda: any(link.asked for link in server.links))
                if "abandoned" not in name:
                    await turn_until(lambda: not any(link.busy for link in server.links))
                    await turn_until(lambda: not left(*OF_CALLS))
                if abruptly:
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.close()
                del reader
                await turn_until(lambda: not server.links)
                await turn_until(lambda: not left(*OF_CONNECTIONS, *OF_CALLS))
    finally:
        await server.close(0)


@pytest.mark.parametrize("name", ["grpc, abandoned", "grpc stream, abandoned", "grpc-web, abandoned", "connect, abandoned"])
async def test_an_upload_that_is_taken_back_is_freed_while_its_connection_lasts(name: str) -> None:
    server = Server([Echo(), Library(), Streams()])
    await server.start("127.0.0.1", 0)
    host, port = server.address.split(":")
    try:
        with without_collector() as left:
            _, writer = await asyncio.open_connection(host, int(port))
            async with asyncio.timeout(PATIENCE):
                writer.write(CALLS[name])
                await turn_until(lambda: any(link.asked for link in server.links))
                writer.write(frames.rst_stream(1, 8))
                await turn_until(lambda: not any(link.busy for link in server.links))
                await turn_until(lambda: not left(*OF_CALLS))
            writer.close()
    finally:
        await server.close(0)
