"""Balancing: the latency of calls to twenty replicas, some of them slower, at nine tenths of their capacity, for each balancer."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final

from labs.farm import PORT, Working, burning, start
from labs.report import Claim, Finding, Panel, Report, Series
from labs.seeds import for_each
from labs.work.v1.work_pb2 import ReadRequest
from labs.work.v1.work_towpath import WorkServiceClient
from towpath import CallOptions, RpcError, connect
from towpath.settings import ServiceConfig
from towpath.telemetry import CallMetrics
from towpath.testing import Cpu, Simulation, simulate
from towpath.transport import PICKERS, ChannelOptions

REPLICAS: Final = 20
COST: Final = 0.01
"""Seconds of the processor that a call takes at speed 1."""

CORES: Final = 4
LOAD: Final = 0.9
"""The load, as a multiple of the replicas' capacity."""

SPEEDS: Final = (1.0, 0.8, 0.6, 0.5)
"""The speeds of the replicas. A quarter of the replicas has each."""

SECONDS: Final = 12
WARM: Final = 4
"""Seconds at the beginning whose calls do not count."""

POLICIES: Final = tuple(PICKERS)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one run."""

    latencies: list[float]
    """Seconds, sorted."""
    answered: float
    """The share of calls that were answered."""

    def percentile(self, share: float) -> float:
        """The latency that a `share` of the calls does not exceed, by the nearest rank."""
        return self.latencies[int(share * (len(self.latencies) - 1))]


def balanced(seed: int, policy: str) -> Outcome:
    """A run of one client, whose calls the balancer `policy` spreads."""

    async def main(run: Simulation) -> Outcome:
        async with AsyncExitStack() as stack:
            speeds = [SPEEDS[number % len(SPEEDS)] for number in range(REPLICAS)]
            nodes = [run.node(f"n{number}", cpu=Cpu(cores=CORES, speed=speed)) for number, speed in enumerate(speeds)]
            for node in nodes:
                # Nothing is shed, so that a bad choice of the balancer shows as latency and not as a rejection.
                app = await start(node, Working(node, burning(COST)), config=ServiceConfig(insecure=True, admission="off"))
                stack.push_async_callback(app.close)
            target = "static:///" + ",".join(f"{node.name}:{PORT}" for node in nodes)
            options = ChannelOptions(balancer=policy)
            channel = await stack.enter_async_context(connect(target, insecure=True, metrics=CallMetrics(), options=options))
            client = WorkServiceClient(channel)
            took: list[float] = []
            failed = 0

            async def one(counts: bool) -> None:
                nonlocal failed
                begun = run.elapsed
                try:
                    await client.read(ReadRequest(), CallOptions(timeout=5.0, wait_for_ready=True))
                except RpcError:
                    failed += counts
                else:
                    if counts:
                        took.append(run.elapsed - begun)

            rate = LOAD * sum(speeds) * CORES / COST
            async with asyncio.TaskGroup() as group:
                while run.elapsed < SECONDS:
                    await asyncio.sleep(run.random.expovariate(rate))
                    group.create_task(one(run.elapsed >= WARM))
            return Outcome(latencies=sorted(took), answered=len(took) / (len(took) + failed))

    return simulate(main, seed=seed)


def experiment(seeds: int) -> Report:
    """Run every balancer with a tenth of the seeds, since one run has 60,000 calls."""
    runs = max(1, seeds // 10)
    outcomes = {policy: for_each(runs, partial(balanced, policy=policy)) for policy in POLICIES}
    p99 = {policy: [each.percentile(0.99) for each in found] for policy, found in outcomes.items()}
    ours, turns, least = p99["peak_ewma"], p99["round_robin"], p99["least_request"]
    by_turns = [one / other for one, other in zip(ours, turns, strict=True)]
    by_least = [one / other for one, other in zip(ours, least, strict=True)]
    shares = [share / 1000 for share in range(10, 1000)]
    return Report(
        title="Balancing",
        question="Of twenty replicas some are half as fast. At nine tenths of what they can do together, what is choosing by load worth?",
        claim=Claim(
            text="With one slow replica among several, balancing by peak latency and calls in flight kept more of the tail fast than "
            "counting calls in flight, and that more than taking turns.",
            source='S. Jenson, R. Oanta, "Beyond Round Robin: Load Balancing for Latency", Linkerd, 2016',
        ),
        setup=f"{REPLICAS} replicas of {CORES} cores at speeds of {', '.join(f'{speed:g}' for speed in SPEEDS)}, a quarter of them each; "
        f"{COST * 1000:g} ms of work per call, at random, {LOAD:.0%} of what all can do; nothing is shed. {SECONDS - WARM} s. "
        f"Simulated, {runs} seeds.",
        findings=[
            Finding(
                what="p99 of peak EWMA by that of round robin, the worst seed",
                expected="<= 0.5",
                measured=f"{max(by_turns):.3f}",
                holds=max(by_turns) <= 0.5,
            ),
            Finding(
                what="p99 of peak EWMA by that of least request, the worst seed",
                expected="<= 1",
                measured=f"{max(by_least):.2f}",
                holds=max(by_least) <= 1,
            ),
        ],
        panels=[
            Panel(
                title="Latency, median of all seeds",
                x_label="share of the calls",
                y_label="ms",
                series=[
                    Series(name=policy, x=shares, y=[median(each.percentile(share) for each in found) * 1e3 for share in shares])
                    for policy, found in outcomes.items()
                ],
                log_y=True,
            )
        ],
        figures={"p99_ms": {policy: [value * 1e3 for value in values] for policy, values in p99.items()}},
    )
