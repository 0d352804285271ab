"""A layer sees the messages of calls of every kind, on both sides, over real sockets."""

import asyncio
from typing import Any

import pytest
from echo.v1 import echo_pb2 as echo_pb
from echo.v1.echo_towpath import SAY, EchoServiceClient
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import StreamServiceClient

from tests.asgi_apps import answer, curl, only_http
from tests.echo_service import PATIENCE, Echo
from tests.everything_service import EACH, LIMIT, Everything, costly
from tests.own_layer import served
from tests.stream_service import Streams, answers
from towpath import App, CallOptions, Code, Context, MethodSpec, RpcError, SetupError, connect
from towpath._core.calls.asynchronous import BidiStreamingCall
from towpath._core.service import Handler
from towpath._telemetry.metrics import CallMetrics
from towpath.layers import OnMessage, intercept_messages
from towpath.settings import ChannelLimits

LONG = CallOptions(timeout=PATIENCE)
SIDES = ["server", "client"]
PROTOCOLS = ["grpc", "connect"]


class Seeing:
    """Calls functions with each message."""

    role = "seeing"

    def __init__(self, on_request: OnMessage | None = None, on_response: OnMessage | None = None) -> None:
        self._functions = {"on_request": on_request, "on_response": on_response}

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        if method.service.startswith("grpc."):
            return following
        return intercept_messages(method, following, **self._functions)


class Noting(Seeing):
    """Notes the sizes of payloads."""

    def __init__(self) -> None:
        super().__init__(self._request, self._response)
        self.seen: list[tuple[str, int]] = []

    def _request(self, message: Any, ctx: Context) -> None:
        self.seen.append((f"request of {ctx.method.rpartition('/')[2]}", len(getattr(message, "payload", b""))))

    def _response(self, message: Any, ctx: Context) -> None:
        self.seen.append((f"response of {ctx.method.rpartition('/')[2]}", len(getattr(message, "payload", b""))))


def refusing(size: int, error: Exception) -> OnMessage:
    """Raises `error` for a message whose payload has `size` bytes."""

    def check(message: Any, ctx: Context) -> None:
        if len(message.payload) == size:
            raise error

    return check


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("side", SIDES)
class TestEachKind:
    async def test_unary(self, side: str, protocol: str) -> None:
        noting = Noting()
        async with served(Echo(), **{side: [noting]}, protocol=protocol) as channel:
            await EchoServiceClient(channel).say(echo_pb.SayRequest(payload=b"abc"), LONG)
        assert noting.seen == [("request of Say", 3), ("response of Say", 3)]

    async def test_responses_stream(self, side: str, protocol: str) -> None:
        noting = Noting()
        async with served(Streams(), **{side: [noting]}, protocol=protocol) as channel:
            call = StreamServiceClient(channel).repeat(pb.RepeatRequest(answers=answers([1, 2])), LONG)
            assert [len(response.payload) async for response in call] == [1, 2]
        assert noting.seen == [("request of Repeat", 0), ("response of Repeat", 1), ("response of Repeat", 2)]

    async def test_requests_stream(self, side: str, protocol: str) -> None:
        noting = Noting()
        async with served(Streams(), **{side: [noting]}, protocol=protocol) as channel:
            requests = [pb.CollectRequest(payload=bytes(size)) for size in (1, 2)]
            assert (await StreamServiceClient(channel).collect(requests, LONG)).count == 2
        assert noting.seen == [("request of Collect", 1), ("request of Collect", 2), ("response of Collect", 0)]

    async def test_both_stream(self, side: str, protocol: str) -> None:
        noting = Noting()
        async with (
            served(Streams(), **{side: [noting, noting]}, protocol=protocol) as channel,  # one around the other
            StreamServiceClient(channel).converse(options=LONG) as call,
        ):
            await call.send(pb.ConverseRequest(payload=b"ab", answers=answers([3])))
            assert len((await anext(call)).payload) == 3
            await call.half_close()
            assert await anext(call, None) is None
        assert noting.seen == [("request of Converse", 2)] * 2 + [("response of Converse", 3)] * 2


@pytest.mark.parametrize("side", SIDES)
class TestChange:
    async def test_a_function_may_give_another_message(self, side: str) -> None:
        def other(message: Any, ctx: Context) -> Any:
            return type(message)(id=message.id + "!")

        async with served(Echo(), **{side: [Seeing(other, other)]}) as channel:
            assert (await EchoServiceClient(channel).say(echo_pb.SayRequest(id="a"), LONG)).id == "a!!"

    async def test_another_type_is_a_type_error_that_says_so(self, side: str, caplog: pytest.LogCaptureFixture) -> None:
        async with served(Echo(), **{side: [Seeing(on_response=lambda message, ctx: "ok")]}) as channel:
            with pytest.raises(TypeError if side == "client" else RpcError) as refused:
                await EchoServiceClient(channel).say(echo_pb.SayRequest(id="a"), LONG)
        sentence = "on_response of a layer gave str for echo.v1.EchoService/Say; return None, or a echo.v1.SayResponse"
        assert sentence in (caplog.text if side == "server" else str(refused.value))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("side", SIDES)
class TestRefusal:
    async def test_of_the_one_request_ends_the_stream(self, side: str, protocol: str) -> None:
        def refuse(message: Any, ctx: Context) -> None:
            raise RpcError(Code.INVALID_ARGUMENT, "no")

        async with served(Streams(), **{side: [Seeing(on_request=refuse)]}, protocol=protocol) as channel:
            with pytest.raises(RpcError, match="no") as refused:
                await anext(StreamServiceClient(channel).repeat(pb.RepeatRequest(), LONG))
        assert refused.value.code is Code.INVALID_ARGUMENT

    async def test_of_a_later_request_ends_the_stream(self, side: str, protocol: str) -> None:
        refuse = Seeing(on_request=refusing(2, RpcError(Code.INVALID_ARGUMENT, "no")))
        streams = Streams()
        async with served(streams, **{side: [refuse]}, protocol=protocol) as channel:
            requests = [pb.CollectRequest(payload=bytes(size)) for size in (1, 2, 3)]
            with pytest.raises(RpcError, match="no"):
                await StreamServiceClient(channel).collect(requests, LONG)
            await streams.until(lambda: streams.seen["ended"] == streams.seen["begun"])

    async def test_of_a_response_ends_the_stream_after_those_before(self, side: str, protocol: str) -> None:
        refuse = Seeing(on_response=refusing(2, RpcError(Code.DATA_LOSS, "no")))
        streams = Streams()
        async with served(streams, **{side: [refuse]}, protocol=protocol) as channel:
            call = StreamServiceClient(channel).repeat(pb.RepeatRequest(answers=answers([1, 2, 3]), forever=True), LONG)
            assert len((await anext(call)).payload) == 1
            for _ in range(2):  # it stays at its end
                with pytest.raises(RpcError, match="no"):
                    await anext(call)
            await streams.until(lambda: streams.seen["ended"] == 1)


class TestOnTheClient:
    async def test_another_error_is_the_callers_and_the_call_is_over(self) -> None:
        streams = Streams()
        async with (
            served(streams, client=[Seeing(on_request=refusing(2, ValueError("two")))]) as channel,
            StreamServiceClient(channel).converse(options=LONG) as call,
        ):
            await call.send(pb.ConverseRequest(payload=b"a"))
            for _ in range(2):
                with pytest.raises(ValueError, match="two"):
                    await call.send(pb.ConverseRequest(payload=b"ab"))
            await streams.until(lambda: streams.seen["ended"] == streams.seen["begun"])

    async def test_headers_come_and_a_failed_attempt_is_repeated(self) -> None:
        class Unwell(Streams):
            async def repeat(self, request: pb.RepeatRequest, ctx: Context) -> Any:
                if not ctx.attempt:
                    raise RpcError(Code.UNAVAILABLE, "not now")
                async for response in super().repeat(request, ctx):
                    yield response

        noting = Noting()
        options = LONG.replace(metadata=[("head-x", "1")], idempotency_key="k")
        async with served(Unwell(), client=[noting]) as channel:
            call = StreamServiceClient(channel).repeat(pb.RepeatRequest(answers=answers([1])), options)
            assert (await call.headers()).get("head-x") == "1"
            assert [len(response.payload) async for response in call] == [1]
        assert noting.seen == [("request of Repeat", 0), ("response of Repeat", 1)]

    async def test_a_sender_waits_for_a_server_that_does_not_read(self) -> None:
        streams, noting = Streams(), Noting()
        async with served(streams, client=[noting]) as channel:
            requests = [pb.CollectRequest(payload=bytes(500_000)) for _ in range(4)]
            assert (await StreamServiceClient(channel).collect(requests, LONG)).size == 2_000_000
        assert len(noting.seen) == 5

    async def test_a_response_that_takes_long_to_read_is_seen(self) -> None:
        sizes: list[int] = []
        seeing = Seeing(on_response=lambda message, ctx: sizes.append(message.ByteSize()))
        async with App() as app:
            app.add(Everything())
            await app.start("127.0.0.1", 0)
            limits = ChannelLimits(message_limit=LIMIT)
            async with connect(app.address, metrics=CallMetrics(), limits=limits, layers=[seeing]) as channel:
                call = BidiStreamingCall(channel.bind_stream(EACH)(None, LONG), [costly()])
                responses = [response async for response in call]
        assert sizes == [response.ByteSize() for response in responses]
        assert len(sizes) == 1


class TestOnTheServer:
    async def test_a_handler_cannot_swallow_a_refusal(self) -> None:
        class Swallowing(Streams):
            async def collect(self, requests: Any, ctx: Context) -> pb.CollectResponse:
                try:
                    async for _ in requests:
                        pass
                except RpcError:
                    return pb.CollectResponse()
                raise AssertionError

        refuse = Seeing(on_request=refusing(2, RpcError(Code.INVALID_ARGUMENT, "no")))
        async with served(Swallowing(), server=[refuse]) as channel:
            with pytest.raises(RpcError, match="no"):
                await StreamServiceClient(channel).collect([pb.CollectRequest(payload=b"ab")], LONG)

    async def test_nor_go_on_and_end_well(self) -> None:
        class Ignoring(Streams):
            async def converse(self, requests: Any, ctx: Context) -> Any:
                try:
                    await anext(requests)
                except RpcError:
                    return
                yield pb.ConverseResponse()

        refuse = Seeing(on_request=refusing(2, RpcError(Code.INVALID_ARGUMENT, "no")))
        async with served(Ignoring(), server=[refuse]) as channel, StreamServiceClient(channel).converse(options=LONG) as call:
            await call.send(pb.ConverseRequest(payload=b"ab"))
            with pytest.raises(RpcError, match="no"):
                await anext(call)

    async def test_nor_make_another_error_of_it(self) -> None:
        class Renaming(Streams):
            async def collect(self, requests: Any, ctx: Context) -> pb.CollectResponse:
                try:
                    return await super().collect(requests, ctx)
                except RpcError as error:
                    raise ValueError from error

        refuse = Seeing(on_request=refusing(2, RpcError(Code.INVALID_ARGUMENT, "no")))
        async with served(Renaming(), server=[refuse]) as channel:
            with pytest.raises(RpcError, match="no"):
                await StreamServiceClient(channel).collect([pb.CollectRequest(payload=b"ab")], LONG)

    async def test_an_error_of_the_handlers_own_stays(self) -> None:
        async with served(Streams(), server=[Noting()]) as channel:
            call = StreamServiceClient(channel).repeat(pb.RepeatRequest(end=pb.End(code=Code.NOT_FOUND, message="none")), LONG)
            with pytest.raises(RpcError, match="none"):
                await anext(call)


class TestWrongUse:
    async def following(self, request: Any, ctx: Context) -> Any:
        await asyncio.sleep(0)

    def test_without_a_function_there_is_nothing_to_do(self) -> None:
        following = self.following
        assert intercept_messages(SAY, following) is following

    @pytest.mark.parametrize("name", ["on_request", "on_response"])
    def test_what_is_async_or_no_function_is_refused(self, name: str) -> None:
        for wrong in (self.following, "audit"):
            given: dict[str, Any] = {name: wrong}
            with pytest.raises(SetupError, match=f"{name} for echo.v1.EchoService/Say is .*; give a plain function"):
                intercept_messages(SAY, self.following, **given)


async def test_a_request_to_a_mounted_application_passes() -> None:
    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, (await receive())["body"])

    noting = Noting()
    async with App(layers=[noting]) as server:
        server.mount("/admin", app)
        await server.start()
        status, _, body = await curl(server, "/admin", "--data-binary", "abc")
    assert (status, body, noting.seen) == (200, b"abc", [])
