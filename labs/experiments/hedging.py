"""Hedging: the time that a page of a hundred calls takes, if one call in a hundred takes a second, with hedges and without, and the
cost."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from labs.farm import PORT, Working, start
from labs.report import Claim, Finding, Panel, Report, Series
from labs.seeds import for_each
from labs.work.v1.work_pb2 import ReadRequest
from labs.work.v1.work_towpath import READ, WorkServiceClient
from towpath import CallOptions, connect
from towpath.generated import HedgingPolicy
from towpath.settings import MethodConfig, ServiceConfig
from towpath.telemetry import CallMetrics
from towpath.testing import Node, Simulation, simulate

REPLICAS: Final = 20
FAN_OUT: Final = 100
PAGES: Final = 400
PAGES_PER_SECOND: Final = 10
WARM: Final = 50
"""Pages at the beginning that do not count: the client has to learn first which calls are late."""

NORMAL: Final = 0.01
"""Seconds that a call takes, half of it more or less."""

STRAGGLER: Final = 1.0
"""Seconds that a straggler takes."""

STRAGGLERS: Final = 0.01
"""The share of calls that are stragglers."""

POLICY: Final = HedgingPolicy(max_attempts=3, extra_load=0.05)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one run."""

    pages: list[float]
    """Seconds that pages took, sorted."""
    load: float
    """Calls that came to servers for each call of a page."""


def hedged(seed: int) -> Outcome:
    """A run with hedges, which the service file asks for."""
    return _run(seed, (MethodConfig(names=((READ.service, READ.name),), hedge=POLICY),))


def single(seed: int) -> Outcome:
    """A run without hedges."""
    return _run(seed, ())


def experiment(seeds: int) -> Report:
    """Run both with a tenth of the seeds, since a run has 40,000 calls."""
    runs = max(1, seeds // 10)
    ours, theirs = for_each(runs, hedged), for_each(runs, single)
    with_hedges = sorted(page for each in ours for page in each.pages)
    without = sorted(page for each in theirs for page in each.pages)
    gain = _percentile(without, 0.999) / _percentile(with_hedges, 0.999)
    extra = max(each.load for each in ours) - 1
    shares = [share / 1000 for share in range(10, 1000)]
    return Report(
        title="Hedging",
        question="One in a hundred calls takes a second, and a page is made of a hundred. What is a second attempt worth, and its cost?",
        claim=Claim(
            text="Reading 1,000 values from 100 servers, a second request after 10 ms took the 99.9th percentile from 1,800 to 74 ms and "
            "cost 2 % more requests.",
            source='J. Dean, L. A. Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013',
        ),
        setup=f"{PAGES_PER_SECOND} pages a second of {FAN_OUT} calls to {REPLICAS} servers; a call takes {NORMAL * 1000:g} ms, give or "
        f"take a half, and one of {1 / STRAGGLERS:g} takes {STRAGGLER:g} s. On one side hedges: up to {POLICY.max_attempts} attempts, each "
        f"when the one before is later than {1 - POLICY.extra_load:.0%} of the calls. Simulated, {runs} seeds, {len(without)} pages.",
        findings=[
            Finding(what="p99.9 of a page, without by with hedges", expected=">= 5", measured=f"{gain:.1f}", holds=gain >= 5),
            Finding(what="calls more, the worst seed", expected="<= 5 %", measured=f"{extra:.1%}", holds=extra <= 0.05),
        ],
        panels=[
            Panel(
                title="How long a page takes",
                x_label="share of the pages",
                y_label="seconds",
                series=[
                    Series(name=name, x=shares, y=[_percentile(pages, share) for share in shares])
                    for name, pages in (("hedged", with_hedges), ("single", without))
                ],
                log_y=True,
            )
        ],
        figures={"p999_single_by_hedged": gain, "extra": [each.load - 1 for each in ours]},
    )


def _run(seed: int, methods: tuple[MethodConfig, ...]) -> Outcome:
    async def main(run: Simulation) -> Outcome:
        async def work(_: Node) -> None:
            late = run.random.random() < STRAGGLERS
            await asyncio.sleep(STRAGGLER if late else NORMAL * run.random.uniform(0.5, 1.5))

        async with AsyncExitStack() as stack:
            nodes = [run.node(f"n{number}") for number in range(REPLICAS)]
            servers = [Working(node, work) for node in nodes]
            for node, server in zip(nodes, servers, strict=True):
                stack.push_async_callback((await start(node, server)).close)
            target = "static:///" + ",".join(f"{node.name}:{PORT}" for node in nodes)
            config = ServiceConfig(methods=methods)
            channel = await stack.enter_async_context(connect(target, config=config, insecure=True, metrics=CallMetrics()))
            return await _pages(WorkServiceClient(channel), servers)

    return simulate(main, seed=seed)


async def _pages(client: WorkServiceClient, servers: list[Working]) -> Outcome:
    took: list[float] = []
    options = CallOptions(timeout=5.0, wait_for_ready=True)
    loop = asyncio.get_running_loop()

    async def page(number: int) -> None:
        begun = loop.time()
        await asyncio.gather(*(client.read(ReadRequest(), options) for _ in range(FAN_OUT)))
        if number >= WARM:
            took.append(loop.time() - begun)

    pages: list[asyncio.Task[None]] = []
    for number in range(PAGES):
        pages.append(asyncio.create_task(page(number)))
        await asyncio.sleep(1 / PAGES_PER_SECOND)
    await asyncio.gather(*pages)
    return Outcome(pages=sorted(took), load=sum(server.calls for server in servers) / (PAGES * FAN_OUT))


def _percentile(values: list[float], share: float) -> float:
    return values[int(share * (len(values) - 1))]
