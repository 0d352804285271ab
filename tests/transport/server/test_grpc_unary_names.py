"""Tenants and idempotency keys that are none, over every protocol: the call is refused before its handler, and nobody gets another's
answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from library.v1 import library_pb2 as pb

from tests.echo_service import PATIENCE, Echo
from tests.library_service import Library
from tests.stream_service import Streams
from tests.transport.raw_peer import raw_client
from tests.transport.server.test_exchange import begin
from tests.transport.server.test_grpc_unary import status_of
from towpath import App, Context
from towpath._app.settings.service_file import ServiceConfig
from towpath._core.errors import Code
from towpath._transport import Server
from towpath._wire.grpc.framing import frame

Fields = tuple[tuple[bytes, bytes], ...]

BAD = [
    ((b"towpath-tenant", b"t" * 129),),
    ((b"towpath-tenant", b"caf\xe9"),),
    ((b"towpath-tenant", b""),),
    ((b"towpath-tenant", b"a"), (b"towpath-tenant", b"b")),
    ((b"idempotency-key", b"k" * 256),),
    ((b"idempotency-key", b""),),
    ((b"idempotency-key", b"a"), (b"idempotency-key", b"b")),
]
CONNECT = (b"POST", b"/echo.v1.EchoService/Say", b"application/json", b"{}")
CONNECT_STREAM = (b"POST", b"/stream.v1.StreamService/Repeat", b"application/connect+json", frame(b"{}"))
GRPC_WEB = (b"POST", b"/echo.v1.EchoService/Say", b"application/grpc-web+proto", frame(b""))
REST = (b"GET", b"/v1/shelves/1/books/2", b"application/json", b"")


@asynccontextmanager
async def untouched() -> AsyncIterator[str]:
    """The address of a server whose handlers must not be reached."""
    echo, streams = Echo(), Streams()
    server = Server([echo, Library(), streams])
    await server.start("127.0.0.1", 0)
    try:
        yield server.address
    finally:
        await server.close(0.0)
    assert not echo.seen
    assert not streams.seen


async def asked(address: str, request: tuple[bytes, bytes, bytes, bytes], fields: Fields) -> tuple[int, bytes]:
    """Status and body, chunks and all, of one request over HTTP/1.1."""
    method, path, content_type, body = request
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    own = b"".join(b"%s: %s\r\n" % field for field in fields)
    head = b"%s %s HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: %s\r\ncontent-length: %d\r\n%s\r\n"
    writer.write(head % (method, path, content_type, len(body), own) + body)
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), rest


@pytest.mark.parametrize("fields", BAD)
async def test_grpc_says_invalid_argument(fields: Fields) -> None:
    text = f"{fields[0][0].decode()} is not one field of 1 to "
    async with untouched() as address:
        async with raw_client(address) as peer:
            begin(peer, b"Repeat", frame(b""), fields=fields)
            code, message = await status_of(peer, 1)
            assert (code, message[: len(text)]) == (Code.INVALID_ARGUMENT, text)
        if len(dict(fields)) == len(fields):  # the raw peer's unary call takes each field once
            async with raw_client(address) as peer:
                peer.call(1, b"Say", b"", *fields)
                assert (await status_of(peer, 1))[0] == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("fields", BAD)
async def test_connect_and_rest_say_400(fields: Fields) -> None:
    async with untouched() as address:
        status, body = await asked(address, CONNECT, fields)
        assert (status, json.loads(body)["code"]) == (400, "invalid_argument")
        status, body = await asked(address, REST, fields)
        assert (status, json.loads(body)["code"]) == (400, "INVALID_ARGUMENT")
        status, body = await asked(address, CONNECT_STREAM, fields)
        assert status == 200
        assert b'{"error":{"code":"invalid_argument"' in body
        status, body = await asked(address, GRPC_WEB, fields)
        assert status == 200
        assert b"grpc-status: 3\r\n" in body


@pytest.mark.parametrize("request_", [CONNECT, REST])
async def test_spaces_around_a_value_are_http_1s_own(request_: Any) -> None:
    server = Server([Echo(), Library()])
    await server.start("127.0.0.1", 0)
    assert (await asked(server.address, request_, ((b"towpath-tenant", b"  acme\t"), (b"idempotency-key", b" k "))))[0] == 200
    await server.close(0.0)


class Counting(Library):
    """Makes another book each time."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    async def create_book(self, request: pb.CreateBookRequest, ctx: Context) -> pb.CreateBookResponse:
        self.made += 1
        return pb.CreateBookResponse(book=pb.Book(name=str(self.made)))


async def test_keys_and_tenants_that_differ_late_share_no_answer() -> None:
    create = (b"POST", b"/v1/shelves/1/books", b"application/json", b"{}")
    key = (b"idempotency-key", b"k")
    async with App(ServiceConfig()) as app:
        app.add(library := Counting())
        await app.start("127.0.0.1", 0)
        for first, second in (
            (((b"idempotency-key", b"k" * 254 + b"1"),), ((b"idempotency-key", b"k" * 254 + b"2"),)),
            ((key, (b"towpath-tenant", b"t" * 127 + b"1")), (key, (b"towpath-tenant", b"t" * 127 + b"2"))),
        ):
            one, other = await asked(app.address, create, first), await asked(app.address, create, second)
            assert one != other
            assert await asked(app.address, create, first) == one  # kept, as it was
        for longer in (((b"idempotency-key", b"k" * 255 + b"1"),), (key, (b"towpath-tenant", b"t" * 128 + b"1"))):
            assert (await asked(app.address, create, longer))[0] == 400
    assert library.made == 4
