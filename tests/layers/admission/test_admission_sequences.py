"""Calls that arrive in any order are all served or refused, and no place is lost."""

import asyncio
import random

from echo.v1.echo_towpath import SAY
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.admission.busy_loop import BusyLoop
from tests.layers.admission.late_loop import make_late
from towpath._core.context import Context, Criticality
from towpath._core.early_rejection import ADMIT, WAIT, Rejection
from towpath._core.errors import RpcError
from towpath._core.propagation.trace import TraceContext
from towpath._core.server_call import ServerCallInfo
from towpath._layers.admission.adaptive_limit import LimitOptions
from towpath._layers.admission.admission import Admission

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "arrive", "arrive", "direct", "leave", "pass"]),
        st.integers(0, 9),
        st.sampled_from(list(Criticality)),
    ),
    max_size=80,
)


class Call:
    """A call that may have arrived through `on_arrival`. It ends with one of the states served, refused and gone."""

    def __init__(self, handle, ctx: Context) -> None:
        self.handle = handle
        self.ctx = ctx
        self.state = "waiting"
        self.task: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        return self.state == "gone"

    def begin(self) -> None:
        assert self.state == "waiting"
        self.task = asyncio.get_running_loop().create_task(self.run())

    async def run(self) -> None:
        assert self.state == "waiting"
        self.state = "running"
        try:
            await self.handle(None, self.ctx)
            self.state = "served"
        except RpcError:
            self.state = "refused"

    def reject(self, rejection: Rejection) -> None:
        assert self.state == "waiting"
        self.state = "refused"


@settings(max_examples=150, deadline=None)
@given(
    steps=STEPS,
    limit=st.integers(1, 3),
    computes=st.sampled_from([0.0, 0.0005, 0.004]),
    waits=st.sampled_from([0.0, 0.002, 0.05]),
    late=st.booleans(),
)
def test_everybody_who_comes_is_served_or_refused(steps, limit, computes, waits, late):
    loop, chance = BusyLoop(), random.Random(1)
    layer = Admission(limit_of=lambda _: LimitOptions(initial=limit, max_limit=limit), rng=random.Random(2))
    under_way = 0

    async def work(_request, _ctx):
        nonlocal under_way
        under_way += 1
        assert under_way <= layer.queue_of(SAY).in_flight.limit.limit or not layer.probe.late
        loop.burn(computes)
        try:
            if waits:
                await asyncio.sleep(waits)
        finally:
            under_way -= 1

    async def main():
        handle = layer.wrap(SAY, work)
        if late:
            make_late(layer)
        on_arrival = layer.early_rejection(SAY).on_arrival
        calls: list[Call] = []
        for what, number, criticality in steps:
            trace = TraceContext.received(b"00-%032x-%016x-01" % (chance.getrandbits(127) + 1, 1))
            call = Call(handle, Context("a/b", criticality=criticality, trace=trace, attempt=number % 2))
            call.ctx.server = ServerCallInfo(loop.now)
            if what == "arrive":
                calls.append(call)
                verdict = on_arrival(call.ctx, call)
                if verdict is ADMIT:
                    call.begin()
                elif verdict is not WAIT:
                    call.reject(verdict)
            elif what == "direct":  # over another protocol, with a task from the beginning
                calls.append(call)
                call.begin()
            elif what == "leave":
                waiting = [each for each in calls if each.state == "waiting" and each.task is None]
                if waiting:
                    waiting[number % len(waiting)].state = "gone"
            else:
                await asyncio.sleep(0.001 * number)
        await asyncio.sleep(60)
        assert {call.state for call in calls} <= {"served", "refused", "gone"}
        queue = layer.queue_of(SAY)
        assert (queue.in_flight.count, len(queue.queue.entries), under_way) == (0, 0, 0)
        assert not layer.scheduler.queues

    loop.drive(main())
