"""What may be within a message, in every protocol and on either side, over real sockets."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import pytest
from library.v1 import library_pb2
from library.v1.library_towpath import LibraryServiceClient
from stream.v1 import stream_pb2
from stream.v1.stream_towpath import REPEAT, StreamServiceClient

from tests.echo_service import serving
from tests.library_service import Library
from tests.stream_service import Streams
from tests.transport.server.test_held_calls import PROTOCOLS, exchange, options
from towpath._core.calls.asynchronous import ServerStreamingCall
from towpath._core.context import CallOptions, Context
from towpath._core.errors import RpcError
from towpath._transport import Channel
from towpath._wire.compression import GZIP

SMALL: Final = 100_000
"""A message limit in bytes that no message below reaches, and that 32 Ki messages within one go with."""


class Crowded(Library):
    """Has as many books as it is asked for."""

    async def list_books(self, request: library_pb2.ListBooksRequest, ctx: Context) -> library_pb2.ListBooksResponse:
        return library_pb2.ListBooksResponse(books=[library_pb2.Book()] * request.page_size)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_message_of_too_many_is_refused_by_whoever_gets_it(protocol: Any) -> None:
    async with (
        serving(Crowded(), message_limit=SMALL) as server,
        Channel(server.address, options=options(protocol), compression="gzip", message_limit=SMALL) as channel,
    ):
        client = LibraryServiceClient(channel)
        for request in (library_pb2.ListBooksRequest(like=[{}] * 40_000), library_pb2.ListBooksRequest(page_size=40_000)):
            with pytest.raises(
                RpcError, match=r"more than 32768 messages and entries of maps within it.*the message limit of 100000 bytes"
            ):
                await client.list_books(request, CallOptions(timeout=30))
        answer = await client.list_books(library_pb2.ListBooksRequest(page_size=32_767), CallOptions(timeout=30))
        assert len(answer.books) == 32_767


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_message_of_a_stream_is_refused_by_whoever_gets_it(protocol: Any) -> None:
    service = serving(Streams(), message_limit=SMALL)
    async with service as server, Channel(server.address, options=options(protocol), message_limit=SMALL) as channel:
        with pytest.raises(RpcError, match="more than 32768 messages"):
            await anext(aiter(StreamServiceClient(channel).repeat(stream_pb2.RepeatRequest(answers=[{}] * 40_000))))


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/v1/shelves/1/books/2:move", "application/json", b'{"zzz":[' + b"{}," * 40_000 + b"{}]}"),
        ("/library.v1.LibraryService/ListBooks", "application/json", b'{"like":[' + b"{}," * 40_000 + b"1]}"),
        ("/library.v1.LibraryService/ListBooks", "application/proto", b":\0" * 40_000),
    ],
)
async def test_a_body_of_too_many_messages_is_refused(path: str, content_type: str, body: bytes) -> None:
    async with serving(Library(), message_limit=200_000) as server:
        headers = {"content-type": content_type, "content-encoding": "gzip"}
        status, answer = await asyncio.to_thread(exchange, server.address, ("POST", path, GZIP.compress(body), headers))
        assert status == (413 if path.startswith("/v1") else 429)
        assert b"messages and entries of maps within it" in answer


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_answer_of_a_stream_is_refused_by_its_client(protocol: Any) -> None:
    # What a stream answers here has no messages within it, so the client takes it for another type: one book, published again and again.
    spec = replace(REPEAT, response=library_pb2.ListBooksResponse)

    class Published(Streams):
        async def repeat(self, request: stream_pb2.RepeatRequest, ctx: Context) -> AsyncIterator[stream_pb2.RepeatResponse]:
            yield stream_pb2.RepeatResponse(payload=b"\x2a\0" * 40_000)

    async with serving(Published()) as server, Channel(server.address, options=options(protocol), message_limit=SMALL) as channel:
        repeat = channel.bind_stream(spec)
        with pytest.raises(RpcError, match="more than 32768 messages"):
            async with ServerStreamingCall(repeat(stream_pb2.RepeatRequest(), None)) as call:
                await anext(aiter(call))


async def test_a_body_that_compresses_a_thousandfold_is_served_as_towpath_compresses_it_or_under_a_higher_limit() -> None:
    text = "x" * 3_000_000
    rows = [{"name": "shelves/1", "title": "Emma"}] * 80_000
    for path, document in (("/v1/shelves/1/books", {"title": text}), ("/library.v1.LibraryService/ListBooks", {"like": rows})):
        plain = json.dumps(document, separators=(",", ":")).encode()
        body = gzip.compress(plain)
        assert len(body) < 20_000
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        async with serving(Library()) as server:
            status, answer = await asyncio.to_thread(exchange, server.address, ("POST", path, body, headers))
            assert status in (413, 429)
            assert b"send it without compression" in answer
            status, answer = await asyncio.to_thread(exchange, server.address, ("POST", path, GZIP.compress(plain), headers))
            assert status == 200
        async with serving(Library(), message_limit=16 * len(plain)) as server:
            status, answer = await asyncio.to_thread(exchange, server.address, ("POST", path, body, headers))
            assert status == 200
            assert len(answer) > 2_800_000
