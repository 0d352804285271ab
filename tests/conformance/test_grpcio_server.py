"""towpath's channel against a grpcio server, over real sockets."""

import asyncio

import grpc
import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from google.rpc.error_details_pb2 import ErrorInfo

from tests.conformance.grpcio_peer import GrpcioEcho, grpcio_serving
from tests.deadlines import missed
from tests.echo_service import FOREVER, PATIENCE, request_of_size
from towpath._core.context import CallOptions, Reply
from towpath._core.errors import Code, RpcError
from towpath._core.service import MethodSpec
from towpath._transport import Channel
from towpath._transport.client.options import ChannelOptions
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT
from towpath._wire.http2 import Limits

PATIENT = CallOptions(timeout=PATIENCE)
UNLIMITED = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


async def failure(channel: Channel, name: str, request: object, options: CallOptions = PATIENT) -> RpcError:
    with pytest.raises(RpcError) as caught:
        await getattr(EchoServiceClient(channel), name)(request, options)
    return caught.value


async def test_a_unary_call() -> None:
    async with grpcio_serving(GrpcioEcho()) as address, Channel(address) as channel:
        answer = await EchoServiceClient(channel).say(pb.SayRequest(id="a", n=-7, tags=["x", "ü"], payload=b"\0\xff"), PATIENT)
    assert answer == pb.SayResponse(id="a", n=-7, text="x,ü", payload=b"\0\xff")


async def test_many_calls_share_one_connection() -> None:
    echo = GrpcioEcho()
    async with grpcio_serving(echo) as address, Channel(address) as channel:
        client = EchoServiceClient(channel)
        answers = await asyncio.gather(*(client.say(pb.SayRequest(n=n), PATIENT) for n in range(500)))
        assert [answer.n for answer in answers] == list(range(500))
    assert len(echo.peers) == 1


async def test_calls_beyond_the_servers_stream_limit_wait_their_turn() -> None:
    echo = GrpcioEcho()
    options = (("grpc.max_concurrent_streams", 2),)
    one = ChannelOptions(max_connections=1)
    async with grpcio_serving(echo, options=options) as address, Channel(address, options=one) as channel:
        client = EchoServiceClient(channel)

        async def answered(n: int) -> int:
            while True:
                try:
                    return (await client.say(pb.SayRequest(n=n), PATIENT)).n
                except RpcError as error:
                    # grpcio may count a stream a moment longer than the trailers that ended it take to arrive.
                    assert (error.code, error.message) == (Code.UNAVAILABLE, "the peer reset the stream: REFUSED_STREAM")

        async with asyncio.timeout(PATIENCE):
            assert await asyncio.gather(*(answered(n) for n in range(50))) == list(range(50))
    assert len(echo.peers) == 1


async def test_metadata_both_ways() -> None:
    echo = GrpcioEcho()
    reply = Reply()
    head = [("head-text", "one"), ("head-text", "two"), ("head-raw-bin", bytes(range(256)))]
    trail = [("trail-raw-bin", b"\0"), ("trail-raw-bin", b""), ("trail-text", "three, four"), ("trail-text", "")]
    async with grpcio_serving(echo) as address, Channel(address) as channel:
        options = CallOptions(timeout=PATIENCE, metadata=[*head, *trail], reply=reply)
        await EchoServiceClient(channel).say(pb.SayRequest(), options)
    assert [pair for pair in echo.seen_metadata if pair[0].startswith(("head-", "trail-"))] == [*head, *trail]
    assert [pair for pair in reply.headers if pair[0].startswith("head-")] == head
    assert [pair for pair in reply.trailers if pair[0].startswith("trail-")] == trail


@pytest.mark.parametrize("message", [" before", "after ", "\t", " \u00a0 ", "in the middle"])
async def test_a_message_with_space_around_it(message: str) -> None:
    """Grpcio sends it as it is, which HTTP forbids; the error is worth more than the rule."""
    async with grpcio_serving(GrpcioEcho()) as address, Channel(address) as channel:
        error = await failure(channel, "fail", pb.FailRequest(code=Code.NOT_FOUND, message=message))
    assert (error.code, error.message) == (Code.NOT_FOUND, message)


@pytest.mark.parametrize("code", list(Code))
async def test_every_status(code: Code) -> None:
    async with grpcio_serving(GrpcioEcho()) as address, Channel(address) as channel:
        error = await failure(channel, "fail", pb.FailRequest(code=code, message=f"it is {code.name}"))
    assert (error.code, error.message) == (code, f"it is {code.name}")


@pytest.mark.parametrize("message", ["Grüße, 世界 🛫", "100 % sure %41", "line\nbreak\ttab", "", "%", "é" * 500])
async def test_messages_of_any_text(message: str) -> None:
    async with grpcio_serving(GrpcioEcho()) as address, Channel(address) as channel:
        error = await failure(channel, "fail", pb.FailRequest(code=3, message=message))
    assert (error.code, error.message) == (Code.INVALID_ARGUMENT, message)


async def test_rich_details() -> None:
    async with grpcio_serving(GrpcioEcho()) as address, Channel(address) as channel:
        error = await failure(channel, "fail", pb.FailRequest(code=8, message="fully böoked", reason="NO_SEATS"))
    assert (error.code, error.message) == (Code.RESOURCE_EXHAUSTED, "fully böoked")
    assert error.details == (ErrorInfo(reason="NO_SEATS", domain="echo"),)


async def test_a_deadline_is_exceeded_on_both_sides() -> None:
    echo = GrpcioEcho()
    async with grpcio_serving(echo) as address, Channel(address) as channel:
        error = await missed(
            lambda timeout: failure(channel, "sleep", pb.SleepRequest(), CallOptions(timeout=timeout)), echo.started.is_set
        )
        assert error.code is Code.DEADLINE_EXCEEDED
        async with asyncio.timeout(PATIENCE):
            await echo.cancelled.wait()


async def test_the_deadline_reaches_the_handler() -> None:
    echo = GrpcioEcho()
    async with grpcio_serving(echo) as address, Channel(address) as channel:
        await EchoServiceClient(channel).say(pb.SayRequest(), CallOptions(timeout=1000))
    assert echo.time_remaining is not None
    assert 900 < echo.time_remaining <= 1000.01


async def test_cancelling_the_task_cancels_the_handler() -> None:
    echo = GrpcioEcho()
    async with grpcio_serving(echo) as address, Channel(address) as channel:
        client = EchoServiceClient(channel)
        task = asyncio.create_task(client.sleep(pb.SleepRequest(), CallOptions(timeout=FOREVER)))
        async with asyncio.timeout(PATIENCE):
            await echo.started.wait()
            task.cancel()
            await echo.cancelled.wait()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await client.say(pb.SayRequest(n=1), PATIENT)).n == 1


async def test_a_server_that_stops_ends_the_call_with_unavailable() -> None:
    echo = GrpcioEcho()
    async with asyncio.timeout(PATIENCE):
        async with grpcio_serving(echo) as address, Channel(address) as channel:
            call = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(), CallOptions(timeout=FOREVER)))
            await echo.started.wait()
        with pytest.raises(RpcError) as caught:
            await call
    assert caught.value.code is Code.UNAVAILABLE


@pytest.mark.parametrize("answer_compression", [grpc.Compression.Gzip, grpc.Compression.NoCompression])
@pytest.mark.parametrize("request_compression", ["gzip", None])
async def test_gzip(request_compression: str | None, answer_compression: grpc.Compression) -> None:
    text = pb.SayRequest(payload=b"towpath " * 20_000)
    async with (
        grpcio_serving(GrpcioEcho(), compression=answer_compression) as address,
        Channel(address, compression=request_compression) as channel,
    ):
        for request in (text, pb.SayRequest(), text):
            assert (await EchoServiceClient(channel).say(request, PATIENT)).payload == request.payload


async def test_the_largest_answer_passes_and_one_byte_more_keeps_the_connection() -> None:
    echo = GrpcioEcho()
    async with grpcio_serving(echo, options=UNLIMITED) as address, Channel(address) as channel:
        client = EchoServiceClient(channel)
        answer = await client.say(request_of_size(DEFAULT_MESSAGE_LIMIT), PATIENT)
        assert answer.ByteSize() == DEFAULT_MESSAGE_LIMIT
        error = await failure(channel, "say", request_of_size(DEFAULT_MESSAGE_LIMIT + 1))
        assert error.code is Code.RESOURCE_EXHAUSTED
        assert "a message is larger than the limit of 4194304 bytes" in error.message
        await client.say(pb.SayRequest(), PATIENT)
    assert len(echo.peers) == 1


async def test_a_request_that_is_too_large_for_the_server_keeps_the_connection() -> None:
    echo = GrpcioEcho()
    async with grpcio_serving(echo) as address, Channel(address) as channel:
        await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
        error = await failure(channel, "say", request_of_size(DEFAULT_MESSAGE_LIMIT + 1))
        assert error.code is Code.RESOURCE_EXHAUSTED
        await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
    assert len(echo.peers) == 1


async def test_large_messages_through_small_windows() -> None:
    limits = Limits(stream_window=65_535, connection_window=65_535)
    request = request_of_size(1_000_000)
    async with grpcio_serving(GrpcioEcho()) as address, Channel(address, limits=limits) as channel:
        client = EchoServiceClient(channel)
        answers = await asyncio.gather(*(client.say(request, PATIENT) for _ in range(8)))
    assert all(answer.payload == request.payload for answer in answers)


async def test_what_the_server_does_not_serve_is_unimplemented() -> None:
    method = MethodSpec(service="echo.v1.Nobody", name="Say", request=pb.SayRequest, response=pb.SayResponse)
    async with grpcio_serving(GrpcioEcho()) as address, Channel(address) as channel:
        with pytest.raises(RpcError) as caught:
            await channel.bind(method)(pb.SayRequest(), PATIENT)
    assert caught.value.code is Code.UNIMPLEMENTED


async def test_an_answer_of_another_type_is_internal() -> None:
    method = MethodSpec(service="echo.v1.EchoService", name="Say", request=pb.SayRequest, response=pb.InspectResponse)
    async with grpcio_serving(GrpcioEcho()) as address, Channel(address) as channel:
        with pytest.raises(RpcError, match=r"the answer is not a echo.v1.InspectResponse") as caught:
            await channel.bind(method)(pb.SayRequest(id="\x01\x02\x03", payload=b"\xff" * 50, tags=["\x7f"]), PATIENT)
    assert caught.value.code is Code.INTERNAL
