"""towpath's channel in each of its protocols, against connectrpc's server and towpath's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from echo.v1 import echo_pb2
from echo.v1.echo_towpath import EchoServiceClient
from google.rpc.error_details_pb2 import ErrorInfo
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import StreamServiceClient

from tests.conformance.connectrpc_peer import connectrpc_serving
from tests.deadlines import missed
from tests.echo_service import FOREVER, PATIENCE, Echo
from tests.stream_service import Streams, answers
from towpath._core.calls.asynchronous import StreamingCall
from towpath._core.context import CallOptions, Reply
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._core.service import MethodSpec
from towpath._transport import Channel, ChannelOptions, Server


@dataclass
class Way:
    """A server, and what to speak to it."""

    server: Literal["connectrpc", "towpath"]
    protocol: Literal["grpc", "connect", "grpc-web"]

    def __str__(self) -> str:
        return f"{self.server}-{self.protocol}"


WAYS = [
    Way("connectrpc", "grpc"),
    Way("connectrpc", "connect"),
    Way("connectrpc", "grpc-web"),
    Way("towpath", "connect"),
    Way("towpath", "grpc-web"),
]
EVERY_WAY = pytest.mark.parametrize("way", WAYS, ids=str)
PATIENT = CallOptions(timeout=PATIENCE)
SIZES = (0, 10, 100_000)
PAIRS = Metadata((("head-a", "1"), ("head-b-bin", b"\0\xff"), ("trail-a", "2"), ("trail-b-bin", b"\xab")))


@asynccontextmanager
async def towpath_serving(echo: Echo, streams: Streams, *, compressed: bool) -> AsyncIterator[str]:
    server = Server([echo, streams], compression="gzip" if compressed else None)
    await server.start()
    try:
        yield server.address
    finally:
        await server.close(0)


@asynccontextmanager
async def channel_to(
    way: Way, *, echo: Echo | None = None, streams: Streams | None = None, compression: Literal["gzip"] | None = None
) -> AsyncIterator[Channel]:
    """A channel to a server; both compress, or neither does."""
    serving = connectrpc_serving if way.server == "connectrpc" else towpath_serving
    async with (
        serving(echo or Echo(), streams or Streams(), compressed=compression is not None) as address,
        Channel(address, compression=compression, options=ChannelOptions(protocol=way.protocol)) as channel,
    ):
        yield channel


async def failure(call: StreamingCall[Any, Any]) -> RpcError:
    with pytest.raises(RpcError) as caught:
        async for _ in call:  # type: ignore[attr-defined] # only those that are read are given
            pass
    return caught.value


@pytest.mark.parametrize("compression", [None, "gzip"])
@EVERY_WAY
async def test_unary_calls(way: Way, compression: Literal["gzip"] | None) -> None:
    async with channel_to(way, compression=compression) as channel:
        for size in SIZES:
            request = echo_pb2.SayRequest(id="a", n=-7, tags=["x", "ü"], payload=bytes(size))
            response = await EchoServiceClient(channel).say(request, PATIENT)
            assert response == echo_pb2.SayResponse(id="a", n=-7, text="x,ü", payload=bytes(size))


@pytest.mark.parametrize("code", list(Code))
@EVERY_WAY
async def test_errors_with_their_details(way: Way, code: Code) -> None:
    async with channel_to(way) as channel:
        with pytest.raises(RpcError) as caught:
            await EchoServiceClient(channel).fail(echo_pb2.FailRequest(code=code, message="no ☺", reason="BECAUSE"), PATIENT)
        assert (caught.value.code, caught.value.message) == (code, "no ☺")
        assert caught.value.details == (ErrorInfo(reason="BECAUSE", domain="echo"),)


@EVERY_WAY
async def test_metadata_both_ways(way: Way) -> None:
    reply = Reply()
    async with channel_to(way) as channel:
        await EchoServiceClient(channel).say(echo_pb2.SayRequest(), CallOptions(timeout=PATIENCE, metadata=PAIRS, reply=reply))
    assert [pair for pair in reply.headers if pair[0].startswith("head-")] == list(PAIRS)[:2]
    assert [pair for pair in reply.trailers if pair[0].startswith("trail-")] == list(PAIRS)[2:]


@EVERY_WAY
async def test_the_deadline_reaches_the_handler(way: Way) -> None:
    echo = Echo()
    async with channel_to(way, echo=echo) as channel:
        response = await EchoServiceClient(channel).inspect(echo_pb2.InspectRequest(), CallOptions(timeout=1000))
    assert 900 < response.remaining <= 1000.01


@EVERY_WAY
async def test_a_deadline_ends_the_call_on_the_server(way: Way) -> None:
    echo = Echo()
    async with channel_to(way, echo=echo) as channel:

        async def attempt(seconds: float) -> None:
            with pytest.raises(RpcError) as caught:
                await EchoServiceClient(channel).sleep(echo_pb2.SleepRequest(seconds=FOREVER), CallOptions(timeout=seconds))
            assert caught.value.code is Code.DEADLINE_EXCEEDED

        await missed(attempt, lambda: echo.seen["sleep"])
        await echo.until(lambda: echo.seen["cancelled"] == echo.seen["sleep"])


@EVERY_WAY
async def test_what_the_server_does_not_serve_is_unimplemented(way: Way) -> None:
    method = MethodSpec(service="echo.v1.Nobody", name="Say", request=echo_pb2.SayRequest, response=echo_pb2.SayResponse)
    async with channel_to(way) as channel:
        with pytest.raises(RpcError) as caught:
            await channel.bind(method)(echo_pb2.SayRequest(), PATIENT)
    assert caught.value.code is Code.UNIMPLEMENTED


@pytest.mark.parametrize("compression", [None, "gzip"])
@EVERY_WAY
async def test_server_streams(way: Way, compression: Literal["gzip"] | None) -> None:
    async with channel_to(way, compression=compression) as channel:
        call = StreamServiceClient(channel).repeat(pb.RepeatRequest(answers=answers(SIZES)), PATIENT)
        assert [(response.index, len(response.payload)) async for response in call] == list(enumerate(SIZES))


@EVERY_WAY
async def test_a_server_stream_that_fails_after_its_messages(way: Way) -> None:
    async with channel_to(way) as channel:
        call = StreamServiceClient(channel).repeat(pb.RepeatRequest(answers=answers([1]), end=pb.End(code=9, message="no ☺")), PATIENT)
        assert (await anext(call)).index == 0
        error = await failure(call)
    assert (error.code, error.message) == (Code.FAILED_PRECONDITION, "no ☺")


@pytest.mark.parametrize("compression", [None, "gzip"])
@EVERY_WAY
async def test_client_streams(way: Way, compression: Literal["gzip"] | None) -> None:
    async with channel_to(way, compression=compression) as channel:
        requests = [pb.CollectRequest(payload=bytes(size)) for size in SIZES]
        response = await StreamServiceClient(channel).collect(requests, PATIENT)
    assert (response.count, response.size) == (3, 100_010)


@EVERY_WAY
async def test_bidi_streams_answer_by_answer(way: Way) -> None:
    async with channel_to(way) as channel, StreamServiceClient(channel).converse(options=PATIENT) as call:
        for size in (1, 31_415):
            assert await call.send(pb.ConverseRequest(answers=answers([size])))
            assert len((await anext(call)).payload) == size
        await call.half_close()
        assert [response async for response in call] == []


@EVERY_WAY
async def test_metadata_around_a_stream(way: Way) -> None:
    async with channel_to(way) as channel:
        options = CallOptions(metadata=PAIRS, timeout=PATIENCE)
        call = StreamServiceClient(channel).converse([pb.ConverseRequest(answers=answers([1]))], options)
        assert set(list(PAIRS)[:2]) <= set(await call.headers())
        assert len([response async for response in call]) == 1
        assert set(list(PAIRS)[2:]) <= set(call.reply.trailers)


@pytest.mark.parametrize("way", [way for way in WAYS if way.server == "towpath"], ids=str)  # uvicorn takes all that it is given
async def test_a_caller_that_does_not_read_holds_the_handler_back(way: Way) -> None:
    streams = Streams()
    async with channel_to(way, streams=streams) as channel:
        call = StreamServiceClient(channel).repeat(pb.RepeatRequest(answers=answers([1 << 20] * 64)), PATIENT)
        assert len((await anext(call)).payload) == 1 << 20
        await asyncio.sleep(0)
        assert streams.seen["sent"] < 32
        assert len([response async for response in call]) == 63


@EVERY_WAY
async def test_cancelling_a_call_cancels_its_handler(way: Way) -> None:
    echo = Echo()
    async with channel_to(way, echo=echo) as channel:
        task = asyncio.create_task(EchoServiceClient(channel).sleep(echo_pb2.SleepRequest(seconds=FOREVER), CallOptions(timeout=FOREVER)))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        task.cancel()
        await echo.until(lambda: echo.seen["cancelled"] == 1)
        await asyncio.wait([task])


@EVERY_WAY
async def test_a_stream_that_outlives_its_deadline(way: Way) -> None:
    streams = Streams()
    async with channel_to(way, streams=streams) as channel:
        got: list[int] = []

        async def attempt(seconds: float) -> None:
            request = pb.RepeatRequest(answers=answers([1]), forever=True)
            try:
                async for answer in StreamServiceClient(channel).repeat(request, CallOptions(timeout=seconds)):
                    got.append(answer.index)  # noqa: PERF401 - what came before the end counts
                pytest.fail("it has ended well")
            except RpcError as error:
                assert error.code is Code.DEADLINE_EXCEEDED

        await missed(attempt, lambda: got)
        assert got == [0]
        await streams.until(lambda: streams.seen["ended"] >= 1)


@EVERY_WAY
async def test_many_calls_at_once(way: Way) -> None:
    async with channel_to(way) as channel:
        client = EchoServiceClient(channel)
        calls = (client.say(echo_pb2.SayRequest(n=n), PATIENT) for n in range(50))
        assert [response.n for response in await asyncio.gather(*calls)] == list(range(50))
