"""Fakes as the callers of a service meet them: served by the real stack, called by real clients."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from echo.v1 import echo_pb2
from echo.v1.echo_fakes import FakeEchoService
from echo.v1.echo_towpath import EchoServiceClient
from google.rpc.error_details_pb2 import ErrorInfo
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_fakes import FakeStreamService
from stream.v1.stream_towpath import StreamServiceClient

from towpath import App, CallOptions, Code, Context, RpcError, Service, SetupError, connect
from towpath.settings import ServiceConfig
from towpath.testing import Simulation, simulate

PATIENT = CallOptions(timeout=120)
ANSWERS = [pb.RepeatResponse(index=number) for number in range(3)]
REPLIES = [pb.ConverseResponse(index=number) for number in range(3)]


@asynccontextmanager
async def served(fake: Service) -> AsyncIterator[Any]:
    async with App() as app:
        app.add(fake)
        await app.start("127.0.0.1", 0)
        async with connect(app.address) as channel:
            yield channel


async def say(fake: FakeEchoService, n: int = 7) -> echo_pb2.SayResponse:
    async with served(fake) as channel:
        return await EchoServiceClient(channel).say(echo_pb2.SayRequest(n=n), PATIENT)


async def repeated(fake: FakeStreamService) -> list[pb.RepeatResponse]:
    async with served(fake) as channel:
        return [one async for one in StreamServiceClient(channel).repeat(pb.RepeatRequest(forever=True), PATIENT)]


async def collected(fake: FakeStreamService) -> pb.CollectResponse:
    async with served(fake) as channel:
        requests = [pb.CollectRequest(payload=b"a"), pb.CollectRequest(payload=b"b")]
        return await StreamServiceClient(channel).collect(requests, PATIENT)


async def conversed(fake: FakeStreamService) -> list[pb.ConverseResponse]:
    async with served(fake) as channel:
        requests = [pb.ConverseRequest(payload=b"a"), pb.ConverseRequest(payload=b"b")]
        return [one async for one in StreamServiceClient(channel).converse(requests, PATIENT)]


async def plus_one(request: echo_pb2.SayRequest) -> echo_pb2.SayResponse:
    return echo_pb2.SayResponse(n=request.n + 1)


class TestUnary:
    async def test_a_message_is_the_answer_to_every_call(self):
        fake = FakeEchoService(say=echo_pb2.SayResponse(n=3))
        async with served(fake) as channel:
            client = EchoServiceClient(channel)
            assert [(await client.say(echo_pb2.SayRequest(n=n), PATIENT)).n for n in (1, 2)] == [3, 3]
        assert fake.say.requests == [echo_pb2.SayRequest(n=1), echo_pb2.SayRequest(n=2)]
        assert fake.fail.requests == []

    async def test_the_context_of_each_call_is_kept(self):
        fake = FakeEchoService(say=echo_pb2.SayResponse())
        async with served(fake) as channel:
            options = CallOptions(timeout=120, metadata=[("order", "17")], tenant="shop")
            await EchoServiceClient(channel).say(echo_pb2.SayRequest(), options)
        (context,) = fake.say.contexts
        assert (context.metadata.get("order"), context.tenant) == ("17", "shop")
        assert context.remaining() is not None

    async def test_an_error_ends_each_call_anew(self):
        fake = FakeEchoService(say=RpcError(Code.NOT_FOUND, "no such thing"))
        for _ in range(2):
            with pytest.raises(RpcError, match="NOT_FOUND: no such thing") as caught:
                await say(fake)
            assert caught.value.method == "echo.v1.EchoService/Say"
        assert isinstance(fake.say.reply, RpcError)
        assert not fake.say.reply.method
        assert fake.say.reply.__traceback__ is None

    async def test_an_error_has_all_that_it_carries_whatever_its_class(self):
        class SoldOut(RpcError):
            def __init__(self, product: str) -> None:
                super().__init__(Code.FAILED_PRECONDITION, f"{product} is sold out", [ErrorInfo(reason="SOLD_OUT")])
                self.pushback = -1.0

        with pytest.raises(RpcError, match="tea is sold out") as caught:
            await say(FakeEchoService(say=SoldOut("tea")))
        assert [detail.reason for detail in caught.value.details] == ["SOLD_OUT"]
        assert caught.value.pushback == -1.0

    @pytest.mark.parametrize(
        "reply",
        [
            plus_one,
            lambda request: echo_pb2.SayResponse(n=request.n + 1),
            lambda request, ctx: echo_pb2.SayResponse(n=request.n + len(ctx.metadata.get("x", "x"))),
            lambda request, step=1: echo_pb2.SayResponse(n=request.n + step),  # a default is the function's own, and no place for a context
            lambda request, ctx=None: plus_one(request),
        ],
        ids=["async", "plain", "with the context", "with a default", "that returns an awaitable"],
    )
    async def test_a_function_is_asked(self, reply):
        assert (await say(FakeEchoService(say=reply))).n == 8

    async def test_replies_can_come_in_turn(self):
        replies = iter([RpcError(Code.NOT_FOUND, "not yet"), echo_pb2.SayResponse(n=2)])
        fake = FakeEchoService(say=lambda _: next(replies))
        with pytest.raises(RpcError, match="not yet"):
            await say(fake)
        assert (await say(fake)).n == 2

    async def test_the_reply_can_change(self):
        fake = FakeEchoService(say=echo_pb2.SayResponse(n=1))
        assert (await say(fake)).n == 1
        fake.say.reply = plus_one
        assert (await say(fake)).n == 8
        fake.say.reply = None
        with pytest.raises(RpcError) as caught:
            await say(fake)
        assert caught.value.code is Code.UNIMPLEMENTED
        with pytest.raises(SetupError):
            fake.say.reply = echo_pb2.SayRequest()
        assert fake.say.reply is None
        assert len(fake.say.requests) == 3

    async def test_a_method_that_was_given_nothing_says_so(self):
        fake = FakeEchoService()
        with pytest.raises(RpcError) as caught:
            await say(fake)
        assert caught.value.code is Code.UNIMPLEMENTED
        assert caught.value.message == "the fake of echo.v1.EchoService has no reply for Say; give it say=..."
        assert [request.n for request in fake.say.requests] == [7]

    async def test_a_function_that_gives_something_else_says_so(self):
        with pytest.raises(RpcError) as caught:
            await say(FakeEchoService(say=lambda request: request))
        text = "the fake of echo.v1.EchoService/Say gave a SayRequest; say=... gives an object of SayResponse"
        assert (caught.value.code, caught.value.message) == (Code.INTERNAL, text)

    async def test_what_a_function_raises_is_a_fault_of_the_service(self, caplog):
        def broken(request: echo_pb2.SayRequest) -> echo_pb2.SayResponse:
            raise LookupError("the test's own")

        with pytest.raises(RpcError) as caught:
            await say(FakeEchoService(say=broken))
        assert caught.value.code is Code.INTERNAL
        assert "the test's own" in caplog.text


class TestServerStream:
    async def test_a_list_is_sent(self):
        fake = FakeStreamService(repeat=ANSWERS)
        assert await repeated(fake) == ANSWERS
        assert await repeated(fake) == ANSWERS
        assert fake.repeat.requests == [pb.RepeatRequest(forever=True)] * 2

    async def test_an_error_among_the_messages_ends_the_stream(self):
        got: list[pb.RepeatResponse] = []
        async with served(FakeStreamService(repeat=[*ANSWERS, RpcError(Code.DATA_LOSS, "torn")])) as channel:
            call = StreamServiceClient(channel).repeat(pb.RepeatRequest(), PATIENT)
            with pytest.raises(RpcError, match="torn"):  # noqa: PT012 # the stream ends while it is read
                async for one in call:
                    got.append(one)  # noqa: PERF401 # what came before the error counts
        assert got == ANSWERS

    async def test_an_error_alone_ends_it(self):
        with pytest.raises(RpcError, match="torn"):
            await repeated(FakeStreamService(repeat=RpcError(Code.DATA_LOSS, "torn")))

    @pytest.mark.parametrize("kind", ["generator", "async generator", "list", "async list", "async iterator", "with the context"])
    async def test_a_function_is_asked(self, kind):
        def generator(request: pb.RepeatRequest) -> Iterator[pb.RepeatResponse]:
            yield from ANSWERS

        async def async_generator(request: pb.RepeatRequest) -> AsyncIterator[pb.RepeatResponse]:
            for answer in ANSWERS:
                yield answer

        async def async_list(request: pb.RepeatRequest) -> list[pb.RepeatResponse]:
            return ANSWERS

        class Each:
            def __init__(self, request: pb.RepeatRequest) -> None:
                self._left = iter(ANSWERS)

            def __aiter__(self) -> "Each":
                return self

            async def __anext__(self) -> pb.RepeatResponse:
                for answer in self._left:
                    return answer
                raise StopAsyncIteration

        def each(request: pb.RepeatRequest) -> Each:
            return Each(request)

        functions: dict[str, Any] = {
            "generator": generator,
            "async generator": async_generator,
            "list": lambda _: ANSWERS,
            "async list": async_list,
            "async iterator": each,
            "with the context": lambda request, ctx: ANSWERS if ctx.method.endswith("/Repeat") else [],
        }
        assert await repeated(FakeStreamService(repeat=functions[kind])) == ANSWERS

    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_a_generator_is_closed_when_its_caller_goes(self, asynchronous):
        closed: list[str] = []

        def endless(request: pb.RepeatRequest) -> Iterator[pb.RepeatResponse]:
            try:
                yield from itertools.repeat(pb.RepeatResponse(payload=bytes(10_000)))
            finally:
                closed.append("plain")

        async def async_endless(request: pb.RepeatRequest) -> AsyncIterator[pb.RepeatResponse]:
            try:
                while True:
                    yield pb.RepeatResponse(payload=bytes(10_000))
            finally:
                closed.append("async")

        fake = FakeStreamService(repeat=async_endless if asynchronous else endless)
        async with served(fake) as channel, StreamServiceClient(channel).repeat(pb.RepeatRequest(), PATIENT) as call:
            await anext(call)
        assert closed == ["async" if asynchronous else "plain"]

    async def test_a_function_that_gives_one_message_says_so(self):
        with pytest.raises(RpcError) as caught:
            await repeated(FakeStreamService(repeat=lambda _: pb.RepeatResponse()))
        assert caught.value.message == (
            "the fake of stream.v1.StreamService/Repeat gave a RepeatResponse; repeat=... gives a list of objects of RepeatResponse,"
            " or yields them"
        )

    async def test_a_list_of_something_else_says_so(self):
        with pytest.raises(RpcError, match=r"gave an int; repeat=\.\.\. gives an object of RepeatResponse"):
            await repeated(FakeStreamService(repeat=lambda _: [1]))


class TestClientStream:
    async def test_a_message_is_the_answer_once_every_request_was_read(self):
        fake = FakeStreamService(collect=pb.CollectResponse(count=9))
        assert (await collected(fake)).count == 9
        assert [[one.payload for one in call] for call in fake.collect.requests] == [[b"a", b"b"]]

    async def test_a_function_reads_what_it_wants(self):
        async def first(requests: AsyncIterator[pb.CollectRequest], ctx: Context) -> pb.CollectResponse:
            return pb.CollectResponse(count=len((await anext(requests)).payload))

        fake = FakeStreamService(collect=first)
        assert (await collected(fake)).count == 1
        assert [[one.payload for one in call] for call in fake.collect.requests] == [[b"a"]]

    async def test_an_error_ends_the_call_before_its_requests(self):
        fake = FakeStreamService(collect=RpcError(Code.RESOURCE_EXHAUSTED, "full"))
        with pytest.raises(RpcError, match="full"):
            await collected(fake)
        assert fake.collect.requests == [[]]


class TestBidiStream:
    async def test_a_list_is_sent_and_every_request_is_read(self):
        fake = FakeStreamService(converse=REPLIES)
        assert await conversed(fake) == REPLIES
        assert [[one.payload for one in call] for call in fake.converse.requests] == [[b"a", b"b"]]

    async def test_a_list_is_sent_without_waiting_for_requests(self):
        fake = FakeStreamService(converse=REPLIES)
        async with served(fake) as channel, StreamServiceClient(channel).converse(options=PATIENT) as call:
            assert [await anext(call) for _ in REPLIES] == REPLIES
            await call.send(pb.ConverseRequest(payload=b"late"))
            await call.half_close()
            assert [one async for one in call] == []
        assert [[one.payload for one in call] for call in fake.converse.requests] == [[b"late"]]

    async def test_a_function_converses(self):
        async def echoed(requests: AsyncIterator[pb.ConverseRequest]) -> AsyncIterator[pb.ConverseResponse]:
            async for request in requests:
                yield pb.ConverseResponse(payload=request.payload)

        fake = FakeStreamService(converse=echoed)
        assert [one.payload for one in await conversed(fake)] == [b"a", b"b"]
        assert len(fake.converse.contexts) == 1


class TestMistakes:
    """What is no reply of the method ends the making of the fake, in one sentence."""

    @pytest.mark.parametrize(
        ("reply", "what"),
        [
            (echo_pb2.SayRequest(), "a SayRequest"),
            ({"n": 1}, "a dict"),
            (echo_pb2.SayResponse, "the class SayResponse"),
            (ValueError("x"), "a ValueError"),
        ],
    )
    def test_of_a_unary_method(self, reply, what):
        with pytest.raises(SetupError) as caught:
            FakeEchoService(say=reply)
        assert str(caught.value) == (
            f"say= of the fake of echo.v1.EchoService is {what}; give an object of SayResponse, an RpcError,"
            " or a function of the SayRequest"
        )

    @pytest.mark.parametrize(
        ("reply", "what"),
        [
            (pb.RepeatResponse(), "a RepeatResponse"),
            ("text", "a str"),
            ({}, "a dict"),
            (iter(ANSWERS), "an iterator, which lasts for one call alone"),
            ([*ANSWERS, 1], "a list with an int"),
            ([None], "a list with None"),
        ],
    )
    def test_of_a_stream(self, reply, what):
        with pytest.raises(SetupError) as caught:
            FakeStreamService(repeat=reply)
        assert str(caught.value) == (
            f"repeat= of the fake of stream.v1.StreamService is {what}; give a list of objects of RepeatResponse, an RpcError,"
            " or a function that makes such a list or yields them"
        )

    def test_a_function_without_a_place_for_the_request(self):
        with pytest.raises(
            SetupError, match=r"^say= of the fake of .* is <lambda>\(\); write a function of \(request\) or \(request, ctx\)$"
        ):
            FakeEchoService(say=lambda: None)

    def test_a_name_that_no_method_has(self):
        with pytest.raises(TypeError, match="sey"):
            FakeEchoService(sey=None)


def test_a_fake_is_served_in_a_simulation():
    fake = FakeEchoService(say=plus_one)

    async def main(run: Simulation) -> int:
        async with App(ServiceConfig(insecure=True)) as app:
            app.add(fake)
            await app.start(sock=run.node("echo").listen(8080))
            async with connect("echo:8080", insecure=True) as channel:
                return (await EchoServiceClient(channel).say(echo_pb2.SayRequest(n=1))).n

    assert simulate(main) == 2
