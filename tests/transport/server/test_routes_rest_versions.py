"""Versions over REST: 304 for a reader who has one, 412 for a writer who means another; and the same handler over gRPC."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
from library.v1 import library_pb2 as pb
from library.v1.library_towpath import LibraryServiceClient

from tests.echo_service import PATIENCE
from tests.library_service import Library
from tests.transport.raw_peer import raw_client, request_head
from towpath import CallOptions, Code, Context, RpcError
from towpath._transport import Channel, Server
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

BOOK = "/v1/shelves/1/books/2"


class Versions(Library):
    """Its books have the version 7."""

    async def get_book(self, request: pb.GetBookRequest, ctx: Context) -> pb.GetBookResponse:
        ctx.http.etag("7")
        ctx.http.cache_control(max_age=60, private=True)
        return pb.GetBookResponse(book=pb.Book(name=request.name, title="Emma"))

    async def update_book(self, request: pb.UpdateBookRequest, ctx: Context) -> pb.UpdateBookResponse:
        ctx.http.check_match("7")
        ctx.http.etag("8")
        return pb.UpdateBookResponse(request=request)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server([Versions()])
    await server.start("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.close(0)


def exchange(address: str, *requests: tuple[str, str, bytes | None, dict[str, str]]) -> list[Any]:
    host, _, port = address.rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=120)) as connection:
        found: list[Any] = []
        for request in requests:
            connection.request(*request)
            response = connection.getresponse()
            found.append((response.status, dict(response.getheaders()), response.read()))
        return found


async def ask(server: Server, *requests: tuple[str, str, bytes | None, dict[str, str]]) -> list[Any]:
    """The responses to requests over one connection."""
    return await asyncio.to_thread(exchange, server.address, *requests)


async def test_a_reader_who_has_the_version_gets_304() -> None:
    async with serving() as server:
        first, again, other = await ask(
            server,
            ("GET", BOOK, None, {}),
            ("GET", BOOK, None, {"if-none-match": '"7"'}),
            ("GET", BOOK, None, {"if-none-match": '"6"'}),
        )
    assert (first[0], first[1]["etag"], first[1]["cache-control"]) == (200, '"7"', "private, max-age=60")
    assert (again[0], again[1], again[2]) == (304, {"etag": '"7"', "cache-control": "private, max-age=60"}, b"")
    assert (other[0], other[2]) == (200, first[2])


async def test_so_it_does_over_http2() -> None:
    async with serving() as server, raw_client(server.address) as peer:
        fields = (b":method", b"GET"), (b":path", BOOK.encode()), (b"if-none-match", b'"7"')
        peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, request_head(b"", *fields))
        frame = await peer.until(frames.HEADERS, 1)
        assert frame[1] & END_STREAM
        assert peer.fields(frame) == {b":status": b"304", b"etag": b'"7"', b"cache-control": b"private, max-age=60"}


async def test_a_writer_who_means_another_version_gets_412() -> None:
    headers = {"content-type": "application/json"}
    async with serving() as server:
        good, bad, unsaid = await ask(
            server,
            ("PATCH", BOOK, b"{}", {**headers, "if-match": '"7"'}),
            ("PATCH", BOOK, b"{}", {**headers, "if-match": '"6"'}),
            ("PATCH", BOOK, b"{}", {**headers, "if-none-match": '"8"'}),
        )
    assert (good[0], good[1]["etag"]) == (200, '"8"')
    problem = json.loads(bad[2])
    assert (bad[0], problem["status"], problem["title"], problem["code"]) == (412, 412, "Precondition Failed", "ABORTED")
    assert unsaid[0] == 200  # a 304 is for readers alone


async def test_over_grpc_a_read_has_its_answer_and_a_write_ends_with_aborted() -> None:
    async with serving() as server, Channel(server.address) as channel:
        client = LibraryServiceClient(channel)
        options = CallOptions(timeout=PATIENCE, metadata=[("if-none-match", '"7"')])
        assert (await client.get_book(pb.GetBookRequest(), options)).book.title == "Emma"
        with pytest.raises(RpcError) as caught:
            await client.update_book(pb.UpdateBookRequest(), CallOptions(timeout=PATIENCE, metadata=[("if-match", '"6"')]))
        assert caught.value.code is Code.ABORTED
