"""What an RpcError says of the call that it ended, over real sockets. Nothing of it goes further than to the caller of that call."""

import asyncio
import http.client
import json
import logging
import traceback
from contextlib import closing
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient, EchoServiceSyncClient
from stream.v1 import stream_pb2 as stream_pb
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo
from tests.own_layer import Own, served
from tests.stream_service import Streams, answers
from towpath import App, CallOptions, Code, Context, RpcError, connect, connect_sync
from towpath._core.errors import locate
from towpath._telemetry.metrics import CallMetrics
from towpath.transport import Channel, ChannelOptions

LONG = CallOptions(timeout=PATIENCE)
PROTOCOLS = ["grpc", "connect", "grpc-web"]
NOWHERE = "127.0.0.1:1"
"""Nobody listens there."""


def where(error: RpcError) -> tuple[str, str, str]:
    return error.method, error.target, error.peer


class TestText:
    def test_an_error_of_no_call_has_its_code_and_message(self) -> None:
        assert str(RpcError(Code.NOT_FOUND, "none")) == "NOT_FOUND: none"
        assert where(RpcError(Code.NOT_FOUND)) == ("", "", "")

    @pytest.mark.parametrize(
        ("message", "place", "text"),
        [
            ("none", ("a.B/C", "dns:///b:1", "10.0.0.3:1"), "NOT_FOUND: none [a.B/C to dns:///b:1 at 10.0.0.3:1]"),
            ("", ("a.B/C", "b:1", ""), "NOT_FOUND [a.B/C to b:1]"),
            ("none", ("a.B/C", "10.0.0.3:1", "10.0.0.3:1"), "NOT_FOUND: none [a.B/C to 10.0.0.3:1]"),
            ("a.B/C has none", ("a.B/C", "b:1", "10.0.0.3:1"), "NOT_FOUND: a.B/C has none [to b:1 at 10.0.0.3:1]"),
            ("a.B/C has none", ("a.B/C", "", ""), "NOT_FOUND: a.B/C has none"),
            ("none at b:1", ("a.B/C", "b:1", ""), "NOT_FOUND: none at b:1 [a.B/C]"),
        ],
    )
    def test_says_once_which_call_it_was(self, message: str, place: tuple[str, str, str], text: str) -> None:
        error = RpcError(Code.NOT_FOUND, message)
        locate(error, *place)
        assert str(error) == text
        locate(error, "d.E/F", "other:1")  # it passes another call on its way
        assert str(error) == text


@pytest.mark.parametrize("protocol", PROTOCOLS)
class TestACall:
    async def test_that_the_server_fails(self, protocol: str) -> None:
        async with served(Echo(), protocol=protocol) as channel:
            with pytest.raises(RpcError) as failed:
                await EchoServiceClient(channel).fail(pb.FailRequest(code=Code.NOT_FOUND, message="none"), LONG)
        assert where(failed.value) == ("echo.v1.EchoService/Fail", channel.target, channel.target)
        assert str(failed.value) == f"NOT_FOUND: none [echo.v1.EchoService/Fail to {channel.target}]"

    async def test_that_the_server_fails_on_the_bare_path(self, protocol: Any) -> None:
        async with served(Echo()) as served_by, Channel(served_by.target, options=ChannelOptions(protocol=protocol)) as channel:
            with pytest.raises(RpcError) as failed:
                await EchoServiceClient(channel).fail(pb.FailRequest(code=Code.NOT_FOUND), LONG)
        assert where(failed.value) == ("echo.v1.EchoService/Fail", channel.target, channel.target)

    async def test_that_streams(self, protocol: str) -> None:
        async with served(Streams(), protocol=protocol) as channel:
            request = stream_pb.RepeatRequest(answers=answers([1]), end=stream_pb.End(code=Code.ABORTED, message="gone"))
            call = StreamServiceClient(channel).repeat(request, LONG)
            await anext(call)
            with pytest.raises(RpcError) as failed:
                await anext(call)
        assert where(failed.value) == ("stream.v1.StreamService/Repeat", channel.target, channel.target)

    async def test_that_was_too_late(self, protocol: str) -> None:
        async with served(Echo(), protocol=protocol) as channel:
            client = EchoServiceClient(channel)
            for options in (CallOptions(timeout=0.05), CallOptions(timeout=0)):
                with pytest.raises(RpcError) as late:
                    await client.sleep(pb.SleepRequest(seconds=FOREVER), options)
                assert where(late.value)[:2] == ("echo.v1.EchoService/Sleep", channel.target)

    async def test_that_was_not_sent(self, protocol: Any) -> None:
        async with connect(NOWHERE, metrics=CallMetrics(), options=ChannelOptions(protocol=protocol)) as channel:
            with pytest.raises(RpcError) as unsent:
                await EchoServiceClient(channel).say(pb.SayRequest(), LONG)
        assert where(unsent.value) == ("echo.v1.EchoService/Say", NOWHERE, "")


class TestOtherEnds:
    async def test_a_call_that_its_caller_cancels(self) -> None:
        async with served(Streams()) as channel:
            call = StreamServiceClient(channel).repeat(stream_pb.RepeatRequest(forever=True), LONG)
            call.cancel()
            with pytest.raises(RpcError) as cancelled:
                await anext(call)
        assert cancelled.value.method == "stream.v1.StreamService/Repeat"

    async def test_an_error_of_a_clients_own_layer_knows_the_call_too(self) -> None:
        async def refuses(following: Any, request: Any, ctx: Context) -> Any:
            raise RpcError(Code.PERMISSION_DENIED, "not you")

        async with served(Echo(), client=[Own(refuses)]) as channel:
            with pytest.raises(RpcError) as refused:
                await EchoServiceClient(channel).say(pb.SayRequest(), LONG)
        assert where(refused.value) == ("echo.v1.EchoService/Say", channel.target, "")

    @pytest.mark.parametrize("others", [[], [asyncio.CancelledError()], [ExceptionGroup("", [RpcError(Code.ABORTED)])]])
    async def test_a_group_of_a_clients_own_layer_is_its_first_cause(self, others: list[BaseException]) -> None:
        async def groups(following: Any, request: Any, ctx: Context) -> Any:
            raise BaseExceptionGroup("", [asyncio.CancelledError(), RpcError(Code.PERMISSION_DENIED, "not you"), *others])

        async with served(Echo(), client=[Own(groups)]) as channel:
            with pytest.raises(RpcError, match="not you"):
                await EchoServiceClient(channel).say(pb.SayRequest(), LONG)

    async def test_a_group_with_a_bug_in_it_stays(self) -> None:
        async def groups(following: Any, request: Any, ctx: Context) -> Any:
            raise ExceptionGroup("", [RpcError(Code.PERMISSION_DENIED, "not you"), ValueError()])

        async with served(Echo(), client=[Own(groups)]) as channel:
            with pytest.raises(ExceptionGroup):
                await EchoServiceClient(channel).say(pb.SayRequest(), LONG)


def frames(error: BaseException) -> list[str]:
    """The modules of the frames of a traceback, but for that of the generated client, which says which method was called."""
    modules = [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [name for name in modules if name != "echo.v1.echo_towpath"]


class TestTraceback:
    async def test_has_no_frame_of_towpath(self) -> None:
        async with served(Echo(), client=[Own(lambda following, request, ctx: following(request, ctx))]) as channel:
            with pytest.raises(RpcError) as failed:
                await EchoServiceClient(channel).fail(pb.FailRequest(code=Code.NOT_FOUND), LONG)
        assert frames(failed.value) == [__name__, "tests.own_layer"]
        assert "NOT_FOUND [echo.v1.EchoService/Fail to " in "".join(traceback.format_exception(failed.value))

    async def test_of_a_stream_neither(self) -> None:
        async with served(Streams()) as channel:
            client = StreamServiceClient(channel)
            end = stream_pb.End(code=Code.ABORTED, message="gone")
            call = client.repeat(stream_pb.RepeatRequest(end=end), LONG)
            for _ in range(2):  # a second look adds none either
                with pytest.raises(RpcError) as failed:
                    await anext(call)
                assert set(frames(failed.value)) == {__name__}
            with pytest.raises(RpcError) as failed:
                await client.collect([stream_pb.CollectRequest(end=end)], LONG)
            assert frames(failed.value) == [__name__]
            async with client.converse(options=LONG) as conversation:
                await conversation.send(stream_pb.ConverseRequest(end=end))
                with pytest.raises(RpcError):
                    await anext(conversation)
                with pytest.raises(RpcError) as failed:
                    await conversation.send(stream_pb.ConverseRequest())
            assert set(frames(failed.value)) == {__name__}

    async def test_of_a_call_without_asyncio_neither(self) -> None:
        async with served(Echo()) as channel:

            def call() -> list[str]:
                with connect_sync(channel.target, metrics=CallMetrics()) as sync, pytest.raises(RpcError) as failed:
                    EchoServiceSyncClient(sync).fail(pb.FailRequest(code=Code.NOT_FOUND), LONG)
                return frames(failed.value)

            assert await asyncio.to_thread(call) == [__name__]

    async def test_of_a_handlers_bug_in_the_log_neither(self, caplog: pytest.LogCaptureFixture) -> None:
        async with served(Echo(), server=[Own(lambda following, request, ctx: following(request, ctx))]) as channel:
            with pytest.raises(RpcError):
                await EchoServiceClient(channel).fail(pb.FailRequest(message="a bug"), LONG)
        (record,) = caplog.records
        assert record.exc_info is not None
        modules = [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(record.exc_info[2])]
        assert modules == ["tests.own_layer", "tests.echo_service"]

    async def test_the_frames_in_which_a_bug_was_raised_stay(self, caplog: pytest.LogCaptureFixture) -> None:
        class Wrong(Echo):
            async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
                ctx.replace(tenant="\n")
                return pb.SayResponse()

        async with served(Wrong()) as channel:
            with pytest.raises(RpcError):
                await EchoServiceClient(channel).say(pb.SayRequest(), LONG)
        (record,) = caplog.records
        assert record.exc_info is not None
        modules = [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(record.exc_info[2])]
        assert modules == [__name__, "towpath._core.context"]


class Passing(Echo):
    """Lets the error of a call of its own through."""

    def __init__(self, channel: Any) -> None:
        super().__init__()
        self.client = EchoServiceClient(channel)

    async def fail(self, request: pb.FailRequest, ctx: Context) -> pb.FailResponse:
        return await self.client.fail(request)

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.client.fail(pb.FailRequest(code=Code.NOT_FOUND, message="none")))
        raise AssertionError


class TestNothingCrosses:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize("name", ["fail", "say"])
    async def test_to_the_caller_of_a_handler(self, name: str, protocol: Any, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.CRITICAL + 1):
            async with served(Echo()) as behind, served(Passing(behind), protocol=protocol) as front:
                request = pb.FailRequest(code=Code.NOT_FOUND, message="none") if name == "fail" else pb.SayRequest()
                with pytest.raises(RpcError) as failed:
                    await getattr(EchoServiceClient(front), name)(request, LONG)
                error = failed.value
                assert (error.code, error.message, error.details) == (Code.NOT_FOUND, "none", ())
                assert error.target == error.peer == front.target
                assert behind.target not in str(error)

    async def test_over_plain_http(self) -> None:
        async with served(Echo()) as behind, App() as app:
            app.add(Passing(behind))
            await app.start("127.0.0.1", 0)

            def post() -> dict[str, Any]:
                with closing(http.client.HTTPConnection(app.address, timeout=PATIENCE)) as connection:
                    body = json.dumps({"code": int(Code.NOT_FOUND), "message": "none"})
                    connection.request("POST", "/echo.v1.EchoService/Fail", body, {"content-type": "application/json"})
                    return json.load(connection.getresponse())

            assert await asyncio.to_thread(post) == {"code": "not_found", "message": "none"}
