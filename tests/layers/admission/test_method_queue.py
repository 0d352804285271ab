"""A call begins at once where nothing can stand in its way, and is counted; else nothing has changed."""

import asyncio
from functools import partial

import pytest
from echo.v1.echo_towpath import SAY

from tests.layers.admission.held import Held, put
from towpath.core import clock
from towpath.core.context import Context
from towpath.core.server_call import ServerCallInfo
from towpath.layers.admission.admission import Admission


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
