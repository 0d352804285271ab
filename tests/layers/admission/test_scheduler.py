"""How long the calls that begin in one turn of the loop may take together, and who finds that out."""

import asyncio
from contextvars import ContextVar
from functools import partial

import pytest
from echo.v1.echo_towpath import FAIL, SAY

from tests.layers.admission.held import Held, put
from tests.layers.admission.late_loop import make_late
from tests.layers.virtual_time import virtual
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.early_rejection import ADMIT, WAIT
from towpath._core.server_call import ServerCallInfo
from towpath._layers.admission.adaptive_limit import AdaptiveLimit, LimitOptions
from towpath._layers.admission.admission import Admission
from towpath._layers.admission.overload import RecoveryProbe
from towpath._layers.admission.rejections import QUEUE_DELAY
from towpath._layers.admission.scheduler import Scheduler
from towpath._layers.admission.wait_limits import WaitLimits

OF_A_CALL = ContextVar("of a call", default=None)


async def _answer(request, _ctx):
    return request


@virtual
async def test_the_turns_of_a_loop_that_is_late_are_measured_from_arrival_on():
    layer = Admission()
    layer.wrap(SAY, _answer)
    for late in (False, True):
        layer.probe.record(10.0 if late else 0.0)
        ctx = Context("a/b")
        ctx.server = ServerCallInfo(clock.now())
        assert layer.early_rejection(SAY).on_arrival(ctx, Held()) is ADMIT
        assert (layer.scheduler.until < float("inf")) is late
    await asyncio.sleep(0)
    assert layer.scheduler.until == float("inf")


def test_calls_that_were_read_together_begin_without_a_look_at_the_clock_for_as_long_as_that_is_quick():
    now, tested = 100.0, Scheduler()
    with clock.using(lambda: now):
        tested.admitted = 20
        quick = [tested.has_time() for _ in range(20)]
        assert all(quick)
        assert tested.admitted == 0
        now += 0.005
        slow = [tested.has_time() for _ in range(8)]
        assert slow[-1] is False
        tested.admitted = 1  # others have been read
        assert tested.has_time()


@virtual
async def test_methods_whose_calls_begin_while_others_are_chosen_share_the_turn():
    layer = Admission()
    begun, go = [], asyncio.Event()

    async def handler(request, _ctx):
        begun.append(request)
        await go.wait()

    layer.wrap(SAY, handler)
    handle = layer.wrap(FAIL, handler)
    on_arrival = layer.early_rejection(SAY).on_arrival
    layer.queue_of(SAY).reject(QUEUE_DELAY, clock.now())
    held = Held(lambda: handler("held", None))
    ctx = Context("a/b")
    ctx.server = ServerCallInfo(clock.now())
    other = asyncio.create_task(handle("other", Context("a/b")))  # begins before there is a choice
    assert on_arrival(ctx, held) is WAIT
    for _ in range(5):
        await asyncio.sleep(0)
    assert sorted(begun) == ["held", "other"]
    go.set()
    await other
    for _ in range(5):
        await asyncio.sleep(0)
    assert layer.scheduler.until == float("inf")


@pytest.mark.parametrize("methods", [1, 2])
@pytest.mark.parametrize(("part", "name"), [("limit", "baseline"), ("waits", "record_starts"), ("probe", "update")])
@virtual
async def test_a_fault_in_a_choice_is_logged_and_the_calls_of_all_methods_go_on(caplog, monkeypatch, part, name, methods):
    layer = Admission()
    layer.wrap(SAY, _answer)
    layer.wrap(FAIL, _answer)
    queue, other = layer.queue_of(SAY), layer.queue_of(FAIL)
    queue.reject(QUEUE_DELAY, clock.now())
    faults, begun = 0, []

    def fail(*_):
        nonlocal faults
        faults += 1
        if faults == 1:
            raise OverflowError("a fault")
        return 0.0

    def held(number):
        async def run():
            begun.append(number)

        return Held(run)

    owner = {"limit": AdaptiveLimit, "waits": WaitLimits, "probe": RecoveryProbe}[part]
    with monkeypatch.context() as patched:
        for number, each in enumerate((queue, queue, queue, other)[: 2 + methods]):
            put(each, Context("a/b"), held(number), clock.now())
        patched.setattr(owner, name, property(fail) if name == "baseline" else fail)
        for _ in range(1000):
            if len(begun) == 2 + methods:
                break
            await asyncio.sleep(0.001)
    assert sorted(begun) == list(range(2 + methods))
    assert faults
    assert "failed" in caplog.text


@virtual
async def test_a_call_that_cannot_begin_keeps_nobody_else_from_it(caplog):
    class Broken(Held):
        def begin(self):
            raise RuntimeError("no task for this one")

    layer = Admission()
    layer.wrap(SAY, _answer)
    queue = layer.queue_of(SAY)
    begun = []

    def held(kind, number):
        async def run():
            begun.append(number)

        return kind(run)

    for number, kind in enumerate((Held, Broken, Held)):
        put(queue, Context("a/b"), held(kind, number), clock.now())
    for _ in range(5):
        await asyncio.sleep(0)
    assert sorted(begun) == [0, 2]
    assert "could not begin" in caplog.text


@virtual
async def test_who_came_last_and_waits_no_more_is_forgotten_at_once():
    layer = Admission(limit_of=lambda _: LimitOptions(initial=1, max_limit=1))
    go = asyncio.Event()

    async def wait(_request, _ctx):
        await go.wait()

    handle = layer.wrap(SAY, wait)
    make_late(layer)
    queue = layer.queue_of(SAY)
    first, second, third = (asyncio.create_task(handle(n, Context("a/b"))) for n in range(3))
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(queue.queue.entries) == 2
    third.cancel()
    await asyncio.wait([third])
    assert len(queue.queue.entries) == 1
    go.set()
    await asyncio.gather(first, second)


async def test_a_call_that_was_held_does_not_see_the_context_of_the_call_that_ended_before_it():
    layer = Admission(limit_of=lambda _: LimitOptions(initial=1, max_limit=1))
    seen = []

    async def handler(request, _ctx):
        seen.append(OF_A_CALL.get())
        OF_A_CALL.set(request)
        await asyncio.sleep(0)

    handle = layer.wrap(SAY, handler)
    make_late(layer)
    first = asyncio.create_task(handle("first", Context("a/b")))
    await asyncio.sleep(0)
    waiting = [Held(), Held()]
    for number, held in enumerate(waiting):
        ctx = Context("a/b")
        held.call = partial(handle, "held", ctx)
        if number:
            assert layer.early_rejection(SAY).on_arrival(ctx, held) is WAIT
        else:
            assert put(layer.queue_of(SAY), ctx, held, clock.now()) is None
    await first
    while len(seen) < 3:  # noqa: ASYNC110 - a few turns
        await asyncio.sleep(0)
    assert seen == [None, None, None]
