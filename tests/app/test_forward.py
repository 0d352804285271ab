"""A gateway before a server, asked over every protocol: nobody can tell the two apart."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService, EchoServiceClient
from library.v1.library_towpath import LibraryService
from stream.v1 import stream_pb2 as sp
from stream.v1.stream_towpath import StreamService, StreamServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, serving
from tests.library_service import Library
from tests.programs import needed
from tests.stream_service import Streams, answers
from towpath import App, CallOptions, Code, Context, Metadata, Reply, RpcError, Service, connect, forward
from towpath._app.client import Channel
from towpath._app.settings.service_file import ServiceConfig
from towpath._telemetry.metrics import CallMetrics

PATIENT = CallOptions(timeout=PATIENCE)


@asynccontextmanager
async def gateway(contract: type[Service], implementation: Service) -> AsyncIterator[str]:
    """The address of a gateway to a server of `implementation`."""
    async with App() as behind:
        behind.add(implementation)
        await behind.start()
        async with App(ServiceConfig(targets={"behind": behind.address})) as edge:
            edge.add(forward(contract, edge.channel("behind")))
            await edge.start()
            yield edge.address


def client_of(address: str) -> Channel:
    return connect(address, metrics=CallMetrics())


async def test_unary_calls_and_their_errors_pass() -> None:
    async with gateway(EchoService, Echo()) as address, client_of(address) as channel:
        client = EchoServiceClient(channel)
        assert (await client.say(pb.SayRequest(n=4), PATIENT)).n == 4
        with pytest.raises(RpcError) as caught:
            await client.fail(pb.FailRequest(code=5, message="no such echo"), PATIENT)
        assert (caught.value.code, caught.value.message) == (Code.NOT_FOUND, "no such echo")


async def test_an_idempotency_key_reaches_the_server_that_keeps_answers() -> None:
    echo = Echo()
    async with App() as behind:
        behind.add(echo)
        await behind.start()
        async with App(ServiceConfig(targets={"behind": behind.address}, idempotency="off")) as edge:
            edge.add(forward(EchoService, edge.channel("behind")))
            await edge.start()
            async with client_of(edge.address) as channel:
                client = EchoServiceClient(channel)
                options = CallOptions(timeout=PATIENCE, idempotency_key="once")
                for _ in range(2):
                    await client.sleep(pb.SleepRequest(), options)
    assert echo.seen["sleep"] == 1


async def test_what_a_call_inherits_and_its_metadata_pass() -> None:
    async with gateway(EchoService, Echo()) as address, client_of(address) as channel:
        options = CallOptions(timeout=PATIENCE, tenant="acme", metadata=[("colour", "blue"), ("raw-bin", b"\x00\xff")])
        seen = await EchoServiceClient(channel).inspect(pb.InspectRequest(), options)
        assert 0 < seen.remaining < PATIENCE
        assert (seen.tenant, seen.criticality) == ("acme", "CRITICAL_PLUS")
        assert {entry.key for entry in seen.metadata} == {"colour", "raw-bin"}


async def test_streams_pass_with_their_metadata() -> None:
    asked = [("head-one", "1"), ("trail-two", "2")]
    async with gateway(StreamService, Streams()) as address, client_of(address) as channel:
        client = StreamServiceClient(channel)
        options = CallOptions(timeout=PATIENCE, metadata=asked)
        async with client.repeat(sp.RepeatRequest(answers=answers([1, 2, 3])), options) as call:
            assert dict(await call.headers()) == {"head-one": "1"}
            assert [len(answer.payload) async for answer in call] == [1, 2, 3]
            assert dict(call.reply.trailers) == {"trail-two": "2"}
        collecting = client.collect((sp.CollectRequest(payload=bytes(n)) for n in range(4)), options)
        assert (await collecting).size == 6
        assert dict(collecting.reply.trailers) == {"trail-two": "2"}
        async with client.converse(options=options) as call:
            for n in range(3):
                await call.send(sp.ConverseRequest(answers=answers([n])))
                assert len((await anext(call)).payload) == n
            await call.half_close()
            assert [answer async for answer in call] == []
            assert dict(call.reply.trailers) == {"trail-two": "2"}


async def test_a_unary_answers_metadata_pass() -> None:
    class Polite(Echo):
        async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
            ctx.reply.headers = Metadata([("etag", "7")])
            return pb.SayResponse()

    reply = Reply()
    async with gateway(EchoService, Polite()) as address, client_of(address) as channel:
        await EchoServiceClient(channel).say(pb.SayRequest(), CallOptions(timeout=PATIENCE, reply=reply))
    assert dict(reply.headers) == {"etag": "7"}


async def test_a_caller_that_goes_away_ends_the_call_behind() -> None:
    async with gateway(EchoService, echo := Echo()) as address, client_of(address) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        call.cancel()
        await echo.until(lambda: echo.seen["cancelled"] == 1)
    async with gateway(StreamService, streams := Streams()) as address, client_of(address) as channel:
        async with StreamServiceClient(channel).repeat(sp.RepeatRequest(answers=answers([1]), forever=True), PATIENT) as call:
            await anext(call)
        await streams.until(lambda: streams.seen["ended"] == 1)


async def test_a_reader_that_stops_stops_the_sender_behind() -> None:
    async with gateway(StreamService, streams := Streams()) as address, client_of(address) as channel:
        request = sp.RepeatRequest(answers=answers([100_000] * 500))
        async with StreamServiceClient(channel).repeat(request, PATIENT) as call:
            await anext(call)
            before = -1
            while streams.seen["sent"] != before:  # until it is held back, at windows' worth of the 50 MB
                before = streams.seen["sent"]
                await EchoServiceProbe(channel).turn()
            assert streams.seen["sent"] < 300
            assert len([answer async for answer in call]) == 499


class EchoServiceProbe:
    """Calls that have to come back before the next look: time in which everything that can move does."""

    def __init__(self, channel: Channel) -> None:
        self._client = StreamServiceClient(channel)

    async def turn(self) -> None:
        for _ in range(20):
            await self._client.collect([sp.CollectRequest()], PATIENT)


async def test_curl_reaches_what_is_behind_by_rest_and_connect() -> None:
    program = needed("curl")

    async def curl(*arguments: str) -> tuple[int, Any]:
        process = await asyncio.create_subprocess_exec(program, "-s", "-w", "\n%{http_code}", *arguments, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        body, _, status = out.decode().rpartition("\n")
        return int(status), json.loads(body)

    async with gateway(LibraryService, Library()) as address:
        status, document = await curl(f"http://{address}/openapi.json")
        assert status == 200
        assert any(path.startswith("/v1/") for path in document["paths"])
        status, book = await curl(f"http://{address}/v1/shelves/1/books/2")
        assert (status, book["title"]) == (200, "Emma")
        status, problem = await curl(f"http://{address}/v1/shelves/1/books/missing")
        assert (status, problem["detail"]) == (404, "there is no shelves/1/books/missing")
    async with gateway(EchoService, Echo()) as address:
        asked = ["-H", "content-type: application/json", "-H", "transfer-encoding: chunked", "-d", '{"n": 3}']
        assert await curl(*asked, f"http://{address}/echo.v1.EchoService/Say") == (200, {"n": "3"})


async def test_a_caller_learns_no_address_of_a_server_behind(caplog: pytest.LogCaptureFixture, port: int) -> None:
    class Caller(Echo):
        async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
            ctx.reply.trailers = Metadata([("colour", "blue")])
            return await behind.say(request)

    config = ServiceConfig(targets={"behind": f"127.0.0.1:{port}"})
    for made in (None, Caller()):
        async with App(config) as edge:
            behind = EchoServiceClient(edge.channel("behind"))
            edge.add(forward(EchoService, edge.channel("behind")) if made is None else made)
            await edge.start()
            async with client_of(edge.address) as channel:
                with pytest.raises(RpcError) as caught:
                    await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
        assert caught.value.code is Code.UNAVAILABLE
        assert caught.value.message == "a server that this call needs cannot be reached"
    assert caplog.text.count(f"cannot connect to 127.0.0.1:{port}") == 2


async def test_a_caller_learns_no_address_of_a_server_that_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    class Lost(Echo):
        async def fail(self, request: pb.FailRequest, ctx: Context) -> pb.FailResponse:
            for link in list(behind.links):
                link.abort()
            return pb.FailResponse()

    async with serving(Lost()) as behind, App(ServiceConfig(targets={"behind": behind.address})) as edge:
        edge.add(forward(EchoService, edge.channel("behind")))
        await edge.start()
        async with client_of(edge.address) as channel:
            with pytest.raises(RpcError) as caught:
                await EchoServiceClient(channel).fail(pb.FailRequest(), PATIENT)
    assert caught.value.message == "the connection to a server that this call needs was lost"
    assert f"the connection to {behind.address} was lost" in caplog.text
