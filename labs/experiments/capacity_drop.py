"""A service loses half of its capacity, or is asked for more than it has: how soon it makes the most of what is left.

Capacity is the processor of the service's one event loop, which admission watches; or a pool that handlers wait for while the loop has
nothing to do. The latter admission leaves alone, since it cannot tell such calls from those that merely wait for long, and a bulkhead is
what protects it.
"""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from labs.report import Claim, Finding, Panel, Report, Series
from labs.work.v1.work_pb2 import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from labs.work.v1.work_towpath import READ, WorkService, WorkServiceClient
from towpath import App, CallOptions, Context, RpcError
from towpath.settings import AdmissionMode, Compartment, NamedBulkhead, ServiceConfig
from towpath.testing import Cpu, Simulation, simulate
from towpath.transport import Channel

WORK: Final = 0.0025
"""Seconds that a call takes of the processor; half of it more or less."""

CAPACITY: Final = 1 / WORK
PLACES: Final = 4
"""Of the pool, a database's connections, say: a call holds one of them for as many times longer, so that the capacity is the same."""

BULKHEAD: Final = 4 * PLACES
"""Calls that may be under way at the pool, or wait for it: none of them waits for as much as a third of its timeout."""

TIMEOUT: Final = 0.2
PORT: Final = 4000
MOST_SEEDS: Final = 20
BEFORE: Final = 0.8
STEP: Final = 1.4
"""Load as multiples of the capacity."""

CHANGE, BACK, UNTIL = 10, 20, 30
"""Seconds: when the load rises or the capacity falls, when the capacity is whole again, and the end."""

LEFT: Final = 0.5
"""The share of the capacity that the drop leaves."""

SETTLED: Final = 1
SOON: Final = 3
"""Seconds after a change from which on the server has to do as well as it can, and for how many it is looked at whether it does."""

MODES: Final[dict[str, AdmissionMode]] = {"towpath": "on", "nothing refused": "off"}
POOLS: Final = {"towpath with a bulkhead": True, "towpath": False}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """By second: calls that were made, and calls that were answered in time in it."""

    offered: Sequence[int]
    answered: Sequence[int]

    def share(self, begin: int, end: int, possible: float) -> float:
        """What was answered from second `begin` to `end` of what was possible: `possible` calls in each, or all if fewer were made."""
        return sum(self.answered[begin:end]) / sum(min(possible, offered) for offered in self.offered[begin:end])


def experiment(seeds: int) -> Report:
    """Both changes, with admission and without, with every seed up to the twentieth: a run has 10,000 calls."""
    seeds = min(seeds, MOST_SEEDS)
    steps = {name: [step(seed, mode) for seed in range(seeds)] for name, mode in MODES.items()}
    drops = {name: [drop(seed, mode) for seed in range(seeds)] for name, mode in MODES.items()}
    pools = {name: [pool(seed, bulkhead=bulkhead) for seed in range(seeds)] for name, bulkhead in POOLS.items()}
    ours, theirs = MODES
    with_bulkhead, without = POOLS
    return Report(
        title="Capacity drop",
        question="How soon does a service that loses half of its capacity, or is asked for more than it has, make the most of it?",
        claim=Claim(
            text="A limit of calls under way that follows measured latency keeps a service at its throughput through changes of load and "
            "capacity, where a fixed one has to be guessed and goes stale.",
            source='Netflix Technology Blog, "Performance Under Load: Adaptive Concurrency Limits @ Netflix", 2018',
        ),
        setup=f"A handler that computes for {WORK * 1e3:g} ms, half more or less: {CAPACITY:g} calls a second. Calls come at random, with "
        f"a timeout of {TIMEOUT:g} s and neither retries nor throttle. Either the load rises from {BEFORE:g} to {STEP:g} times the "
        f"capacity after {CHANGE} s, or all work takes twice as long from second {CHANGE} to {BACK}. The server has its default stack, "
        f"once with admission and once without. Pool: the same step where a handler computes nothing and holds one of {PLACES} places for "
        f"{PLACES * WORK * 1e3:g} ms, with admission, once with a bulkhead of {BULKHEAD} and once without. What is possible in a second is "
        f"the capacity, or what came if that is less. Simulated, {seeds} seeds; each figure is the worst of them.",
        findings=[
            _finding(f"{ours}: {SOON} s from {SETTLED} s after the step on", min(map(soon_after_step, steps[ours])), 0.95),
            _finding(f"{ours}: all of the overload but the first {SETTLED} s", min(map(after_step, steps[ours])), 0.95),
            _finding(f"{ours}: all of the drop but the first {SETTLED} s", min(map(during_drop, drops[ours])), 0.9),
            _finding(f"{ours}: after the drop but the first {SETTLED} s", min(map(after_drop, drops[ours])), 0.95),
            _fails(f"{theirs}: all of the overload but the first {SETTLED} s", max(map(after_step, steps[theirs]))),
            _fails(f"{theirs}: all of the drop but the first {SETTLED} s", max(map(during_drop, drops[theirs]))),
            _finding(
                f"pool, {with_bulkhead}: all of the overload but the first {SETTLED} s", min(map(after_step, pools[with_bulkhead])), 0.95
            ),
            _fails(f"pool, {without}: the overload but its first {SETTLED} s", max(map(after_step, pools[without]))),
        ],
        panels=[
            _panel(f"Load rises to {STEP:g} times the capacity", steps, {"overload": (CHANGE, UNTIL)}),
            _panel("Half of the capacity is lost", drops, {"drop": (CHANGE, BACK)}),
            _panel(f"Load of a pool rises to {STEP:g} times its capacity", pools, {"overload": (CHANGE, UNTIL)}),
        ],
        figures={
            name: {"after_step": list(map(after_step, steps[name])), "during_drop": list(map(during_drop, drops[name]))} for name in MODES
        },
    )


def soon_after_step(run: Outcome) -> float:
    """The share of what was possible, in the first seconds after the load has risen but the very first."""
    return run.share(CHANGE + SETTLED, CHANGE + SETTLED + SOON, CAPACITY)


def after_step(run: Outcome) -> float:
    """Likewise, until the end."""
    return run.share(CHANGE + SETTLED, UNTIL, CAPACITY)


def during_drop(run: Outcome) -> float:
    """Likewise, while half of the capacity is lost."""
    return run.share(CHANGE + SETTLED, BACK, LEFT * CAPACITY)


def after_drop(run: Outcome) -> float:
    """Likewise, after the capacity has come back."""
    return run.share(BACK + SETTLED, UNTIL, CAPACITY)


def step(seed: int, mode: AdmissionMode) -> Outcome:
    """The load rises."""
    return simulate(lambda run: _run(run, ServiceConfig(admission=mode, insecure=True), load_after=STEP, left=1.0), seed=seed)


def drop(seed: int, mode: AdmissionMode) -> Outcome:
    """The capacity falls, and comes back."""
    return simulate(lambda run: _run(run, ServiceConfig(admission=mode, insecure=True), load_after=BEFORE, left=LEFT), seed=seed)


def pool(seed: int, *, bulkhead: bool) -> Outcome:
    """The load of a pool rises."""
    compartment = NamedBulkhead(where="the lab", methods=(READ.full_name,), compartment=Compartment(most=BULKHEAD))
    config = ServiceConfig(insecure=True, bulkheads=(compartment,) if bulkhead else ())
    return simulate(lambda run: _run(run, config, load_after=STEP, left=1.0, places=PLACES), seed=seed)


class _Working(WorkService):
    """Takes as much of `cpu`, which is the processor or stands for the pool."""

    def __init__(self, run: Simulation, cpu: Cpu, places: int) -> None:
        self._run = run
        self._cpu = cpu
        self._seconds = WORK * places

    async def read(self, request: ReadRequest, ctx: Context) -> ReadResponse:
        await self._cpu.work(self._seconds * self._run.random.uniform(0.5, 1.5))
        return ReadResponse(id=request.id)

    async def write(self, request: WriteRequest, ctx: Context) -> WriteResponse:
        raise NotImplementedError


async def _run(run: Simulation, config: ServiceConfig, *, load_after: float, left: float, places: int = 1) -> Outcome:
    cpu = Cpu(cores=places)
    node = run.node("work", cpu=cpu if places == 1 else None)
    app = App(config)
    app.add(_Working(run, cpu, places))
    await app.start(sock=node.listen(PORT))
    offered, answered = [0] * UNTIL, [0] * (UNTIL + 1)
    begun = run.elapsed
    calls: set[asyncio.Task[None]] = set()
    async with Channel(f"work:{PORT}", insecure=True) as channel:
        client, options = WorkServiceClient(channel), CallOptions(timeout=TIMEOUT)

        async def call() -> None:
            try:
                await client.read(ReadRequest(), options)
            except RpcError:
                return
            answered[int(run.elapsed - begun)] += 1

        due = 0.0
        while True:
            due += run.random.expovariate(CAPACITY * (BEFORE if due < CHANGE else load_after))
            if due >= UNTIL:
                break
            await asyncio.sleep(begun + due - run.elapsed)
            cpu.speed = left if CHANGE <= due < BACK else 1.0
            offered[int(due)] += 1
            task = asyncio.create_task(call())
            calls.add(task)
            task.add_done_callback(calls.discard)
        await asyncio.gather(*calls)
    await app.close()
    return Outcome(offered=offered, answered=answered[:UNTIL])


def _finding(what: str, measured: float, bound: float) -> Finding:
    return Finding(what=what, expected=f">= {bound:.0%} of what is possible", measured=f"{measured:.1%}", holds=measured >= bound)


def _fails(what: str, measured: float) -> Finding:
    return Finding(what=what, expected="less in every seed, for it refuses nobody", measured=f"{measured:.1%}", holds=measured < 0.9)


def _panel(title: str, runs: dict[str, list[Outcome]], spans: dict[str, tuple[float, float]]) -> Panel:
    return Panel(
        title=f"{title}, mean of all seeds",
        x_label="second",
        y_label="answered in time, capacity = 1",
        series=[
            Series(
                name=name,
                x=list(range(UNTIL)),
                y=[fmean(column) / CAPACITY for column in itertools.zip_longest(*(each.answered for each in outcomes))],
            )
            for name, outcomes in runs.items()
        ],
        spans=spans,
    )
