"""The streaming cases of gRPC's public interoperability tests, towpath as the client and grpcio.aio as the server.

The names are those of https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md; the unary cases are in
`test_grpcio_server.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import grpc
import pytest
from echo.v1 import echo_pb2
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import StreamServiceClient

from tests.conformance.stream_peer import grpcio_streaming
from tests.conformance.test_interop_server import REQUEST_SIZES, RESPONSE_SIZES, SPECIAL
from tests.deadlines import missed
from tests.echo_service import PATIENCE, turn_until
from tests.stream_service import Streams, answers
from towpath._core.calls.asynchronous import StreamingCall
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._transport import Channel

PATIENT = CallOptions(timeout=PATIENCE)


@asynccontextmanager
async def grpcio_served(
    streams: Streams, *, from_server: Any = None, from_client: Literal["gzip"] | None = None
) -> AsyncIterator[StreamServiceClient]:
    async with grpcio_streaming(streams, compression=from_server) as address, Channel(address, compression=from_client) as channel:
        yield StreamServiceClient(channel)
    await turn_until(lambda: asyncio.all_tasks() == {asyncio.current_task()})  # grpcio ends its own some turns later


async def failure(call: StreamingCall[Any, Any]) -> RpcError:
    with pytest.raises(RpcError) as caught:
        async for _ in call:  # type: ignore[attr-defined]
            pass
    return caught.value


async def test_client_streaming() -> None:
    async with grpcio_served(Streams()) as client:
        response = await client.collect((pb.CollectRequest(payload=bytes(size)) for size in REQUEST_SIZES), PATIENT)
    assert (response.count, response.size) == (4, 74922)


async def test_server_streaming() -> None:
    async with grpcio_served(Streams()) as client:
        responses = [answer async for answer in client.repeat(pb.RepeatRequest(answers=answers(RESPONSE_SIZES)), PATIENT)]
    assert [len(response.payload) for response in responses] == list(RESPONSE_SIZES)


async def test_ping_pong() -> None:
    async with grpcio_served(Streams()) as client, client.converse(options=PATIENT) as call:
        for asked, size in zip(REQUEST_SIZES, RESPONSE_SIZES, strict=True):
            assert await call.send(pb.ConverseRequest(payload=bytes(asked), answers=answers([size])))
            assert len((await anext(call)).payload) == size
        await call.half_close()
        assert [answer async for answer in call] == []


async def test_empty_stream() -> None:
    async with grpcio_served(Streams()) as client:
        assert [answer async for answer in client.converse([], PATIENT)] == []


async def test_cancel_after_begin() -> None:
    streams = Streams()
    async with grpcio_served(streams) as client, client.collect(options=PATIENT) as call:
        await call.send(pb.CollectRequest(payload=bytes(10)))
        await streams.until(lambda: streams.seen["read"] == 1)
        call.cancel()
        with pytest.raises(RpcError) as caught:
            await call
        assert caught.value.code is Code.CANCELLED
        await streams.until(lambda: streams.seen["ended"] == 1)


async def test_cancel_after_first_response() -> None:
    streams = Streams()
    async with grpcio_served(streams) as client, client.converse(options=PATIENT) as call:
        await call.send(pb.ConverseRequest(payload=bytes(27182), answers=answers([31415])))
        assert len((await anext(call)).payload) == 31415
        call.cancel()
        assert (await failure(call)).code is Code.CANCELLED
        await streams.until(lambda: streams.seen["ended"] == 1)


async def test_timeout_on_sleeping_server() -> None:
    streams = Streams()
    async with grpcio_served(streams) as client:
        got: list[int] = []

        async def attempt(seconds: float) -> None:
            request = pb.RepeatRequest(answers=answers([1]), forever=True)
            try:
                async for answer in client.repeat(request, CallOptions(timeout=seconds)):
                    got.append(len(answer.payload))  # noqa: PERF401 - what came before the end counts
                pytest.fail("it has ended well")
            except RpcError as error:
                assert error.code is Code.DEADLINE_EXCEEDED

        await missed(attempt, lambda: got)
        assert got == [1]
        await streams.until(lambda: streams.seen["ended"] >= 1)


async def test_custom_metadata() -> None:
    pairs = Metadata((("head-a", "1"), ("head-b-bin", b"\0\xff"), ("trail-a", "2"), ("trail-b-bin", b"\xab")))
    async with grpcio_served(Streams()) as client:
        call = client.converse([pb.ConverseRequest(answers=answers([1]))], CallOptions(metadata=pairs, timeout=PATIENCE))
        assert {("head-a", "1"), ("head-b-bin", b"\0\xff")} <= set(await call.headers())
        assert len([answer async for answer in call]) == 1
        assert {("trail-a", "2"), ("trail-b-bin", b"\xab")} <= set(call.reply.trailers)


@pytest.mark.parametrize("message", ["test status message", SPECIAL])
async def test_status_code_and_message(message: str) -> None:
    end = pb.End(code=2, message=message)
    async with grpcio_served(Streams()) as client:
        error = await failure(client.converse([pb.ConverseRequest(answers=answers([1]), end=end)], PATIENT))
        assert (error.code, error.message) == (Code.UNKNOWN, message)
        with pytest.raises(RpcError) as caught:
            await client.collect([pb.CollectRequest(end=end)], PATIENT)
        assert (caught.value.code, caught.value.message) == (Code.UNKNOWN, message)


async def test_unimplemented_service() -> None:
    async with grpcio_streaming(Streams()) as address, Channel(address) as channel:
        with pytest.raises(RpcError) as caught:
            await EchoServiceClient(channel).say(echo_pb2.SayRequest(), PATIENT)
        assert caught.value.code is Code.UNIMPLEMENTED


@pytest.mark.parametrize(("from_server", "from_client"), [(grpc.Compression.Gzip, None), (None, "gzip"), (grpc.Compression.Gzip, "gzip")])
async def test_compressed_streaming(from_server: Any, from_client: Literal["gzip"] | None) -> None:
    async with grpcio_served(Streams(), from_server=from_server, from_client=from_client) as client:
        response = await client.collect((pb.CollectRequest(payload=bytes(size)) for size in REQUEST_SIZES), PATIENT)
        assert response.size == 74922
        responses = [answer async for answer in client.repeat(pb.RepeatRequest(answers=answers(RESPONSE_SIZES)), PATIENT)]
        assert [len(response.payload) for response in responses] == list(RESPONSE_SIZES)


async def test_a_caller_that_does_not_read_holds_the_handler_back() -> None:
    streams = Streams()
    async with grpcio_served(streams) as client:
        call = client.repeat(pb.RepeatRequest(answers=answers([1 << 20] * 64)), PATIENT)
        assert len((await anext(call)).payload) == 1 << 20
        await asyncio.sleep(0)
        assert streams.seen["sent"] < 32
        assert len([answer async for answer in call]) == 63
