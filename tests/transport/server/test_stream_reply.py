"""Headers of a stream that go before its first message, over every protocol."""

import asyncio
import gc
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest
from library.v1 import library_pb2 as pb
from library.v1.library_towpath import LibraryServiceClient
from stream.v1 import stream_pb2
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import PATIENCE, serving, turn_until
from tests.library_service import Library
from tests.stream_service import Streams
from towpath._core.calls.asynchronous import BidiStreamingCall, ClientStreamingCall
from towpath._core.context import CallOptions, Context
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY, Metadata
from towpath._transport import Channel, ChannelOptions
from towpath._transport.server.stream_reply import StreamReply

PATIENT = CallOptions(timeout=PATIENCE)
READY = Metadata([("x-ready", "1")])
PROTOCOLS = ["grpc", "grpc-web", "connect"]


class Watching(Library):
    """Says that it is ready, and has the first page once `release` is set."""

    def __init__(self, headers: Any = READY) -> None:
        self.headers = headers
        self.release = asyncio.Event()

    async def read_pages(self, request: pb.ReadPagesRequest, ctx: Context) -> AsyncIterator[pb.ReadPagesResponse]:
        ctx.reply.headers = self.headers
        await self.release.wait()
        if request.count:
            raise RpcError(Code.NOT_FOUND, "no such book")
        ctx.reply.headers = Metadata([("x-late", "1")])
        ctx.reply.trailers = Metadata([("x-end", "1")])
        yield pb.ReadPagesResponse()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_headers_come_before_the_first_message(protocol: Any) -> None:
    watching = Watching()
    async with serving(watching) as server, Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel:
        client = LibraryServiceClient(channel)
        call = client.read_pages(pb.ReadPagesRequest(), PATIENT)
        assert (await call.headers()).get("x-ready") == "1"
        watching.release.set()
        assert [page async for page in call] == [pb.ReadPagesResponse()]
        assert "x-late" not in call.reply.headers
        assert call.reply.trailers.get("x-end") == "1"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_call_that_fails_after_its_headers_has_its_code(protocol: Any) -> None:
    watching = Watching()
    async with serving(watching) as server, Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel:
        call = LibraryServiceClient(channel).read_pages(pb.ReadPagesRequest(count=1), PATIENT)
        await call.headers()
        watching.release.set()
        with pytest.raises(RpcError, match="no such book") as caught:
            await anext(call)
        assert caught.value.code is Code.NOT_FOUND


async def test_requests_that_stream_are_told_too() -> None:
    class Told(Streams):
        async def collect(self, requests: AsyncIterator[stream_pb2.CollectRequest], ctx: Context) -> stream_pb2.CollectResponse:
            ctx.reply.headers = READY
            return await super().collect(requests, ctx)

        async def converse(
            self, requests: AsyncIterator[stream_pb2.ConverseRequest], ctx: Context
        ) -> AsyncIterator[stream_pb2.ConverseResponse]:
            ctx.reply.headers = READY
            async for _ in requests:
                yield stream_pb2.ConverseResponse()

    async with serving(Told()) as server, Channel(server.address) as channel:
        client = StreamServiceClient(channel)
        collecting: ClientStreamingCall[Any, Any] = client.collect(options=PATIENT)
        conversing: BidiStreamingCall[Any, Any] = client.converse(options=PATIENT)
        for call in (collecting, conversing):
            assert (await call.headers()).get("x-ready") == "1"
        await conversing.half_close()
        assert await anext(conversing, None) is None
        assert (await collecting).count == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_headers_that_cannot_be_written_end_the_call_at_once(protocol: Any, caplog: pytest.LogCaptureFixture) -> None:
    watching = Watching({"x": "y"})
    async with serving(watching) as server, Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel:
        with pytest.raises(RpcError) as caught:
            await anext(LibraryServiceClient(channel).read_pages(pb.ReadPagesRequest(), PATIENT))
        assert caught.value.code is Code.INTERNAL
        await turn_until(lambda: not any(link.calls for link in server.links))
    assert len(caplog.records) == 1


async def test_rest_keeps_its_status_until_the_first_message() -> None:
    watching = Watching()
    watching.release.set()

    def asked(address: str) -> tuple[int, Any]:
        with closing(http.client.HTTPConnection(address, timeout=PATIENCE)) as connection:
            connection.request("GET", "/v1/shelves/1/books/1:read?count=1")
            response = connection.getresponse()
            return response.status, json.loads(response.read())["code"]

    async with serving(watching) as server:
        assert await asyncio.to_thread(asked, server.address) == (404, "NOT_FOUND")


async def test_headers_that_are_set_after_the_end_go_nowhere() -> None:
    sent: list[None] = []

    class Call:
        def send_headers(self) -> None:
            sent.append(None)

    call = Call()
    reply = StreamReply(call, asyncio.get_running_loop())
    reply.headers = EMPTY
    reply.headers = READY
    await turn_until(lambda: sent)
    assert len(sent) == 1
    del call
    gc.collect()
    reply.headers = READY
    assert reply.headers is READY
