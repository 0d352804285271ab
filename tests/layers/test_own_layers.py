"""An application's layers on both sides, over real sockets: whatever one does, its call has one end."""

import asyncio
import logging
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY, EchoServiceClient
from stream.v1 import stream_pb2 as stream_pb
from stream.v1.stream_towpath import StreamServiceClient

from tests.call_counts import counted_calls
from tests.echo_service import FOREVER, PATIENCE, Echo
from tests.own_layer import Act, Own, served
from tests.stream_service import Streams, answers
from towpath import App, CallOptions, Code, Context, Metadata, RpcError, current
from towpath._app.settings.service_file import ServiceConfig
from towpath._core import clock
from towpath._core.early_rejection import Rejection
from towpath._core.service import Handler, MethodSpec
from towpath._layers.own_layers import LAST_WORDS, OwnLayers
from towpath._telemetry.metrics import CallMetrics
from towpath.transport import Channel

PROTOCOLS = ["grpc", "connect", "grpc-web"]
LONG = CallOptions(timeout=PATIENCE)


async def say(channel: Any, options: CallOptions = LONG) -> pb.SayResponse:
    return await EchoServiceClient(channel).say(pb.SayRequest(id="a"), options)


async def repeat(channel: Any, *sizes: int) -> list[int]:
    call = StreamServiceClient(channel).repeat(stream_pb.RepeatRequest(answers=answers(sizes)), LONG)
    return [len(response.payload) async for response in call]


async def refuses(following: Handler, request: Any, ctx: Context) -> Any:
    raise RpcError(Code.PERMISSION_DENIED, "not you")


async def breaks(following: Handler, request: Any, ctx: Context) -> Any:
    raise ValueError("a secret")


async def hangs(following: Handler, request: Any, ctx: Context) -> Any:
    await asyncio.Event().wait()


async def passes(following: Handler, request: Any, ctx: Context) -> Any:
    return await following(request, ctx)


async def doubles(following: Handler, request: Any, ctx: Context) -> Any:
    await following(request, ctx)
    return await following(request, ctx)


def answers_itself(response: Any) -> Act:
    async def act(following: Handler, request: Any, ctx: Context) -> Any:
        return response

    return act


class TestUnary:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize("side", ["server", "client"])
    async def test_an_rpc_error_of_a_layer_is_the_end_of_the_call(self, side: str, protocol: str) -> None:
        echo = Echo()
        async with served(echo, **{side: [Own(refuses)]}, protocol=protocol) as channel:
            with pytest.raises(RpcError, match="not you") as refused:
                await say(channel)
        assert refused.value.code is Code.PERMISSION_DENIED
        assert not echo.seen

    async def test_another_error_of_a_servers_layer_is_internal_and_logged_whole(self, caplog: pytest.LogCaptureFixture) -> None:
        async with served(Echo(), server=[Own(breaks)]) as channel:
            with caplog.at_level(logging.CRITICAL + 1), pytest.raises(RpcError) as refused:
                await say(channel)
        assert refused.value.code is Code.INTERNAL
        assert "secret" not in refused.value.message

    async def test_another_error_of_a_clients_layer_is_its_callers(self) -> None:
        async with served(Echo(), client=[Own(breaks)]) as channel:
            with pytest.raises(ValueError, match="a secret"):
                await say(channel)

    @pytest.mark.parametrize("side", ["server", "client"])
    async def test_a_layer_may_answer_without_calling_on(self, side: str) -> None:
        echo, metrics = Echo(), CallMetrics()
        mine = Own(answers_itself(pb.SayResponse(id="mine")))
        async with served(echo, **{side: [mine]}, metrics=metrics) as channel:
            assert (await say(channel)).id == "mine"
        assert not echo.seen
        counted = counted_calls(metrics.registry, "client", "echo.v1.EchoService/Say", "OK")
        assert counted == (1 if side == "server" else 0)  # a call that was not made is no call to the target

    async def test_an_answer_of_another_type_is_internal_of_a_server_and_a_type_error_of_a_client(self) -> None:
        wrong = Own(answers_itself({"id": "a"}))
        async with served(Echo(), server=[wrong]) as channel:
            with pytest.raises(RpcError) as refused:
                await say(channel)
        assert refused.value.code is Code.INTERNAL
        async with served(Echo(), client=[wrong]) as channel:
            with pytest.raises(TypeError, match=r"a layer answered echo\.v1\.EchoService/Say with dict instead of SayResponse"):
                await say(channel)

    @pytest.mark.parametrize("side", ["server", "client"])
    async def test_a_layer_that_calls_on_twice_has_the_handler_run_twice(self, side: str) -> None:
        echo = Echo()
        async with served(echo, **{side: [Own(doubles)]}) as channel:
            assert (await say(channel)).id == "a"
        assert echo.seen["say"] == 2

    @pytest.mark.parametrize("side", ["server", "client"])
    async def test_a_layer_that_never_ends_ends_at_the_deadline(self, side: str) -> None:
        async with served(Echo(), **{side: [Own(hangs)]}) as channel:
            with pytest.raises(RpcError) as late:
                await say(channel, CallOptions(timeout=0.05))
        assert late.value.code is Code.DEADLINE_EXCEEDED

    async def test_a_layer_has_the_error_of_the_transport_at_the_deadline(self) -> None:
        seen: list[BaseException] = []

        def hold(until: float) -> None:
            while clock.now() < until:
                pass

        async def notes(following: Handler, request: Any, ctx: Context) -> Any:
            assert ctx.deadline is not None
            asyncio.get_running_loop().call_soon(hold, ctx.deadline + 3 * LAST_WORDS)  # every timer is due in one turn
            try:
                return await following(request, ctx)
            except BaseException as error:
                seen.append(error)
                raise

        async with served(Echo(), client=[Own(notes)]) as channel:
            with pytest.raises(RpcError):
                await EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER), CallOptions(timeout=1.0))
        assert [getattr(error, "code", error) for error in seen] == [Code.DEADLINE_EXCEEDED]

    async def test_a_timeout_of_the_layers_own_is_no_deadline(self) -> None:
        async def gives_up(following: Handler, request: Any, ctx: Context) -> Any:
            raise TimeoutError("the token server")

        async with served(Echo(), client=[Own(gives_up)]) as channel:
            with pytest.raises(TimeoutError, match="the token server"):
                await say(channel)

    @pytest.mark.parametrize("side", ["server", "client"])
    async def test_a_cancelled_call_cancels_the_layer(self, side: str) -> None:
        begun, cancelled = asyncio.Event(), asyncio.Event()

        async def waits(following: Handler, request: Any, ctx: Context) -> Any:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        async with served(Echo(), **{side: [Own(waits)]}) as channel:
            task = asyncio.create_task(say(channel))
            async with asyncio.timeout(PATIENCE):
                await begun.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await cancelled.wait()

    async def test_a_layer_that_swallows_its_cancellation_harms_nobody(self) -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def stubborn(following: Handler, request: Any, ctx: Context) -> Any:
            if not begun.is_set():
                begun.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    ended.set()
            return await following(request, ctx)

        async with served(Echo(), server=[Own(stubborn)]) as channel:
            task = asyncio.create_task(say(channel))
            async with asyncio.timeout(PATIENCE):
                await begun.wait()
                task.cancel()
                await ended.wait()
                assert (await say(channel)).id == "a"

    async def test_what_a_servers_layer_sets_is_inherited_by_the_calls_of_the_handler(self) -> None:
        found: list[Context | None] = []

        class Looking(Echo):
            async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
                found.extend((ctx, current()))
                return await super().say(request, ctx)

        async def tags(following: Handler, request: Any, ctx: Context) -> Any:
            return await following(request, ctx.replace(tenant="acme", metadata=[("k", "v")]))

        async with served(Looking(), server=[Own(tags), Own(passes)]) as channel:
            await say(channel)
        handled, now = found
        assert handled is now
        assert handled is not None
        assert (handled.tenant, handled.metadata) == ("acme", Metadata([("k", "v")]))

    async def test_the_first_layer_is_the_outermost_and_a_derived_channels_are_outside(self) -> None:
        order: list[str] = []

        def noting(name: str) -> Own:
            async def act(following: Handler, request: Any, ctx: Context) -> Any:
                order.append(name)
                return await following(request, ctx)

            return Own(act)

        async with served(Echo(), server=[noting("c"), noting("d")], client=[noting("a"), noting("b")]) as channel:
            await say(channel)
            assert order == ["a", "b", "c", "d"]
            order.clear()
            await say(channel.with_layers([noting("outer")]).falling_back({}))
        assert order == ["outer", "a", "b", "c", "d"]


class TestStreams:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize("side", ["server", "client"])
    async def test_an_rpc_error_of_a_layer_is_the_end_of_the_stream(self, side: str, protocol: str) -> None:
        async with served(Streams(), **{side: [Own(refuses)]}, protocol=protocol) as channel:
            with pytest.raises(RpcError, match="not you"):
                await repeat(channel, 1, 2)

    async def test_another_error_is_internal_of_a_server_and_the_readers_on_a_client(self) -> None:
        async with served(Streams(), server=[Own(breaks)]) as channel:
            with pytest.raises(RpcError) as refused:
                await repeat(channel, 1)
        assert refused.value.code is Code.INTERNAL
        async with served(Streams(), client=[Own(breaks)]) as channel:
            with pytest.raises(ValueError, match="a secret"):
                await repeat(channel, 1)

    async def test_a_layer_that_never_ends_ends_at_the_deadline(self) -> None:
        async with served(Streams(), client=[Own(hangs)]) as channel:
            call = StreamServiceClient(channel).repeat(stream_pb.RepeatRequest(), CallOptions(timeout=0.05))
            with pytest.raises(RpcError) as late:
                await anext(call)
        assert late.value.code is Code.DEADLINE_EXCEEDED

    async def test_a_layer_that_never_calls_on_ends_the_stream_without_a_message(self) -> None:
        for side in ("server", "client"):
            async with served(Streams(), **{side: [Own(answers_itself(None))]}) as channel:
                assert await repeat(channel, 1, 2) == []
                with pytest.raises(RpcError) as missing:
                    await StreamServiceClient(channel).collect([stream_pb.CollectRequest()], LONG)
                assert missing.value.code is Code.INTERNAL

    async def test_a_servers_layer_that_calls_on_twice_is_internal(self, caplog: pytest.LogCaptureFixture) -> None:
        async with served(Streams(), server=[Own(doubles)]) as channel:
            call = StreamServiceClient(channel).repeat(stream_pb.RepeatRequest(answers=answers([1])), LONG)
            assert len((await anext(call)).payload) == 1
            with pytest.raises(RpcError) as refused:
                await anext(call)
        assert refused.value.code is Code.INTERNAL
        assert "a layer around stream.v1.StreamService/Repeat has called on twice" in caplog.text

    async def test_a_clients_layer_may_call_on_again_before_the_answer_has_begun(self) -> None:
        streams = Streams()

        async def once_more(following: Handler, request: Any, ctx: Context) -> Any:
            if not streams.seen["refused"]:
                streams.seen["refused"] += 1
                with pytest.raises(RpcError):
                    await following(request, ctx.replace(metadata=[("refuse", "1")]))
            return await following(request, ctx)

        async def refuses_marked(following: Handler, request: Any, ctx: Context) -> Any:
            if ctx.metadata.get("refuse"):
                raise RpcError(Code.UNAUTHENTICATED, "an old token")
            return await following(request, ctx)

        async with served(streams, server=[Own(refuses_marked)], client=[Own(once_more)]) as channel:
            assert await repeat(channel, 1, 2) == [1, 2]

    async def test_a_clients_layer_may_not_call_on_again_after_that(self) -> None:
        async with served(Streams(), client=[Own(doubles)]) as channel:
            with pytest.raises(RuntimeError, match="has called on twice"):
                await repeat(channel, 1)
            with pytest.raises(RuntimeError, match="has called on twice"):
                await StreamServiceClient(channel).collect([stream_pb.CollectRequest()], LONG)

    async def test_nor_while_the_first_time_is_under_way(self) -> None:
        async def at_once(following: Handler, request: Any, ctx: Context) -> Any:
            await asyncio.gather(following(request, ctx), following(request, ctx))

        async with served(Streams(), client=[Own(at_once)]) as channel:
            with pytest.raises(RuntimeError, match="has called on twice"):
                await repeat(channel, 1)

    async def test_a_call_without_a_deadline_may_last(self) -> None:
        deadlines: list[float | None] = []

        async def notes(following: Handler, request: Any, ctx: Context) -> Any:
            deadlines.append(ctx.deadline)
            await following(request, ctx)

        async with served(Streams(), client=[Own(notes)]) as channel:
            call = StreamServiceClient(channel).repeat(stream_pb.RepeatRequest(answers=answers([1])))
            assert [len(response.payload) async for response in call] == [1]
        assert deadlines == [None]

    async def test_a_layer_sees_the_end_of_a_stream(self) -> None:
        ends: list[str] = []

        async def notes(following: Handler, request: Any, ctx: Context) -> Any:
            await following(request, ctx)
            ends.append(ctx.method)

        async with served(Streams(), server=[Own(notes)], client=[Own(notes)]) as channel:
            assert await repeat(channel, 1) == [1]
        assert ends == ["stream.v1.StreamService/Repeat"] * 2


class TestWhatElseALayerMayBe:
    async def test_a_layer_may_reject_early_and_hear_of_calls_that_were_not_begun(self) -> None:
        unstarted: list[Code] = []

        class Closed(Own):
            def early_rejection(self, method: MethodSpec[Any, Any]) -> Any:
                return self if method.name == "Say" else None

            def on_unstarted(self, method: MethodSpec[Any, Any]) -> Any:
                return lambda code, seconds: unstarted.append(code)

            def on_headers(self, headers: Any, extra: Any) -> None:
                """Lets all arrive."""

            def on_arrival(self, ctx: Context, call: Any) -> Any:
                return Rejection(RpcError(Code.UNAVAILABLE, "closed"))

        config = ServiceConfig(admission="off")  # which is asked first where it is on
        async with App(config, layers=[Closed(passes)]) as app:
            app.add(Echo())
            await app.start("127.0.0.1", 0)
            async with Channel(app.address) as channel:
                with pytest.raises(RpcError, match="closed"):
                    await say(channel)
                call = EchoServiceClient(channel).inspect(pb.InspectRequest(), CallOptions(timeout=0.0))
                with pytest.raises(RpcError):
                    await call
        assert set(unstarted) <= {Code.DEADLINE_EXCEEDED, Code.CANCELLED}

    def test_those_that_hear_are_told(self) -> None:
        heard: list[tuple[Code, float]] = []

        class Hearing(Own):
            def on_unstarted(self, method: MethodSpec[Any, Any]) -> Any:
                return lambda code, seconds: heard.append((code, seconds))

        OwnLayers([Hearing(passes), Own(passes)], "server").on_unstarted(SAY)(Code.CANCELLED, 1.5)
        assert heard == [(Code.CANCELLED, 1.5)]

    @pytest.mark.parametrize("side", ["server", "client"])
    def test_a_method_that_no_layer_is_around_costs_nothing(self, side: Any) -> None:
        async def following(request: Any, ctx: Context) -> Any:
            return request

        assert OwnLayers([Own(passes, service="other.")], side).wrap(SAY, following) is following
