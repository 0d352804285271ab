"""connectrpc's client against towpath's server: three protocols, two encodings, two versions of HTTP."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from connectrpc.client import ConnectClient, ResponseMetadata
from connectrpc.code import Code as ConnectCode
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.compression.gzip import GzipCompression
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType
from echo.v1 import echo_pb2
from echo.v1.echo_towpath import FAIL, SAY, SLEEP
from pyqwest import Client, HTTPTransport, HTTPVersion
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import COLLECT, CONVERSE, REPEAT

from tests.conformance.connectrpc_peer import info
from tests.deadlines import missed
from tests.echo_service import FOREVER, PATIENCE, Echo
from tests.stream_service import Streams, answers
from towpath._transport import Server


@dataclass
class Way:
    """One way to speak to a server."""

    protocol: ProtocolType
    json: bool
    http: HTTPVersion

    def __str__(self) -> str:
        return f"{self.protocol.name}-{'json' if self.json else 'proto'}-{self.http!s}".lower()


WAYS = [
    Way(protocol, json, http)
    for protocol in ProtocolType
    for json in (False, True)
    for http in (HTTPVersion.HTTP1, HTTPVersion.HTTP2)
    if protocol is not ProtocolType.GRPC or http is HTTPVersion.HTTP2
]
EVERY_WAY = pytest.mark.parametrize("way", WAYS, ids=str)


@asynccontextmanager
async def client_of(
    way: Way, *, echo: Echo | None = None, streams: Streams | None = None, compressed: bool = False
) -> AsyncIterator[ConnectClient]:
    server = Server([echo or Echo(), streams or Streams()], compression="gzip" if compressed else None)
    await server.start()
    codec = google_protobuf_json_codec() if way.json else google_protobuf_binary_codec()
    gzip = GzipCompression()
    async with HTTPTransport(http_version=way.http) as transport:
        client = ConnectClient(
            f"http://{server.address}",
            codec=codec,
            protocol=way.protocol,
            accept_compression=[gzip] if compressed else [],
            send_compression=gzip if compressed else None,
            timeout_ms=int(PATIENCE * 1000),
            http_client=Client(transport),
        )
        try:
            yield client
        finally:
            await client.close()
            await server.close(0)


async def each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


@pytest.mark.parametrize("compressed", [False, True])
@EVERY_WAY
async def test_unary_calls(way: Way, compressed: bool) -> None:
    async with client_of(way, compressed=compressed) as client:
        for size in (0, 10, 100_000):
            request = echo_pb2.SayRequest(id="a", n=-7, tags=["x", "ü"], payload=bytes(size))
            response = await client.execute_unary(request=request, method=info(SAY))
            assert response == echo_pb2.SayResponse(id="a", n=-7, text="x,ü", payload=bytes(size))


@EVERY_WAY
async def test_errors_with_their_details(way: Way) -> None:
    async with client_of(way) as client:
        for code in range(1, 17):
            request = echo_pb2.FailRequest(code=code, message="no ☺", reason="BECAUSE")
            with pytest.raises(ConnectError) as caught:
                await client.execute_unary(request=request, method=info(FAIL))
            expected = "CANCELED" if code == 1 else list(ConnectCode)[code - 1].name
            assert (caught.value.code.name, caught.value.message) == (expected, "no ☺")
            assert [detail.type_name for detail in caught.value.details] == ["google.rpc.ErrorInfo"]


@EVERY_WAY
async def test_metadata_both_ways(way: Way) -> None:
    headers = {"head-a": "1", "trail-a": "2"}
    async with client_of(way) as client:
        with ResponseMetadata() as metadata:
            await client.execute_unary(request=echo_pb2.SayRequest(), method=info(SAY), headers=headers)
        assert metadata.headers["head-a"] == "1"
        assert metadata.trailers["trail-a"] == "2"


@EVERY_WAY
async def test_a_deadline_ends_the_call_on_the_server(way: Way) -> None:
    echo = Echo()
    async with client_of(way, echo=echo) as client:

        async def attempt(seconds: float) -> None:
            request = echo_pb2.SleepRequest(seconds=FOREVER)
            with pytest.raises(ConnectError) as caught:
                await client.execute_unary(request=request, method=info(SLEEP), timeout_ms=int(seconds * 1000))
            assert caught.value.code is ConnectCode.DEADLINE_EXCEEDED

        await missed(attempt, lambda: echo.seen["sleep"])
        await echo.until(lambda: echo.seen["cancelled"] == echo.seen["sleep"])


@pytest.mark.parametrize("compressed", [False, True])
@EVERY_WAY
async def test_server_streams(way: Way, compressed: bool) -> None:
    async with client_of(way, compressed=compressed) as client:
        request = pb.RepeatRequest(answers=answers([0, 10, 100_000]))
        responses = [response async for response in client.execute_server_stream(request=request, method=info(REPEAT))]
        assert [(response.index, len(response.payload)) for response in responses] == [(0, 0), (1, 10), (2, 100_000)]


@EVERY_WAY
async def test_a_server_stream_that_fails_after_its_messages(way: Way) -> None:
    async with client_of(way) as client:
        request = pb.RepeatRequest(answers=answers([1]), end=pb.End(code=9, message="no ☺"))
        responses = client.execute_server_stream(request=request, method=info(REPEAT))
        assert (await anext(responses)).index == 0
        with pytest.raises(ConnectError) as caught:
            await anext(responses)
        assert (caught.value.code, caught.value.message) == (ConnectCode.FAILED_PRECONDITION, "no ☺")


@EVERY_WAY
async def test_client_streams(way: Way) -> None:
    async with client_of(way) as client:
        requests = [pb.CollectRequest(payload=bytes(size)) for size in (0, 10, 100_000)]
        response = await client.execute_client_stream(request=each(requests), method=info(COLLECT))
        assert (response.count, response.size) == (3, 100_010)


@EVERY_WAY
async def test_bidi_streams_where_http_allows_them(way: Way) -> None:
    async with client_of(way) as client:
        requests = [pb.ConverseRequest(answers=answers([size])) for size in (1, 2)]
        responses = client.execute_bidi_stream(request=each(requests), method=info(CONVERSE))
        if way.http is HTTPVersion.HTTP2:
            assert [len(response.payload) async for response in responses] == [1, 2]
            return
        with pytest.raises(ConnectError):
            await anext(responses)


@pytest.mark.parametrize("json", [False, True])
@pytest.mark.parametrize("http", [HTTPVersion.HTTP1, HTTPVersion.HTTP2], ids=str)
async def test_a_call_without_side_effects_by_get(http: HTTPVersion, json: bool) -> None:
    async with client_of(Way(ProtocolType.CONNECT, json, http)) as client:
        request = echo_pb2.SayRequest(id="a&b=c", n=5, payload=b"\0\xff")
        response = await client.execute_unary(request=request, method=info(SAY), use_get=True)
        assert (response.id, response.n, response.payload) == ("a&b=c", 5, b"\0\xff")


@EVERY_WAY
async def test_many_calls_at_once(way: Way) -> None:
    async with client_of(way) as client:
        calls = (client.execute_unary(request=echo_pb2.SayRequest(n=n), method=info(SAY)) for n in range(50))
        assert [response.n for response in await asyncio.gather(*calls)] == list(range(50))
