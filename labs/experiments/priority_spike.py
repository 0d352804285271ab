"""Priority: the share of critical calls answered while sheddable ones rise to twelve times their rate, and the share of pages of four calls
answered by a service at twice its capacity."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from labs.farm import PORT, Working, burning, start
from labs.report import Claim, Finding, Panel, Report, Series
from labs.seeds import for_each
from labs.work.v1.work_pb2 import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from labs.work.v1.work_towpath import WorkService, WorkServiceClient
from towpath import App, CallOptions, Code, Context, Criticality, RpcError, connect
from towpath.settings import ServiceConfig
from towpath.telemetry import CallMetrics
from towpath.testing import Simulation, simulate

COST: Final = 0.001
"""Seconds of the processor that a call takes."""

CRITICAL: Final = 400
"""Critical calls a second."""

SHEDDABLE: Final = 200
"""Sheddable calls a second, outside of the spike."""

FACTOR: Final = 12
"""How many times as many sheddable calls come during the spike."""

SPIKE: Final = (2, 7)
"""The seconds at which the spike begins and ends."""

UNTIL: Final = 9
"""The second at which the run with the spike ends."""

CALLS: Final = 4
"""Calls for one page."""

LOAD: Final = 2.0
"""The load of the pages, as a multiple of the service's capacity."""

WARM: Final = 2.0
"""Seconds at the beginning whose pages do not count."""

PAGES_FOR: Final = 5.0
"""Seconds whose pages count."""


@dataclass(frozen=True, kw_only=True)
class Spike:
    """The shares of calls that were answered."""

    critical: list[float]
    """Of critical calls, by second."""
    sheddable: list[float]
    """Of sheddable calls, by second."""
    critical_in_spike: float
    """Of critical calls while the spike lasts."""


def spike(seed: int) -> Spike:
    """A run of one client that makes calls of two classes over one channel."""

    async def main(run: Simulation) -> Spike:
        node = run.node("work")
        app = await start(node, Working(node, burning(COST)))
        asked: Counter[tuple[Criticality, int]] = Counter()
        answered: Counter[tuple[Criticality, int]] = Counter()
        async with connect(f"work:{PORT}", insecure=True, metrics=CallMetrics()) as channel:
            client = WorkServiceClient(channel)

            async def one(criticality: Criticality) -> None:
                second = int(run.elapsed)
                asked[criticality, second] += 1
                try:
                    await client.read(ReadRequest(), CallOptions(criticality=criticality, timeout=1.0))
                except RpcError:
                    return
                answered[criticality, second] += 1

            def sheddable_rate() -> float:
                return SHEDDABLE * (FACTOR if SPIKE[0] <= run.elapsed < SPIKE[1] else 1)

            await asyncio.gather(
                _arrivals(run, lambda: CRITICAL, UNTIL, lambda: one(Criticality.CRITICAL)),
                _arrivals(run, sheddable_rate, UNTIL, lambda: one(Criticality.SHEDDABLE)),
            )
        await app.close()

        def share(criticality: Criticality, seconds: range) -> float:
            return sum(answered[criticality, s] for s in seconds) / sum(asked[criticality, s] for s in seconds)

        by_second = [range(second, second + 1) for second in range(UNTIL)]
        return Spike(
            critical=[share(Criticality.CRITICAL, each) for each in by_second],
            sheddable=[share(Criticality.SHEDDABLE, each) for each in by_second],
            critical_in_spike=share(Criticality.CRITICAL, range(*SPIKE)),
        )

    return simulate(main, seed=seed)


class Front(WorkService):
    """Serves pages. A page needs the answers to `CALLS` calls to the overloaded service, which are made one after the other."""

    def __init__(self, client: WorkServiceClient) -> None:
        self._client = client

    async def read(self, request: ReadRequest, ctx: Context) -> ReadResponse:
        """Serve a page."""
        for _ in range(CALLS):
            await self._client.read(ReadRequest())
        return ReadResponse(id=request.id)

    async def write(self, request: WriteRequest, ctx: Context) -> WriteResponse:
        """The experiment makes no such call."""
        raise RpcError(Code.UNIMPLEMENTED, "pages are only read")


def pages(seed: int) -> float:
    """The share of pages that succeed at `LOAD` times the capacity of the service that they call."""

    async def main(run: Simulation) -> float:
        work, front = run.node("work"), run.node("front")
        app = await start(work, Working(work, burning(COST)))
        middle = App(ServiceConfig(insecure=True, targets={"work": f"work:{PORT}"}))
        await start(front, Front(WorkServiceClient(middle.channel("work"))), app=middle)
        came: list[bool] = []
        async with connect(f"front:{PORT}", insecure=True, metrics=CallMetrics()) as channel:
            client = WorkServiceClient(channel)

            async def one() -> None:
                counts, succeeded = run.elapsed >= WARM, True
                try:
                    await client.read(ReadRequest(), CallOptions(timeout=1.0))
                except RpcError:
                    succeeded = False
                if counts:
                    came.append(succeeded)

            await _arrivals(run, lambda: LOAD / COST / CALLS, WARM + PAGES_FOR, one)
        await middle.close()
        await app.close()
        return fmean(came)

    return simulate(main, seed=seed)


async def _arrivals(run: Simulation, rate: Callable[[], float], until: float, one: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Make calls at random times until `until`, whether earlier ones have ended or not, and wait for all of them."""
    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(run.random.expovariate(rate()))
            if run.elapsed >= until:
                break
            group.create_task(one())


def experiment(seeds: int) -> Report:
    """Run the spike and the pages with every seed."""
    spikes, successes = for_each(seeds, spike), for_each(seeds, pages)
    worst, ideal = min(each.critical_in_spike for each in spikes), 1 / LOAD
    least, seconds = min(successes), list(range(UNTIL))
    return Report(
        title="Priority under a spike",
        question="Sheddable calls rise to twelve times their rate: do critical ones notice? And does a page of four calls get all of them?",
        claim=Claim(
            text="With priorities inside a service, user-initiated calls stayed above 99.4 % while those for prefetching rose to 12 times "
            "their rate. Calls of one request, admitted or refused as one, succeed close to the ideal: at twice the capacity 50 %, "
            "where dropping at random leaves 0.5^4 = 6 % of the requests that make four calls.",
            source='A. Mendiratta et al., "Enhancing Netflix Reliability with Service-Level Prioritized Load Shedding", Netflix Technology '
            'Blog, 2024; H. Zhou et al., "Overload Control for Scaling WeChat Microservices" (DAGOR), SoCC 2018',
        ),
        setup=f"A service that can do {1 / COST:,.0f} calls a second; one client, one channel. Spike: {CRITICAL} critical and {SHEDDABLE} "
        f"sheddable calls a second at random, the latter {FACTOR} times as many from second {SPIKE[0]} to {SPIKE[1]}. Pages: {CALLS} calls "
        f"in a row, at {LOAD:g} times the capacity. towpath with nothing set. Simulated, {seeds} seeds.",
        findings=[
            Finding(
                what="critical calls that succeed while the spike lasts, the worst seed",
                expected=">= 99.4 %",
                measured=f"{worst:.2%}",
                holds=worst >= 0.994,
            ),
            Finding(
                what=f"pages that succeed, of the ideal {ideal:.0%}, the worst seed",
                expected=">= 0.9",
                measured=f"{least / ideal:.2f}",
                holds=least >= 0.9 * ideal,
            ),
        ],
        panels=[
            Panel(
                title="Calls answered, mean of all seeds",
                x_label="second",
                y_label="share",
                series=[
                    Series(name=name, x=seconds, y=[fmean(column) for column in zip(*rows, strict=True)])
                    for name, rows in (
                        ("critical", [each.critical for each in spikes]),
                        ("sheddable", [each.sheddable for each in spikes]),
                    )
                ],
                spans={"spike": SPIKE},
            )
        ],
        figures={"critical_in_spike": [each.critical_in_spike for each in spikes], "pages": successes},
    )
