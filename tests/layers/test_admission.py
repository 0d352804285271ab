"""A server takes on what it can do in time, and says no to the rest before it costs anything."""

import asyncio
import random

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import FAIL, SAY
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.busy_loop import BusyLoop
from towpath.core import clock
from towpath.core.context import Context, Criticality
from towpath.core.errors import Code, RpcError
from towpath.core.service import MethodKind, MethodSpec, gate_of
from towpath.core.signals import reason_of
from towpath.core.trace import TraceContext
from towpath.layers.admission import Admission
from towpath.layers.lane import CONCURRENCY_LIMIT, LOOP_LAG, PRIORITY, QUEUE_DELAY, QueueOptions
from towpath.layers.limit import LimitOptions

HALF_P99 = 0.0045
"""Of calls at half load in seconds; calls that compute for 1 ms and come at random wait for each other then, too."""

READ, TASK, REFUSE = 15e-6, 30e-6, 5e-6
WATCH = MethodSpec(service="a.B", name="Watch", request=SayRequest, response=SayRequest, kind=MethodKind.SERVER_STREAMING)


def admission(most=20, **options):
    told = []
    options.setdefault("limit_of", lambda _: LimitOptions(initial=most, most=most))
    return Admission(signal=lambda *signal: told.append(signal), rng=random.Random(5), **options), told


class Handler:
    """Waits until it is let go."""

    def __init__(self):
        self.begun = []
        self.go = asyncio.Event()

    async def __call__(self, request, ctx):
        self.begun.append(request)
        await self.go.wait()
        return request


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


class Overload:
    """Open-loop calls at `load` times what a handler can do that computes for 1 ms, for `seconds` of virtual time."""

    def __init__(self, load, seconds=3.0, *, gated=True, classes=(Criticality.CRITICAL,)):
        self.latencies, self.refused, self.served = [], [], []
        self.told = []
        loop, rng = BusyLoop(), random.Random(1)
        layer = Admission(signal=lambda *signal: self.told.append(signal[2]), rng=random.Random(2))

        async def compute(_request, _ctx):
            loop.burn(0.001)

        async def call(at, ctx):
            loop.burn(TASK)
            try:
                await handle(None, ctx)
            except RpcError:
                loop.burn(TASK)
                self.refused.append(ctx)
            else:
                self.latencies.append(loop.now - at)
                self.served.append(ctx)

        def arrive(at):
            loop.burn(READ)
            trace = TraceContext.received(b"00-%032x-%016x-01" % (rng.getrandbits(127) + 1, 1))
            ctx = Context("a/b", criticality=rng.choice(classes), attempt=rng.choice((0, 0, 1)), trace=trace)
            ctx.arrived = loop.now
            if gated and gate(ctx) is not None:
                loop.burn(REFUSE)
                self.refused.append(ctx)
            else:
                task = loop.create_task(call(at, ctx))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        handle, gate = layer.wrap(SAY, compute), layer.gate(SAY)
        tasks = set()
        at = begin = loop.now
        while at < begin + seconds:
            at += rng.expovariate(load / 0.001)
            loop.arrivals.append((at, arrive))

        async def until_all_is_done():
            await asyncio.sleep(seconds)
            while tasks or loop.arrivals:  # noqa: ASYNC110 # time is virtual, and nothing happens that could set an event
                await asyncio.sleep(0.01)

        loop.drive(until_all_is_done())
        self.goodput = len(self.latencies) / (loop.now - begin)
        steady = sorted(self.latencies[len(self.latencies) // 4 :])
        self.p99 = steady[int(0.99 * (len(steady) - 1))]


@pytest.mark.parametrize("load", [1.0, 1.5, 2.0, 3.0, 5.0])
def test_a_handler_that_computes_keeps_its_goodput_and_its_latency_under_any_load(load):
    over = Overload(load)
    assert over.goodput > 0.9 * Overload(1.5).goodput
    assert over.p99 <= 2 * HALF_P99


def test_ten_times_the_load_costs_no_more_than_reading_and_refusing_it_costs():
    over = Overload(10.0)
    # 0.02 ms for each of 9,000 calls a second are 0.18 of the loop.
    assert over.goodput > 700
    assert over.p99 <= 2 * HALF_P99


def test_half_the_load_is_served_whole():
    half = Overload(0.5, 8.0)
    assert not half.refused
    assert half.p99 >= HALF_P99


def test_without_a_gate_the_queue_still_keeps_its_latency():
    over = Overload(3.0, gated=False)
    assert over.goodput > 700
    assert over.p99 < 0.03
    assert QUEUE_DELAY in over.told


def test_the_least_important_calls_are_refused_first_and_retries_before_first_attempts():
    over = Overload(2.0, classes=(Criticality.SHEDDABLE, Criticality.CRITICAL_PLUS))

    def share(criticality, attempt):
        refused = sum((ctx.criticality, ctx.attempt) == (criticality, attempt) for ctx in over.refused)
        return refused / (refused + sum((ctx.criticality, ctx.attempt) == (criticality, attempt) for ctx in over.served))

    assert PRIORITY in over.told
    assert share(Criticality.SHEDDABLE, 0) > 1.5 * share(Criticality.CRITICAL_PLUS, 0)
    assert share(Criticality.SHEDDABLE, 1) > share(Criticality.SHEDDABLE, 0)


async def test_below_the_limit_a_call_passes_at_once():
    layer, told = admission()
    handler = Handler()
    handler.go.set()
    assert await layer.wrap(SAY, handler)("x", Context("a/b")) == "x"
    assert not told


async def test_at_the_limit_calls_wait_and_begin_in_order():
    layer, _ = admission(most=1, limit_of=lambda _: LimitOptions(initial=1, most=1))
    handler = Handler()
    handle = layer.wrap(SAY, handler)
    calls = [asyncio.create_task(handle(n, Context("a/b"))) for n in range(3)]
    await turns()
    assert handler.begun == [0]
    handler.go.set()
    assert await asyncio.gather(*calls) == [0, 1, 2]
    assert handler.begun == [0, 1, 2]


async def test_a_call_that_finds_no_room_to_wait_is_refused_with_its_figures():
    layer, told = admission(most=1, queue=QueueOptions(length=1))
    handler = Handler()
    handle = layer.wrap(SAY, handler)
    calls = [asyncio.create_task(handle(n, Context("a/b"))) for n in range(2)]
    await turns()
    with pytest.raises(RpcError) as caught:
        await handle(3, Context("a/b"))
    error = caught.value
    assert (error.code, reason_of(error), error.unprocessed) == (Code.RESOURCE_EXHAUSTED, CONCURRENCY_LIMIT, True)
    assert 0.025 <= error.pushback <= 3
    figures = error.details[0].metadata
    assert (figures["limit"], figures["under_way"], figures["waiting"]) == ("1", "1", "1")
    assert told == [("echo.v1.EchoService/Say", "admission", CONCURRENCY_LIMIT, False)]
    handler.go.set()
    await asyncio.gather(*calls)


async def test_one_refusal_is_said_to_several_and_pushback_grows_with_overload():
    layer, _ = admission(most=1)
    layer.wrap(SAY, Handler())
    lane = layer.gate(SAY).__self__
    errors = [lane.refuse(QUEUE_DELAY, 0.0) for _ in range(65)]
    assert len({id(error) for error in errors}) == 3
    mild = max(lane.error(QUEUE_DELAY).pushback for _ in range(50))
    ctx = Context("a/b")
    for _ in range(200):
        lane.verdict(ctx, 0.0, 5000)
    assert min(lane.error(QUEUE_DELAY).pushback for _ in range(50)) > mild


async def test_a_late_loop_is_an_overload_although_nobody_waits():
    layer, _ = admission(queue=QueueOptions(lag=0.0001))
    layer.wrap(SAY, Handler())
    lane = layer.gate(SAY).__self__
    lane.refuse(QUEUE_DELAY, 0.0)
    layer._probe.seconds = 1.0  # as a handler that computes for long would have it
    assert LOOP_LAG in {lane.verdict(Context("a/b"), 0.5, 0) for _ in range(200)}


@pytest.mark.parametrize("served", [False, True])
async def test_a_call_that_is_cancelled_while_it_waits_leaves_the_counts_right(served):
    layer, _ = admission(most=1)
    handler = Handler()
    handle = layer.wrap(SAY, handler)
    lane = layer.gate(SAY).__self__
    first, second = (asyncio.create_task(handle(n, Context("a/b"))) for n in range(2))
    await turns()
    if served:
        # The place is handed over and the call cancelled in one turn, before the call has noticed either.
        lane.limit.limit = 2
        assert lane.serve(clock.now(), 1) == 1
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert lane.begun == 1
    handler.go.set()
    await first
    assert lane.begun == 0
    assert await handle(3, Context("a/b")) == 3


async def test_a_call_that_is_dropped_and_cancelled_in_one_turn_is_cancelled():
    layer, _ = admission(most=1)
    handler = Handler()
    handle = layer.wrap(SAY, handler)
    lane = layer.gate(SAY).__self__
    first, second = (asyncio.create_task(handle(n, Context("a/b"))) for n in range(2))
    await turns()
    later = clock.now() + 10
    lane.codel.waited(later, 1.0)
    lane.codel.waited(later + 0.15, 1.0)  # the queue stands
    assert lane.serve(later + 0.16, 1) == 0
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    handler.go.set()
    await first
    assert lane.begun == 0


def test_methods_share_the_turns_of_their_loop():
    loop = BusyLoop()
    layer, _ = admission()
    order = []

    def computes(name):
        async def compute(_request, _ctx):
            loop.burn(0.002)
            order.append(name)

        return compute

    async def main():
        say, fail = layer.wrap(SAY, computes("say")), layer.wrap(FAIL, computes("fail"))
        await asyncio.gather(*(handle(None, Context("a/b")) for handle in (say, say, say, fail, fail)))

    loop.drive(main())
    assert order.index("fail") < 4
    assert sorted(order) == ["fail", "fail", "say", "say", "say"]


async def test_one_that_waits_is_cancelled_and_the_others_are_still_served():
    layer, _ = admission(most=1)
    handler = Handler()
    handle = layer.wrap(SAY, handler)
    first, second, third = (asyncio.create_task(handle(n, Context("a/b"))) for n in range(3))
    await turns()
    second.cancel()
    await turns()
    handler.go.set()
    assert await asyncio.gather(first, third) == [0, 2]


@pytest.mark.parametrize("error", [RpcError(Code.NOT_FOUND), RpcError(Code.UNAVAILABLE)])
async def test_a_failed_call_gives_its_place_back(error):
    layer, _ = admission(most=1)

    async def fail(_request, _ctx):
        raise error

    handle = layer.wrap(SAY, fail)
    for _ in range(3):
        with pytest.raises(RpcError):
            await handle(None, Context("a/b"))


async def test_a_stream_is_admitted_like_a_call_and_holds_no_place():
    layer, _ = admission(most=1)
    handler = Handler()
    handle = layer.wrap(WATCH, handler)
    streams = [asyncio.create_task(handle(n, Context("a/b"))) for n in range(3)]
    await turns()
    assert handler.begun == [0, 1, 2]
    handler.go.set()
    await asyncio.gather(*streams)


def test_streams_wait_for_their_turn_too():
    loop = BusyLoop()
    layer, _ = admission()

    async def compute(_request, _ctx):
        loop.burn(0.002)
        began.append(loop.now)

    async def main():
        handle, unary = layer.wrap(WATCH, compute), layer.wrap(SAY, compute)
        await asyncio.gather(unary(None, Context("a/b")), handle(None, Context("a/b")))

    began = []
    loop.drive(main())
    assert len(began) == 2


async def test_in_shadow_everybody_passes_and_the_decision_is_told():
    layer, told = admission(most=1, shadow=True, queue=QueueOptions(lag=0.5))
    handler = Handler()
    handle, stream = layer.wrap(SAY, handler), layer.wrap(WATCH, handler)
    assert layer.gate(SAY) is None
    handler.go.set()
    await stream(0, Context("a/b"))
    handler.go.clear()
    calls = [asyncio.create_task(handle(n, Context("a/b"))) for n in range(2)]
    await turns()
    assert told == [("echo.v1.EchoService/Say", "admission", CONCURRENCY_LIMIT, True)]
    handler.go.set()
    await asyncio.gather(*calls)
    layer._probe.seconds = 1.0
    await handle(3, Context("a/b"))
    assert told[-1][2:] == (LOOP_LAG, True)
    now = clock.now()
    with clock.using(lambda: now):
        ctx = Context("a/b")
        for _ in range(30):
            ctx.arrived = now - 0.05
            await handle(4, ctx)
            now += 0.01
    assert told[-1][2:] == (QUEUE_DELAY, True)


def test_a_method_without_a_limit_has_neither_the_role_nor_a_gate():
    layer, _ = admission(limit_of=lambda method: None if method is FAIL else LimitOptions())
    handler = object()
    assert layer.wrap(FAIL, handler) is handler
    assert gate_of([layer], FAIL) is None
    layer.wrap(SAY, handler)
    assert gate_of([layer], SAY) is not None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["call", "cancel", "go", "stop", "turn"]), st.integers(0, 20)), max_size=60), st.integers(1, 4))
def test_whatever_comes_and_goes_no_place_is_lost(steps, most):
    async def main():
        layer, _ = admission(most=most, limit_of=lambda _: LimitOptions(initial=most, most=most), queue=QueueOptions(length=5))
        handler = Handler()
        handle = layer.wrap(SAY, handler)
        lane = layer.gate(SAY).__self__
        calls = []
        for step, which in steps:
            if step == "call":
                calls.append(asyncio.create_task(handle(which, Context("a/b"))))
            elif step == "cancel" and calls:
                calls[which % len(calls)].cancel()
            elif step == "go":
                handler.go.set()
            elif step == "stop":
                handler.go.clear()
            else:
                await asyncio.sleep(0)
            assert 0 <= lane.begun <= most
        handler.go.set()
        await asyncio.gather(*calls, return_exceptions=True)
        assert lane.begun == 0
        assert not layer._turns.waiting

    asyncio.run(main())
