"""A handler that computes, under up to ten times what it can do, in virtual time."""

import asyncio
import random

import pytest
from echo.v1.echo_towpath import SAY

from tests.layers.admission.busy_loop import BusyLoop
from tests.layers.admission.held import Headers, Held
from towpath._core.context import Context, Criticality
from towpath._core.early_rejection import ADMIT, WAIT
from towpath._core.errors import RpcError
from towpath._core.propagation.trace import TraceContext
from towpath._core.server_call import ServerCallInfo
from towpath._layers.admission.admission import Admission
from towpath._layers.admission.rejections import PRIORITY, QUEUE_DELAY

pytestmark = pytest.mark.untraced

HALF_P99 = 0.0045
"""Of calls at half load in seconds; calls that compute for 1 ms and come at random wait for each other then, too."""

READ, TASK, REFUSE = 15e-6, 30e-6, 5e-6

TIMEOUT = 0.2
"""Seconds that callers give; an overload is one once calls wait for half of that."""


class Coming(Held):
    """A call that has arrived, and what its rejection costs."""

    def __init__(self, begin, over, loop, ctx):
        super().__init__(begin)
        self.of, self.loop, self.ctx = over, loop, ctx

    def reject(self, rejection):
        self.loop.burn(REFUSE)
        self.of.refused.append(self.ctx)


class Overload:
    """Open-loop calls at `load` times what a handler can do that computes for 1 ms, for `seconds` of virtual time."""

    def __init__(self, load, seconds=3.0, *, early_rejection=True, classes=(Criticality.CRITICAL,)):
        self.latencies, self.refused, self.served = [], [], []
        self.told = []
        loop, rng = BusyLoop(), random.Random(1)
        layer = Admission(signal=lambda decision: self.told.append(decision.reason), rng=random.Random(2))

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
            ctx = Context("a/b", loop.now + TIMEOUT, criticality=rng.choice(classes), attempt=rng.choice((0, 0, 1)), trace=trace)
            ctx.server = ServerCallInfo(loop.now)
            if early_rejection and early.on_headers(Headers(ctx), ()) is not None:
                loop.burn(REFUSE)
                by_headers.append(ctx)
                self.refused.append(ctx)
                return
            coming.append(held := Coming(lambda: call(at, ctx), self, loop, ctx))
            verdict = early.on_arrival(ctx, held) if early_rejection else ADMIT
            if verdict is ADMIT:
                held.begin()
            elif verdict is not WAIT:
                held.reject(verdict)

        handle, early = layer.wrap(SAY, compute), layer.early_rejection(SAY)
        coming, by_headers = [], []
        at = begin = loop.now
        while at < begin + seconds:
            at += rng.expovariate(load / 0.001)
            loop.arrivals.append((at, arrive))

        async def until_all_is_done():
            await asyncio.sleep(seconds)
            while loop.arrivals or len(self.latencies) + len(self.refused) < len(coming) + len(by_headers):  # noqa: ASYNC110 # time is virtual, and nothing happens that could set an event
                await asyncio.sleep(0.01)

        loop.drive(until_all_is_done())
        self.goodput = len(self.latencies) / (loop.now - begin)
        steady = sorted(self.latencies[len(self.latencies) // 4 :])
        self.p99 = steady[int(0.99 * (len(steady) - 1))]


def test_at_its_capacity_a_server_refuses_nobody_whose_call_fits_its_deadline():
    full = Overload(0.95)
    assert not full.refused
    assert max(full.latencies) < TIMEOUT


@pytest.mark.parametrize("load", [1.5, 2.0, 3.0, 5.0])
def test_a_handler_that_computes_keeps_its_goodput_and_its_latency_under_any_load(load):
    over = Overload(load)
    assert over.goodput > 0.9 * Overload(1.5).goodput
    assert over.p99 <= 2 * HALF_P99


def test_a_little_more_than_can_be_done_is_served_in_time():
    over = Overload(1.1)
    assert over.goodput > 900
    assert max(over.latencies) < TIMEOUT


def test_ten_times_the_load_costs_no_more_than_reading_and_refusing_it_costs():
    over = Overload(10.0)
    # 0.02 ms for each of 9,000 calls a second are 0.18 of the loop.
    assert over.goodput > 700
    assert over.p99 <= 2 * HALF_P99


def test_half_the_load_is_served_whole():
    half = Overload(0.5, 8.0)
    assert not half.refused
    assert half.p99 >= HALF_P99


def test_without_early_rejection_the_queue_still_keeps_its_latency():
    over = Overload(3.0, early_rejection=False)
    assert over.goodput > 700
    assert over.p99 < 0.03
    assert QUEUE_DELAY in over.told


def test_the_least_important_calls_are_refused_first_and_retries_before_first_attempts():
    over = Overload(1.5, classes=(Criticality.SHEDDABLE, Criticality.CRITICAL_PLUS))

    def share(criticality, attempt):
        refused = sum((ctx.criticality, ctx.attempt) == (criticality, attempt) for ctx in over.refused)
        return refused / (refused + sum((ctx.criticality, ctx.attempt) == (criticality, attempt) for ctx in over.served))

    assert PRIORITY in over.told
    assert share(Criticality.SHEDDABLE, 0) > 1.5 * share(Criticality.CRITICAL_PLUS, 0)
    assert share(Criticality.SHEDDABLE, 1) > share(Criticality.SHEDDABLE, 0)
