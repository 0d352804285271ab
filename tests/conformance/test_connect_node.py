"""@connectrpc/connect-node both ways: its clients against towpath's server, towpath's channel against its server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from echo.v1 import echo_pb2
from echo.v1.echo_towpath import EchoServiceClient
from google.rpc.error_details_pb2 import ErrorInfo
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import StreamServiceClient

from tests.conformance.connect_node_peer import NodeServer, client_report, install, node_serving, write_descriptors
from tests.deadlines import missed
from tests.echo_service import FOREVER, PATIENCE, Echo, turn_until
from tests.stream_service import Streams, answers
from towpath._core.calls.asynchronous import StreamingCall
from towpath._core.context import CallOptions, Reply
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._transport import Channel, ChannelOptions, Server

Protocol = Literal["grpc", "connect", "grpc-web"]
Served = tuple[NodeServer, Channel]

IN_EVERY_PROTOCOL = pytest.mark.parametrize("protocol", ["grpc", "connect", "grpc-web"])
COMPRESSED_OR_NOT = pytest.mark.parametrize("compression", [None, "gzip"])
PATIENT = CallOptions(timeout=PATIENCE)
SIZES = [0, 10, 100_000]
PAIRS = Metadata((("head-a", "1"), ("head-b-bin", b"\0\xff"), ("trail-a", "2"), ("trail-b-bin", b"\xab")))

pytestmark = pytest.mark.timeout(360)  # npm may have to fetch the packages first


@pytest.fixture(scope="module", name="descriptors")
def _descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    install()
    return write_descriptors(tmp_path_factory.mktemp("contracts") / "contracts.bin")


@COMPRESSED_OR_NOT
@pytest.mark.parametrize(
    ("protocol", "http"), [("connect", "1.1"), ("connect", "2"), ("grpc", "2"), ("grpc-web", "1.1"), ("grpc-web", "2")]
)
async def test_its_clients(descriptors: Path, protocol: Protocol, http: str, compression: Literal["gzip"] | None) -> None:
    echo = Echo()
    server = Server([echo, Streams()], compression=compression)
    await server.start()
    try:
        report = await missed(
            lambda seconds: client_report(descriptors, server.address, protocol, http, compression or "identity", late=5 * seconds),
            lambda: echo.seen["sleep"],
        )
        await echo.until(lambda: echo.seen["cancelled"] == echo.seen["sleep"])
    finally:
        await server.close(0)
    remaining: Any = report.pop("remaining")
    assert 900 < remaining <= 1000.01
    assert report.pop("late")["code"] == Code.DEADLINE_EXCEEDED
    if http == "2":
        assert report.pop("conversed") == SIZES * 2
    assert report == {
        "said": [["a", -7, "x,ü", size] for size in SIZES],
        "failed": [{"code": code, "message": "no ☺", "reasons": ["BECAUSE"]} for code in range(1, 17)],
        "metadata": {"headers": ["1", "AP8"], "trailers": ["2", "qw"]},
        "repeated": SIZES,
        "broken": {"code": 9, "message": "no ☺", "reasons": []},
        "collected": [3, 100_010],
        "together": list(range(50)),
    }


@asynccontextmanager
async def channel_to_node(descriptors: Path, protocol: Protocol, compression: Literal["gzip"] | None = None) -> AsyncIterator[Served]:
    async with (
        node_serving(descriptors) as server,
        Channel(server.address, compression=compression, options=ChannelOptions(protocol=protocol)) as channel,
    ):
        yield server, channel


async def failure(call: StreamingCall[Any, Any]) -> RpcError:
    with pytest.raises(RpcError) as caught:
        async for _ in call:  # type: ignore[attr-defined] # only those that are read are given
            pass
    return caught.value


@COMPRESSED_OR_NOT
@IN_EVERY_PROTOCOL
async def test_its_server_answers_every_kind_of_call(descriptors: Path, protocol: Protocol, compression: Literal["gzip"] | None) -> None:
    async with channel_to_node(descriptors, protocol, compression) as (_, channel):
        client, streams = EchoServiceClient(channel), StreamServiceClient(channel)
        for size in SIZES:
            request = echo_pb2.SayRequest(id="a", n=-7, tags=["x", "ü"], payload=bytes(size))
            response = await client.say(request, PATIENT)
            assert response == echo_pb2.SayResponse(id="a", n=-7, text="x,ü", payload=bytes(size))
        responses = [response async for response in streams.repeat(pb.RepeatRequest(answers=answers(SIZES)), PATIENT)]
        assert [(response.index, len(response.payload)) for response in responses] == list(enumerate(SIZES))
        collected = await streams.collect([pb.CollectRequest(payload=bytes(size)) for size in SIZES], PATIENT)
        assert (collected.count, collected.size) == (3, 100_010)
        async with streams.converse(options=PATIENT) as call:
            for size in SIZES:
                assert await call.send(pb.ConverseRequest(answers=answers([size])))
                assert len((await anext(call)).payload) == size
            await call.half_close()
            assert [response async for response in call] == []
        together = await asyncio.gather(*(client.say(echo_pb2.SayRequest(n=n), PATIENT) for n in range(50)))
        assert [response.n for response in together] == list(range(50))


@IN_EVERY_PROTOCOL
async def test_its_servers_errors(descriptors: Path, protocol: Protocol) -> None:
    async with channel_to_node(descriptors, protocol) as (_, channel):
        for code in Code:
            with pytest.raises(RpcError) as caught:
                await EchoServiceClient(channel).fail(echo_pb2.FailRequest(code=code, message="no ☺", reason="BECAUSE"), PATIENT)
            assert (caught.value.code, caught.value.message) == (code, "no ☺")
            assert caught.value.details == (ErrorInfo(reason="BECAUSE", domain="echo"),)
        call = StreamServiceClient(channel).repeat(pb.RepeatRequest(answers=answers([1]), end=pb.End(code=9, message="no ☺")), PATIENT)
        assert (await anext(call)).index == 0
        error = await failure(call)
        assert (error.code, error.message) == (Code.FAILED_PRECONDITION, "no ☺")


@IN_EVERY_PROTOCOL
async def test_its_servers_metadata(descriptors: Path, protocol: Protocol) -> None:
    reply = Reply()
    async with channel_to_node(descriptors, protocol) as (_, channel):
        await EchoServiceClient(channel).say(echo_pb2.SayRequest(), CallOptions(timeout=PATIENCE, metadata=PAIRS, reply=reply))
        assert set(list(PAIRS)[:2]) <= set(reply.headers)
        assert set(list(PAIRS)[2:]) <= set(reply.trailers)
        options = CallOptions(timeout=PATIENCE, metadata=PAIRS)
        call = StreamServiceClient(channel).converse([pb.ConverseRequest(answers=answers([1]))], options)
        assert set(list(PAIRS)[:2]) <= set(await call.headers())
        assert len([response async for response in call]) == 1
        assert set(list(PAIRS)[2:]) <= set(call.reply.trailers)


@IN_EVERY_PROTOCOL
async def test_a_deadline_ends_the_call_on_its_server(descriptors: Path, protocol: Protocol) -> None:
    async with channel_to_node(descriptors, protocol) as (server, channel):
        seen = await EchoServiceClient(channel).inspect(echo_pb2.InspectRequest(), CallOptions(timeout=1000))
        assert 900 < seen.remaining <= 1000.01
        got: list[int] = []

        async def sleep(seconds: float) -> None:
            with pytest.raises(RpcError) as caught:
                await EchoServiceClient(channel).sleep(echo_pb2.SleepRequest(seconds=FOREVER), CallOptions(timeout=seconds))
            assert caught.value.code is Code.DEADLINE_EXCEEDED

        async def repeat(seconds: float) -> None:
            request = pb.RepeatRequest(answers=answers([1]), forever=True)
            try:
                async for answer in StreamServiceClient(channel).repeat(request, CallOptions(timeout=seconds)):
                    got.append(answer.index)  # noqa: PERF401 - what came before the end counts
                pytest.fail("it has ended well")
            except RpcError as error:
                assert error.code is Code.DEADLINE_EXCEEDED

        await missed(sleep, lambda: server.seen["waiting"])
        before = server.seen["waiting"]
        await missed(repeat, lambda: got and server.seen["waiting"] > before)
        assert set(got) == {0}
        await turn_until(lambda: server.seen["cancelled"] == server.seen["waiting"])
