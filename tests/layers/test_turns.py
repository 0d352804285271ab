"""How long the calls that begin in one turn of the loop may take together, and who finds that out."""

import asyncio

from echo.v1.echo_towpath import FAIL, SAY

from tests.layers.held import Held
from towpath.core import clock
from towpath.core.context import Context
from towpath.layers.admission import Admission
from towpath.layers.lane import QUEUE_DELAY
from towpath.layers.turns import Turns


async def _answer(request, _ctx):
    return request


async def test_the_turns_of_a_loop_that_is_late_are_measured_from_the_gate_on():
    layer = Admission()
    layer.wrap(SAY, _answer)
    lane = layer.gate(SAY).__self__
    for late in (False, True):
        layer._probe.late = late
        ctx = Context("a/b")
        ctx.arrived = clock.now()
        assert lane.gate(ctx, Held()) is True
        assert (layer._turns.until < float("inf")) is late
    await asyncio.sleep(0)
    assert layer._turns.until == float("inf")


def test_calls_that_were_read_together_begin_without_a_look_at_the_clock_for_as_long_as_that_is_quick():
    now, tested = 100.0, Turns()
    with clock.using(lambda: now):
        tested.coming = 20
        quick = [tested.brief() for _ in range(20)]
        assert all(quick)
        assert tested.coming == 0
        now += 0.005
        slow = [tested.brief() for _ in range(8)]
        assert slow[-1] is False
        tested.coming = 1  # others have been read
        assert tested.brief()


async def test_methods_whose_calls_begin_while_others_are_chosen_share_the_turn():
    layer = Admission()
    begun, go = [], asyncio.Event()

    async def handler(request, _ctx):
        begun.append(request)
        await go.wait()

    layer.wrap(SAY, handler)
    handle = layer.wrap(FAIL, handler)
    gate = layer.gate(SAY)
    gate.__self__.refuse(QUEUE_DELAY, clock.now())
    held = Held(lambda: handler("held", None))
    ctx = Context("a/b")
    ctx.arrived = clock.now()
    other = asyncio.create_task(handle("other", Context("a/b")))  # begins before there is a choice
    assert gate(ctx, held) is False
    for _ in range(5):
        await asyncio.sleep(0)
    assert sorted(begun) == ["held", "other"]
    go.set()
    await other
    for _ in range(5):
        await asyncio.sleep(0)
    assert layer._turns.until == float("inf")
