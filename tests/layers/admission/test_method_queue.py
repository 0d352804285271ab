"""A call begins at once where nothing can stand in its way, and is counted; else nothing has changed."""

import asyncio
from functools import partial
from math import inf

import pytest
from echo.v1.echo_towpath import SAY
from hypothesis import given
from hypothesis import strategies as st

from tests.layers.admission.held import Held, put
from tests.layers.admission.late_loop import make_late
from tests.layers.virtual_time import virtual
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.server_call import ServerCallInfo
from towpath._layers.admission.adaptive_limit import LimitOptions
from towpath._layers.admission.admission import Admission


async def answer(request, _ctx):
    return request


def stage():
    layer = Admission()
    layer.wrap(SAY, answer)
    return layer, layer.queue_of(SAY)


def received(*, admitted):
    call = ServerCallInfo(clock.now())
    call.admitted = admitted
    return call


@pytest.mark.parametrize(
    ("admitted", "quota", "late", "begins"),
    [(True, 1, True, True), (False, 1, True, True), (True, 0, False, True), (True, 0, True, False), (False, 0, False, False)],
)
def test_a_call_begins_within_the_quota_or_by_a_loop_that_is_in_time(admitted, quota, late, begins):
    layer, queue = stage()
    layer.probe.record(1.0 if late else 0.0)
    layer.scheduler.quota, layer.scheduler.admitted = quota, 1
    assert queue.try_start(received(admitted=admitted)) is begins
    assert (layer.in_flight, layer.scheduler.quota) == (begins, quota - begins)


def test_a_call_that_the_limit_forbids_does_not_begin():
    layer, queue = stage()
    layer.scheduler.quota = 1
    queue.in_flight.max_count = 0
    assert not queue.try_start(received(admitted=True))
    assert (layer.in_flight, layer.scheduler.quota) == (0, 1)


@virtual
async def test_a_call_that_was_admitted_comes_before_those_that_wait_and_no_other_does():
    layer, queue = stage()
    waiting = Held(partial(asyncio.sleep, 0))
    assert put(queue, Context("a/b"), waiting, clock.now()) is None
    layer.scheduler.quota = 2
    assert not queue.try_start(received(admitted=False))
    assert queue.try_start(received(admitted=True))
    queue.leave()
    for _ in range(5):
        await asyncio.sleep(0)
    assert layer.waiting == layer.in_flight == 0


@given(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_the_layer_begins_calls_as_the_queue_does(count, max_count, quota, admitted, waiting, calm, late):
    """The layer has copies of `MethodQueue.try_start` and `MethodQueue.leave`."""

    def state():
        layer, began = Admission(), []

        async def handler(_request, _ctx):
            began.append(True)
            await asyncio.get_running_loop().create_future()

        handle = layer.wrap(SAY, handler)
        queue, scheduler = layer.queue_of(SAY), layer.scheduler
        ctx = Context("a/b")
        ctx.server = received(admitted=admitted)
        if waiting:
            queue.queue.append(0, ctx, ctx.server, Held(), blocked=False)
        queue.in_flight.count, queue.in_flight.max_count, queue.calm = count, max_count, calm
        layer.probe.late, scheduler.quota, scheduler.admitted = late, quota, 1
        scheduler.until = -inf  # no other way to begin at once
        queue.in_flight.limit.skip = 1
        return handle, queue, scheduler, ctx, began

    async def main():
        handle, queue, scheduler, ctx, began = state()
        task = asyncio.create_task(handle(None, ctx))
        await asyncio.sleep(0)
        in_the_layer = (bool(began), queue.in_flight.count, scheduler.quota, scheduler.admitted)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        ended = queue.in_flight.count

        _, queue, scheduler, ctx, _ = state()
        begins = queue.try_start(ctx.server)
        assert in_the_layer == (begins, queue.in_flight.count, scheduler.quota, scheduler.admitted)
        if begins:
            queue.leave()
        assert ended == queue.in_flight.count

    asyncio.run(main())


@pytest.mark.parametrize("unmeasured", [0, 10], ids=["measured", "not measured"])
@virtual
async def test_a_call_that_ends_lets_one_that_waits_begin(unmeasured):
    """Both copies of `MethodQueue.leave` wake the scheduler as it does."""
    layer, begun, goes = Admission(limit_of=lambda _: LimitOptions(initial=1, max_limit=1)), [], [asyncio.Event() for _ in range(3)]

    async def handler(request, _ctx):
        begun.append(request)
        await goes[request].wait()

    handle = layer.wrap(SAY, handler)
    layer.queue_of(SAY).in_flight.limit.skip = unmeasured
    make_late(layer)
    calls = [asyncio.create_task(handle(number, Context("a/b"))) for number in range(3)]
    for number in range(3):
        await until(lambda number=number: begun == list(range(number + 1)))
        goes[number].set()
        await calls[number]
    assert layer.in_flight == layer.waiting == 0


async def until(true):
    """Let the loop turn until `true()`; a test that waits in vain ends by pytest's timeout."""
    while not true():  # noqa: ASYNC110 # what it waits for is no event
        await asyncio.sleep(0)
