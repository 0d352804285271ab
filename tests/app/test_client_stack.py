"""The client's default stack over real sockets: what it tries again, and what it keeps from spreading."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY as SAY_METHOD
from echo.v1.echo_towpath import SLEEP, EchoServiceClient
from stream.v1 import stream_pb2 as stream_pb
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, Relay
from tests.stream_service import Streams
from towpath import App, CallOptions, Code, Context, RpcError, connect
from towpath._app.client import Channel
from towpath._app.client_stack import client_roles
from towpath._app.settings.resilience import Resilience
from towpath._app.settings.service_file import ServiceConfig
from towpath._contracts.policy import MethodConfig
from towpath._core import clock
from towpath._core.context import Reply
from towpath._core.metadata import Metadata
from towpath._core.policies import HedgingPolicy
from towpath._layers.fallback import FixedAnswer
from towpath._layers.retry_budget import BudgetOptions
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import ChannelOptions

THREE = stream_pb.RepeatRequest(answers=[stream_pb.Answer(size=size) for size in (1, 2, 3)])
SAY = "echo.v1.EchoService/Say"


class Failing(Echo):
    """Answers the first `failures` calls of Say with UNAVAILABLE."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures
        self.attempts: list[int] = []

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        self.attempts.append(ctx.attempt)
        if len(self.attempts) <= self.failures:
            raise RpcError(Code.UNAVAILABLE, "not now")
        return await super().say(request, ctx)


def decided(metrics: CallMetrics, role: str, reason: str) -> float | None:
    method = "echo.v1.EchoService/Sleep" if role == "hedge" else SAY
    labels = {"rpc_method": method, "role": role, "reason": reason, "shadow": "false"}
    return metrics.registry.get_sample_value("towpath_decisions_total", labels)


async def test_a_call_that_failed_is_tried_again_and_says_so():
    failing, metrics = Failing(2), CallMetrics()
    async with App() as app:
        app.add(failing)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=metrics) as channel:
            answer = await EchoServiceClient(channel).say(pb.SayRequest(id="a"))
    assert answer.id == "a"
    assert failing.attempts == [0, 1, 2]
    assert decided(metrics, "retry", "ATTEMPT") == 2


class Interrupted(Streams):
    """Loses its first calls of Repeat: before any answer, or after `answers` of their responses."""

    def __init__(self, failures: int, answers: int = 0) -> None:
        super().__init__()
        self.failures = failures
        self.answers = answers
        self.attempts: list[int] = []

    async def repeat(self, request: stream_pb.RepeatRequest, ctx: Context) -> AsyncIterator[stream_pb.RepeatResponse]:
        self.attempts.append(ctx.attempt)
        left = self.answers if len(self.attempts) <= self.failures else len(request.answers)
        if left:
            async for response in super().repeat(request, ctx):
                yield response
                left -= 1
                if not left:
                    break
        if len(self.attempts) <= self.failures:
            raise RpcError(Code.UNAVAILABLE, "not now")


async def test_a_stream_that_failed_before_its_answer_is_tried_again():
    failing = Interrupted(2)
    async with App() as app:
        app.add(failing)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            options = CallOptions(metadata=Metadata([("head-x", "1")]), idempotency_key="k")
            call = StreamServiceClient(channel).repeat(THREE, options)
            headers = await call.headers()
            sizes = [len(response.payload) async for response in call]
    assert sizes == [1, 2, 3]
    assert failing.attempts == [0, 1, 2]
    assert headers.get("head-x") == "1"


async def test_a_stream_that_failed_within_its_answer_is_not():
    failing = Interrupted(1, answers=2)
    async with App() as app:
        app.add(failing)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            call = StreamServiceClient(channel).repeat(THREE)
            sizes = [len((await anext(call)).payload) for _ in range(2)]
            with pytest.raises(RpcError, match="not now"):
                await anext(call)
    assert (sizes, failing.attempts) == ([1, 2], [0])


async def test_only_the_hop_above_the_fault_tries_again():
    bottom, metrics = Failing(1000), CallMetrics()
    async with App() as last:
        last.add(bottom)
        await last.start("127.0.0.1", 0)
        async with App(ServiceConfig(targets={"next": last.address})) as middle:
            relay = Relay(EchoServiceClient(middle.channel("next")))
            middle.add(relay)
            await middle.start("127.0.0.1", 0)
            async with App(ServiceConfig(targets={"next": middle.address})) as first:
                edge = Relay(EchoServiceClient(first.channel("next")))
                first.add(edge)
                await first.start("127.0.0.1", 0)
                async with connect(first.address, metrics=metrics) as channel:
                    with pytest.raises(RpcError, match="not now") as caught:
                        await EchoServiceClient(channel).say(pb.SayRequest())
        assert (edge.seen["say"], relay.seen["say"], bottom.attempts) == (1, 1, [0, 1, 2])
        assert caught.value.pushback == -1.0
        assert decided(metrics, "retry", "PUSHBACK") == 1
        assert decided(middle.metrics, "retry", "ATTEMPTS_EXHAUSTED") == 1


TURNS = ChannelOptions(balancer="round_robin", slow_start=0)


@asynccontextmanager
async def two_servers(ill: Failing):
    """A target of two servers, one of them `ill`, both of them connected."""
    async with App() as first, App() as second:
        first.add(ill)
        second.add(well := Echo())
        for app in (first, second):
            await app.start("127.0.0.1", 0)
        yield f"static:///{first.address},{second.address}", well


async def calls(channel: Channel, count: int) -> None:
    for _ in range(count):
        await EchoServiceClient(channel).say(pb.SayRequest(id="a"), CallOptions(timeout=PATIENCE, wait_for_ready=True))


async def until_both_answer(channel: Channel, ill: Failing) -> None:
    while not ill.attempts:
        await calls(channel, 1)


async def test_an_endpoint_that_fails_is_left_alone_and_taken_again_once_it_is_well():
    ill, metrics, now = Failing(5), CallMetrics(), clock.now()
    with clock.using(lambda: now):
        async with two_servers(ill) as (target, _), connect(target, metrics=metrics, options=TURNS) as channel:
            await until_both_answer(channel, ill)
            await calls(channel, 30)
            assert len(ill.attempts) == 5  # then its breaker is open; all calls were answered, by the other one
            now += 2.0
            await calls(channel, 10)
            assert len(ill.attempts) == 5 + 5  # a probe, and then its turns


async def test_a_breaker_in_shadow_only_counts():
    ill, metrics, now = Failing(20), CallMetrics(), clock.now()
    with clock.using(lambda: now):
        async with (
            two_servers(ill) as (target, _),
            connect(target, metrics=metrics, options=TURNS, resilience=Resilience(breaker="shadow")) as channel,
        ):
            await until_both_answer(channel, ill)
            await calls(channel, 20)
            assert len(ill.attempts) > 5
    labels = {"rpc_method": SAY, "role": "breaker", "reason": "BREAKER_OPEN", "shadow": "true"}
    assert metrics.registry.get_sample_value("towpath_decisions_total", labels)


async def test_without_breaker_and_throttle_a_target_is_asked_whatever_it_says():
    ill = Failing(1000)
    async with App() as app:
        app.add(ill)
        await app.start("127.0.0.1", 0)
        off = Resilience(breaker="off", throttle="off", budget=BudgetOptions(ratio=0, per_second=0))
        async with connect(app.address, metrics=CallMetrics(), resilience=off) as channel:
            for _ in range(100):
                with pytest.raises(RpcError, match="not now"):
                    await EchoServiceClient(channel).say(pb.SayRequest())
    assert len(ill.attempts) == 100


HEDGED = ServiceConfig(
    methods=(MethodConfig(names=(("echo.v1.EchoService", "Sleep"),), hedge=HedgingPolicy(hedging_delay=0.05, extra_load=0.05)),)
)


def test_a_call_that_is_hedged_is_not_retried_too():
    hedged = client_roles(SLEEP, CallMetrics(), HEDGED.methods)
    assert ("hedge" in hedged, "retry" in hedged) == (True, False)
    assert "retry" in client_roles(SLEEP, CallMetrics())


async def test_a_slow_call_is_hedged_at_another_server_where_the_file_says_so():
    metrics = CallMetrics()
    async with App() as first, App() as second:
        slow, quick = Echo(), Echo()
        for app, echo in ((first, slow), (second, quick)):
            app.add(echo)
            await app.start("127.0.0.1", 0)
        quick.release.set()
        target = f"static:///{first.address},{second.address}"
        async with connect(target, config=HEDGED, metrics=metrics, options=TURNS) as channel:
            client = EchoServiceClient(channel)
            seconds, before, won = 2.0, None, None
            while won == before:
                for _ in range(40):  # what earns a hedge, and connects both
                    await client.sleep(pb.SleepRequest(), CallOptions(timeout=PATIENCE, wait_for_ready=True))
                before = decided(metrics, "hedge", "WON")
                with suppress(RpcError):  # on a busy machine those before may have been hedged for all that they have earned
                    await client.sleep(pb.SleepRequest(seconds=FOREVER), CallOptions(timeout=seconds))
                won = decided(metrics, "hedge", "WON")
                seconds *= 2
            await slow.until(lambda: slow.seen["cancelled"] > 0)


async def test_a_channel_can_fall_back_on_what_is_good_enough():
    failing, metrics = Failing(1000), CallMetrics()
    async with App() as app:
        app.add(failing)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=metrics) as channel:
            reply = Reply()
            client = EchoServiceClient(channel.falling_back({SAY_METHOD: FixedAnswer(response=pb.SayResponse(text="later"))}))
            answer = await client.say(pb.SayRequest(), CallOptions(reply=reply))
            with pytest.raises(RpcError, match="not now"):
                await EchoServiceClient(channel).say(pb.SayRequest())
    assert (answer.text, reply.trailers.get("towpath-fallback")) == ("later", "VALUE")
    assert decided(metrics, "fallback", "VALUE") == 1
