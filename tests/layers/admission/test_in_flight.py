"""Calls that wait for long do not hold the places of a limit; calls that end do."""

import asyncio

import pytest
from echo.v1.echo_towpath import SAY

from tests.layers.virtual_time import virtual
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._layers.admission.adaptive_limit import AdaptiveLimit, LimitOptions
from towpath._layers.admission.admission import Admission
from towpath._layers.admission.in_flight import InFlight
from towpath._layers.admission.loop_lag import simulated_lag

LATE = 0.05
FIXED = LimitOptions(initial=20, min_limit=20, max_limit=20)


class Server:
    """One method whose handler waits for as many seconds as its request says, in a loop that is as late as a test wants."""

    def __init__(self, *, lag: float, limit: LimitOptions | None = None) -> None:
        self.lag = lag
        simulated_lag.set(lambda: self.lag)
        options = LimitOptions() if limit is None else limit
        self.layer = Admission(limit_of=lambda _: options)
        self.handle = self.layer.wrap(SAY, self.work)
        self.in_flight = self.layer.queue_of(SAY).in_flight
        self.most = 0
        for _ in range(20):  # the lag that is found is smoothed
            self.layer.probe.record(lag)

    async def work(self, request: float, ctx: Context) -> None:
        self.most = max(self.most, self.in_flight.count)
        await asyncio.sleep(abs(request))
        if request < 0:
            raise RpcError(Code.UNAVAILABLE)

    def sleeping(self, calls: int) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.handle(3600.0, Context("a/b"))) for _ in range(calls)]

    async def answered(self) -> bool:
        try:
            async with asyncio.timeout(1):
                await self.handle(0.0, Context("a/b"))
        except (RpcError, TimeoutError):
            return False
        return True

    async def probe(self, calls: int) -> int:
        """How many of `calls` quick ones are answered, of which one comes each 50 ms."""
        made: list[asyncio.Task[bool]] = []
        for _ in range(calls):
            made.append(asyncio.create_task(self.answered()))
            await asyncio.sleep(0.05)
        return sum(await asyncio.gather(*made))


async def ended(calls: list[asyncio.Task[None]]) -> None:
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("calls", [10, 19, 20, 200, 1000])
@pytest.mark.parametrize("late", [False, True], ids=["before the loop is late", "while the loop is late"])
@virtual
async def test_sleeping_calls_do_not_lock_a_method_in_a_late_loop(late: bool, calls: int) -> None:
    server = Server(lag=LATE if late else 0.0)
    asleep = server.sleeping(calls)
    await asyncio.sleep(2)
    server.lag = LATE
    await asyncio.sleep(1)
    assert await server.probe(100) == 100
    await ended(asleep)


@virtual
async def test_a_sleeping_call_that_ends_takes_no_places_from_others() -> None:
    server = Server(lag=0.0)
    asleep = server.sleeping(100)
    await asyncio.sleep(2)
    server.lag = LATE

    async def come_and_go() -> None:
        for sleeper in asleep:
            sleeper.cancel()
            await asyncio.sleep(0.3)

    going = asyncio.create_task(come_and_go())
    assert await server.probe(200) == 200
    await going
    await ended(asleep)


@pytest.mark.parametrize("seconds", [0.01, 0.05, 0.2, 0.9, -0.05])
@virtual
async def test_the_limit_still_binds_for_calls_that_end_well_or_not(seconds: float) -> None:
    server = Server(lag=LATE, limit=FIXED)

    async def call() -> None:
        while True:
            try:
                async with asyncio.timeout(20):
                    await server.handle(seconds, Context("a/b"))
            except (RpcError, TimeoutError):
                await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(call()) for _ in range(60)]
        await asyncio.sleep(2)
        server.most = 0
        await asyncio.sleep(2)
        assert server.in_flight.staying == 0
        assert 0 < server.most <= 21
        for caller in callers:
            caller.cancel()


def test_a_call_counts_for_a_second_at_most_and_those_that_were_not_measured_with_it() -> None:
    limit = AdaptiveLimit()
    limit.done(100.0, 0.0, 3600.0, 1)
    limit.lost(3600.0)
    assert limit.worked == 2.0
    limit.done(100.0, 0.0, 0.25, 1)
    assert limit.worked == 2.25
    for number in range(20_000):  # so many in a second that not every call is measured
        if limit.skip:
            limit.skip -= 1
        else:
            limit.done(100 + number / 20_000, 0.0, 0.001, 1)
    assert limit.worked == pytest.approx(2.25 + 20, abs=0.2)


def test_calls_stay_that_are_there_and_do_not_end() -> None:
    in_flight = InFlight(AdaptiveLimit())
    in_flight.count = 50
    in_flight.estimate_staying(10.0)
    for tick in range(1, 12):
        in_flight.limit.worked += 2.0  # of twenty calls in each tenth of a second
        in_flight.estimate_staying(10 + tick / 10)
    assert in_flight.staying in (29, 30)
    in_flight.count = 5
    in_flight.estimate_staying(11.15)
    in_flight.count = 50
    in_flight.estimate_staying(11.25)
    assert in_flight.staying == 0  # there were moments with fewer
