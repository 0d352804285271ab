"""A server takes on what it can do in time, and says no to the rest before it costs anything."""

import asyncio
import random
from functools import partial

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import FAIL, SAY
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.admission.busy_loop import BusyLoop
from tests.layers.admission.held import Held, put
from tests.layers.admission.late_loop import make_late
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import reason_of
from towpath._core.early_rejection import WAIT, Rejection, early_rejection_of
from towpath._core.errors import Code, RpcError
from towpath._core.propagation.trace import TraceContext
from towpath._core.server_call import ServerCallInfo
from towpath._core.service import MethodKind, MethodSpec
from towpath._layers.admission.adaptive_limit import LimitOptions
from towpath._layers.admission.admission import Admission
from towpath._layers.admission.rejections import CONCURRENCY_LIMIT, LOOP_LAG, QUEUE_DELAY, QUEUE_FULL
from towpath._layers.admission.wait_limits import QueueOptions

WATCH = MethodSpec(service="a.B", name="Watch", request=SayRequest, response=SayRequest, kind=MethodKind.SERVER_STREAMING)


def admission(most=20, **options):
    told = []
    options.setdefault("limit_of", lambda _: LimitOptions(initial=most, max_limit=most))
    return Admission(signal=told.append, rng=random.Random(5), **options), told


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


async def test_below_the_limit_a_call_passes_at_once():
    layer, told = admission()
    handler = Handler()
    handler.go.set()
    assert await layer.wrap(SAY, handler)("x", Context("a/b")) == "x"
    assert not told


async def test_at_the_limit_calls_wait_and_begin_in_order():
    layer, _ = admission(most=1, limit_of=lambda _: LimitOptions(initial=1, max_limit=1))
    handler = Handler()
    handle = layer.wrap(SAY, handler)
    make_late(layer)
    calls = [asyncio.create_task(handle(n, Context("a/b"))) for n in range(3)]
    await turns()
    assert handler.begun == [0]
    handler.go.set()
    assert await asyncio.gather(*calls) == [0, 1, 2]
    assert handler.begun == [0, 1, 2]


async def test_a_call_that_finds_no_room_to_wait_is_refused_with_its_figures():
    layer, told = admission(most=1, queue=QueueOptions(max_length=1))
    handler = Handler()
    handle = layer.wrap(SAY, handler)
    make_late(layer)
    calls = [asyncio.create_task(handle(n, Context("a/b"))) for n in range(2)]
    await turns()
    with pytest.raises(RpcError) as caught:
        await handle(3, Context("a/b"))
    error = caught.value
    assert (error.code, reason_of(error), error.unprocessed) == (Code.RESOURCE_EXHAUSTED, QUEUE_FULL, True)
    assert 0.025 <= error.pushback <= 3
    figures = error.details[0].metadata
    assert (figures["limit"], figures["under_way"]) == ("1", "1")
    assert [(*decision[:4], decision.rejected) for decision in told] == [("echo.v1.EchoService/Say", "admission", QUEUE_FULL, False, True)]
    handler.go.set()
    await asyncio.gather(*calls)


async def test_one_refusal_is_said_to_several_and_pushback_grows_with_overload():
    layer, _ = admission(most=1)
    layer.wrap(SAY, Handler())
    queue = layer.queue_of(SAY)

    def pushbacks(since):
        errors = [queue.reject(QUEUE_DELAY, since + number / 1000).error for number in range(1010)]
        assert len({id(error) for error in errors}) in (20, 21)  # one for each twentieth of a second
        return [error.pushback for error in errors]

    mild = max(pushbacks(0.0))
    for n in range(45):  # for less than a second, after which it is tried to refuse nobody
        for _ in range(5):
            put(queue, Context("a/b"), Held(partial(asyncio.sleep, 0)), 10 + 0.02 * n)
        queue.choose(10 + 0.02 * n, 0)
    assert min(pushbacks(10.9)) > mild
    await turns(100)


async def test_a_late_loop_is_an_overload_although_nobody_waits_long():
    layer, _ = admission(queue=QueueOptions(max_lag=0.0001))
    layer.wrap(SAY, Handler())
    queue = layer.queue_of(SAY)
    queue.reject(QUEUE_DELAY, 0.0)
    layer.probe.record(1.0)  # as something that computes for long would have it, and be it no call
    now, verdicts = 0.0, set()
    with clock.using(lambda: now):
        for n in range(200):
            now = 0.005 * n
            verdicts |= {put(queue, Context("a/b"), Held(), now) for _ in range(2)}
            queue.choose(now, 2)
    assert verdicts == {None, LOOP_LAG}


@pytest.mark.parametrize("served", [False, True])
async def test_a_call_that_is_cancelled_while_it_waits_leaves_the_counts_right(served):
    layer, _ = admission(most=1)
    handler = Handler()
    handle = layer.wrap(SAY, handler)
    make_late(layer)
    queue = layer.queue_of(SAY)
    first, second = (asyncio.create_task(handle(n, Context("a/b"))) for n in range(2))
    await turns()
    if served:
        # The place is handed over and the call cancelled in one turn, before the call has noticed either.
        queue.in_flight.max_count = 2
        (chosen,) = queue.choose(clock.now(), 1)
        chosen.begin()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert queue.in_flight.count == 1
    handler.go.set()
    await first
    assert queue.in_flight.count == 0
    assert await handle(3, Context("a/b")) == 3


async def test_a_call_that_is_dropped_and_cancelled_in_one_turn_is_cancelled():
    layer, _ = admission(most=1)
    handler = Handler()
    handle = layer.wrap(SAY, handler)
    make_late(layer)
    queue = layer.queue_of(SAY)
    first, second = (asyncio.create_task(handle(n, Context("a/b"))) for n in range(2))
    await turns()
    later = clock.now() + 10
    queue.waits.codel.should_drop(later, 1.0)
    queue.waits.codel.should_drop(later + 0.15, 1.0)  # the queue stands
    assert queue.choose(later + 0.16, 1) == []
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    handler.go.set()
    await first
    assert queue.in_flight.count == 0


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
    make_late(layer)
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
    layer, told = admission(most=1, shadow=True, queue=QueueOptions(max_lag=0.5))
    handler = Handler()
    handle, stream = layer.wrap(SAY, handler), layer.wrap(WATCH, handler)
    assert layer.early_rejection(SAY) is None
    handler.go.set()
    await stream(0, Context("a/b"))
    handler.go.clear()
    make_late(layer, 0.05)
    calls = [asyncio.create_task(handle(n, Context("a/b"))) for n in range(2)]
    await turns()
    assert [decision[:4] for decision in told] == [("echo.v1.EchoService/Say", "admission", CONCURRENCY_LIMIT, True)]
    assert (told[0].ctx.method, told[0].rejected) == ("a/b", False)
    handler.go.set()
    await asyncio.gather(*calls)
    make_late(layer)
    await handle(3, Context("a/b"))
    assert told[-1][2:4] == (LOOP_LAG, True)
    make_late(layer, 0.05)
    now = clock.now()
    with clock.using(lambda: now):
        for _ in range(100):
            ctx = Context("a/b", deadline=now + 0.01)
            ctx.server = ServerCallInfo(now - 0.09)
            await handle(4, ctx)
            now += 0.01
    assert told[-1][2:4] == (QUEUE_DELAY, True)


def test_a_method_without_a_limit_has_neither_the_role_nor_early_rejection():
    layer, _ = admission(limit_of=lambda method: None if method is FAIL else LimitOptions())
    handler = object()
    assert layer.wrap(FAIL, handler) is handler
    assert early_rejection_of([layer], FAIL) is None
    layer.wrap(SAY, handler)
    assert early_rejection_of([layer], SAY) is not None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["call", "cancel", "go", "stop", "turn"]), st.integers(0, 20)), max_size=60), st.integers(1, 4))
def test_whatever_comes_and_goes_no_place_is_lost(steps, most):
    async def main():
        layer, _ = admission(most=most, limit_of=lambda _: LimitOptions(initial=most, max_limit=most), queue=QueueOptions(max_length=5))
        handler = Handler()
        handle = layer.wrap(SAY, handler)
        make_late(layer)
        queue = layer.queue_of(SAY)
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
            assert 0 <= queue.in_flight.count <= most
        handler.go.set()
        await asyncio.gather(*calls, return_exceptions=True)
        assert queue.in_flight.count == 0
        assert not layer.scheduler.queues

    asyncio.run(main())


@pytest.mark.parametrize("error", [None, RpcError(Code.NOT_FOUND), asyncio.CancelledError()])
async def test_a_call_that_is_not_measured_gives_its_place_to_who_waits(error):
    layer, _ = admission(most=2)
    go = [asyncio.Event() for _ in range(3)]

    async def handler(request, _ctx):
        await go[request].wait()
        if error is not None and request == 1:
            raise error
        return request

    handle = layer.wrap(SAY, handler)
    make_late(layer)
    queue = layer.queue_of(SAY)
    queue.in_flight.limit.skip = 1
    calls = [asyncio.create_task(handle(n, Context("a/b"))) for n in range(3)]
    await turns()
    assert (queue.in_flight.limit.skip, queue.in_flight.count, len(queue.queue.entries)) == (0, 2, 1)
    go[1].set()
    await turns()
    assert (queue.in_flight.count, len(queue.queue.entries)) == (2, 0)
    go[0].set()
    go[2].set()
    first, second, third = await asyncio.gather(*calls, return_exceptions=True)
    assert (first, third) == (0, 2)
    assert type(second) is (int if error is None else type(error))
    assert queue.in_flight.count == 0


def held_back(layer, count):
    """So many calls that have arrived and wait, at an overloaded server with one place, which is taken."""
    queue = layer.queue_of(SAY)
    queue.in_flight.count = queue.in_flight.max_count = 1
    queue.reject(QUEUE_DELAY, clock.now())
    calls = [Held() for _ in range(count)]
    for number, call in enumerate(calls):
        ctx = Context("a/b", trace=TraceContext.received(b"00-%032x-%016x-01" % (number + 1, 1)))
        ctx.server = ServerCallInfo(clock.now())
        assert layer.early_rejection(SAY).on_arrival(ctx, call) is WAIT
    return calls


async def test_who_does_not_wait_any_more_is_passed_over():
    layer, _ = admission(most=1)
    layer.wrap(SAY, Handler())
    queue = layer.queue_of(SAY)
    calls = held_back(layer, 3)
    calls[2].over = True  # the most important
    queue.in_flight.count = 0
    assert queue.choose(clock.now(), 1) == [calls[0]]
    assert not queue.queue.entries or calls[1].refusal is None


async def test_who_does_not_wait_any_more_is_not_refused():
    layer, told = admission(most=1)
    layer.wrap(SAY, Handler())
    queue = layer.queue_of(SAY)
    one, two = held_back(layer, 2)
    two.over = True
    told.clear()
    assert queue.choose(clock.now() + 0.5, 1) == []  # too late for both
    assert (one.refusal.code, two.refusal, len(told)) == (Code.RESOURCE_EXHAUSTED, None, 1)


async def test_a_call_that_was_refused_on_arrival_counts_as_a_call():
    counted = []
    layer, _ = admission(most=1, queue=QueueOptions(max_length=10), on_rejected=lambda method: counted.append)
    layer.wrap(SAY, Handler())
    queue = layer.queue_of(SAY)
    held_back(layer, 1)
    now = clock.now()
    with clock.using(lambda: now):
        for _ in range(1200):  # more than may be chosen from
            ctx = Context("a/b")
            ctx.server = ServerCallInfo(now)
            verdict = layer.early_rejection(SAY).on_arrival(ctx, Held())
        assert isinstance(verdict, Rejection)
        before = len(counted)
        assert set(counted) == {0.0}
        assert queue.choose(now + 0.5, 1) == []
    assert len(counted) > before
    assert max(counted) > 0  # those that had waited first
