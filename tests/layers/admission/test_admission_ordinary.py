"""Ordinary days: nobody is refused whose call could have been answered in time."""

import asyncio
import logging
import random

import pytest
from echo.v1.echo_pb2 import SleepRequest
from echo.v1.echo_towpath import FAIL, SAY, EchoServiceClient

from tests.echo_service import Echo
from tests.layers.admission.busy_loop import BusyLoop
from tests.layers.admission.held import Held, put
from tests.layers.admission.late_loop import make_late
from tests.layers.virtual_time import virtual
from towpath import App, CallOptions
from towpath._app.settings.service_file import ServiceConfig
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.early_rejection import ADMIT, WAIT
from towpath._core.errors import RpcError
from towpath._core.server_call import ServerCallInfo
from towpath._layers.admission.adaptive_limit import AdaptiveLimit, LimitOptions
from towpath._layers.admission.admission import Admission
from towpath._layers.admission.rejections import QUEUE_DELAY
from towpath._layers.admission.wait_limits import DEFAULT_QUEUE, QueueOptions
from towpath._transport import Channel
from towpath.testing import simulate


def serving(main, seed=0):
    """Run `main(simulation, client)` beside a server with nothing set, whose calls wait for somebody else and compute nothing."""

    async def run(simulation):
        node = simulation.node("server")
        app = App(ServiceConfig(insecure=True))
        app.add(Echo())
        await app.start(sock=node.listen(80))
        async with Channel("server:80", insecure=True) as channel:
            result = await main(simulation, EchoServiceClient(channel))
        await app.close(0)
        return result

    return simulate(run, seed=seed)


async def answered(client, seconds, within):
    try:
        await client.sleep(SleepRequest(seconds=seconds), CallOptions(timeout=within))
    except RpcError:
        return False
    return True


def test_a_fresh_server_whose_calls_wait_for_a_second_refuses_nobody():
    async def main(simulation, client):
        async with asyncio.TaskGroup() as group:
            calls = []
            for _ in range(600):  # 150 a second
                calls.append(group.create_task(answered(client, 1.0, 3.0)))
                await asyncio.sleep(simulation.random.expovariate(150))
        return [call.result() for call in calls]

    assert all(serving(main))


@pytest.mark.parametrize("slow", [9, 19, 20, 200])
def test_calls_that_wait_for_long_take_nothing_from_others_of_the_method(slow):
    async def main(simulation, client):
        asleep = [asyncio.create_task(answered(client, 3600, 3600)) for _ in range(slow)]
        quick = []
        for _ in range(400):  # for twenty seconds
            await asyncio.sleep(0.05)
            quick.append(await answered(client, 0, 1.0))
        for each in asleep:
            each.cancel()
        await asyncio.gather(*asleep, return_exceptions=True)
        return quick

    assert all(serving(main))


class Burning:
    """One method on a loop in virtual time whose handler computes for as long as the request says."""

    def __init__(self, queue=DEFAULT_QUEUE):
        self.loop = BusyLoop()
        self.layer = Admission(rng=random.Random(2), queue=queue)
        self.handle = self.layer.wrap(SAY, self._compute)
        self.on_arrival = self.layer.early_rejection(SAY).on_arrival
        self.answered = self.refused = 0
        self.late = 0
        self.ended = self.turned_away = None

    async def _compute(self, seconds, _ctx):
        self.loop.burn(seconds)

    def come(self, at, seconds, timeout):
        """A call arrives as over gRPC, which was made then."""
        ctx = Context("a/b", None if timeout is None else at + timeout)
        ctx.server = ServerCallInfo(self.loop.now)

        async def run():
            await self.handle(seconds, ctx)
            self.answered += 1
            self.late += ctx.deadline is not None and self.loop.now > ctx.deadline
            if self.ended is not None:
                self.ended()

        class Coming(Held):
            def reject(held, rejection):  # noqa: N805 # `self` is the outer one
                self.refused += 1
                if self.turned_away is not None:
                    self.turned_away()

        held = Coming(run)
        verdict = self.on_arrival(ctx, held)
        if verdict is ADMIT:
            held.begin()
        elif verdict is not WAIT:
            held.reject(verdict)

    async def idle(self):
        while self.loop.arrivals or self.layer.waiting or self.layer.in_flight:  # noqa: ASYNC110 # time is virtual
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)


def test_a_burst_on_an_idle_server_is_taken_whatever_was_before():
    burning = Burning()

    def burst(count, seconds):
        for _ in range(count):
            burning.loop.arrivals.append((burning.loop.now + 0.001, lambda at: burning.come(at, seconds, 2.0)))

    async def main():
        burst(2000, 0.005)  # five times what can be done in time
        await burning.idle()
        assert burning.refused
        for rest in (3.0, 10.0):
            burning.answered = burning.refused = 0
            await asyncio.sleep(rest)
            burst(200, 0.001)
            await burning.idle()
            assert (burning.answered, burning.refused) == (200, 0)

    burning.loop.drive(main())
    assert not burning.late


@pytest.mark.parametrize("in_flight", [1000, 10_000])
def test_as_many_as_fit_their_deadlines_may_wait(in_flight):
    burning = Burning()

    async def main():
        left = 3 * in_flight

        def again():
            nonlocal left
            if left:
                left -= 1
                burning.loop.arrivals.append((burning.loop.now, lambda at: burning.come(at, 0.00002, 20.0)))

        for _ in range(in_flight):
            again()
        burning.ended = again  # each caller calls again as soon as it is answered
        await burning.idle()

    burning.loop.drive(main())
    assert (burning.answered, burning.refused, burning.late) == (3 * in_flight, 0, 0)


@pytest.mark.parametrize("callers", [100, 400])
def test_callers_who_call_again_are_all_served_once_the_cause_of_an_overload_is_gone(callers):
    burning = Burning()
    unanswered = []

    async def main():
        until = burning.loop.now + 22

        def again():
            if burning.loop.now < until:
                burning.loop.arrivals.append((burning.loop.now + 0.02, lambda at: burning.come(at, 0.001, 5.0)))

        burning.ended = burning.turned_away = again  # each calls again, whatever it was told
        for _ in range(callers):
            again()
        await asyncio.sleep(2)
        burning.loop.burn(4.5)
        await asyncio.sleep(8)
        burning.refused = 0
        unanswered.append(burning.late)
        await asyncio.sleep(6)
        assert burning.refused == 0
        assert burning.late == unanswered[0]
        burning.ended = burning.turned_away = None
        await burning.idle()

    burning.loop.drive(main())


def test_a_cheap_method_beside_a_dear_one_is_served_in_the_order_of_arrival():
    loop = BusyLoop()
    layer = Admission(rng=random.Random(2))
    refused, waits = [], []

    def method(spec, seconds):
        async def compute(_request, _ctx):
            loop.burn(seconds)

        handle = layer.wrap(spec, compute)

        def come(at):
            ctx = Context("a/b", loop.now + 2.0)
            ctx.server = ServerCallInfo(loop.now)

            async def run():
                await handle(None, ctx)
                waits.append(loop.now - at)

            held = Held(run)
            held.reject = refused.append
            verdict = layer.early_rejection(spec).on_arrival(ctx, held)
            if verdict is ADMIT:
                held.begin()

        return come

    dear, cheap = method(SAY, 0.1), method(FAIL, 0.001)
    arrivals = [(loop.now + n / 8, dear) for n in range(80)] + [(loop.now + n / 100, cheap) for n in range(1000)]
    loop.arrivals.extend(sorted(arrivals, key=lambda arrival: arrival[0]))

    async def main():
        while loop.arrivals or layer.scheduler.queues:  # noqa: ASYNC110 # time is virtual
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)

    loop.drive(main())
    assert not refused
    assert len(waits) == 1080
    assert max(waits) < 2.0


def test_more_than_may_wait_cost_nobody_else_a_place():
    burning = Burning(QueueOptions(max_length=100))

    async def main():
        for _ in range(130):
            burning.loop.arrivals.append((burning.loop.now + 0.001, lambda at: burning.come(at, 0.0001, 20.0)))
        await burning.idle()

    burning.loop.drive(main())
    assert burning.answered >= 100
    assert burning.answered + burning.refused == 130


def test_a_few_short_deadlines_among_calls_without_any_decide_nothing():
    burning = Burning()

    async def main():
        for n in range(300):
            burning.loop.arrivals.append((burning.loop.now + 0.001, lambda at, n=n: burning.come(at, 0.001, 0.03 if n % 20 == 0 else None)))
        await burning.idle()

    burning.loop.drive(main())
    assert (burning.answered, burning.refused) == (300, 0)


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


def test_places_that_nobody_leaves_are_made_up_for_while_the_loop_is_late():
    loop = BusyLoop()
    layer = Admission(limit_of=lambda _: LimitOptions(initial=2, max_limit=2))

    async def handler(request, _ctx):
        if request == "sleep":
            await asyncio.Event().wait()
        return request

    async def main():
        handle = layer.wrap(SAY, handler)
        make_late(layer)
        asleep = [asyncio.create_task(handle("sleep", Context("a/b"))) for _ in range(2)]
        await turns()
        assert await handle("quick", Context("a/b", loop.now + 10)) == "quick"
        for each in asleep:
            each.cancel()
        await asyncio.gather(*asleep, return_exceptions=True)

    loop.drive(main())


@virtual
async def test_those_who_wait_begin_once_the_loop_is_in_time_again():
    layer = Admission(limit_of=lambda _: LimitOptions(initial=1, max_limit=1))
    begun, go = [], asyncio.Event()

    async def handler(request, _ctx):
        begun.append(request)
        await go.wait()

    handle = layer.wrap(SAY, handler)
    make_late(layer)
    calls = [asyncio.create_task(handle(n, Context("a/b"))) for n in range(3)]
    await turns()
    assert begun == [0]
    make_late(layer, 0.0)
    await turns()
    assert sorted(begun) == [0, 1, 2]
    go.set()
    await asyncio.gather(*calls)


class Failing(AdaptiveLimit):
    """A limit that cannot learn."""

    __slots__ = ()

    def done(self, now, wait, work, in_flight, *, late=False):
        raise OverflowError


@pytest.mark.parametrize("error", [None, RpcError(5)])
@virtual
async def test_a_fault_of_the_limit_is_logged_and_fails_no_call(caplog, error):
    layer = Admission()

    async def handler(request, _ctx):
        if error is not None:
            raise error
        return request

    handle = layer.wrap(SAY, handler)
    queue = layer.queue_of(SAY)
    queue.in_flight.limit = Failing()
    with caplog.at_level(logging.ERROR, "towpath.server"):
        (result,) = await asyncio.gather(handle("x", Context("a/b")), return_exceptions=True)
    assert result == "x" if error is None else result is error
    assert queue.in_flight.count == 0
    assert "concurrency limit" in caplog.text


async def test_an_important_call_that_fits_its_deadline_outlasts_an_overload_of_others():
    layer = Admission()
    layer.wrap(SAY, None)
    queue = layer.queue_of(SAY)
    now = clock.now()
    queue.reject(QUEUE_DELAY, now)
    queue.in_flight.count = queue.in_flight.max_count = 1
    fits, does_not, for_ever = Held(), Held(), Held()
    low = [Held() for _ in range(20)]
    for held, criticality, deadline in (
        (fits, 4, now + 10),
        (does_not, 4, now + 0.3),
        (for_ever, 4, None),
        *((each, 1, now + 10) for each in low),
    ):
        put(queue, Context("a/b", deadline, criticality=criticality), held, now)
    with clock.using(lambda: now + 0.5):
        assert queue.choose(now + 0.5, 1) == []
    assert fits.refusal is for_ever.refusal is None
    assert does_not.refusal is not None
    assert all(each.refusal is not None for each in low)
