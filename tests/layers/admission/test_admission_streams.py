"""Streams that are decided on as they arrive, as requests to mounted applications are."""

from tests.layers.admission.held import Held
from tests.layers.admission.late_loop import make_late
from tests.layers.admission.test_admission import WATCH, admission, turns
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.early_rejection import ADMIT, WAIT
from towpath._core.server_call import ServerCallInfo


async def test_a_stream_that_was_decided_on_as_it_arrived_is_not_decided_on_again():
    layer, _ = admission(most=1)
    begun = []

    async def note(request, _ctx):
        begun.append(request)

    handle = layer.wrap(WATCH, note)
    early = layer.early_rejection(WATCH)
    ctx = Context("a/b")
    ctx.server = ServerCallInfo(clock.now())
    assert early.on_arrival(ctx, Held()) is ADMIT
    await handle("admitted", ctx)
    assert not layer.scheduler.measuring  # which another look at the queue would begin
    make_late(layer)
    held, waiting = Held(), Context("a/b")
    waiting.server = ServerCallInfo(clock.now())
    layer.queue_of(WATCH).calm = False
    held.call = lambda: handle("held", waiting)
    assert early.on_arrival(waiting, held) is WAIT
    await turns()
    assert begun == ["admitted", "held"]
    await handle("admitted, and the loop was late", ctx)
    assert len(begun) == 3
