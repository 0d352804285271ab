"""Capacity drop: the time in which a service that loses half of its capacity, or gets more calls than it can serve, makes full use of the
capacity that it has.

Capacity is either the processor of the service's one event loop, which admission watches, or a pool that handlers wait for while the loop
is idle. Admission cannot tell a call that waits for the pool from one that is merely slow, and lets it pass. So the pool needs a bulkhead.
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
"""Seconds of the processor that a call takes, half of it more or less."""

CAPACITY: Final = 1 / WORK
"""Calls a second that the service can do."""

PLACES: Final = 4
"""Places of the pool, such as a database's connections. A call holds one for `PLACES` times as long, so that the capacity is the same."""

BULKHEAD: Final = 4 * PLACES
"""Calls that may be under way at the pool, or wait for it. None of them waits for a third of its timeout or longer."""

TIMEOUT: Final = 0.2
PORT: Final = 4000
MAX_SEEDS: Final = 20
BEFORE: Final = 0.8
"""The load before it rises, as a multiple of the capacity."""

STEP: Final = 1.4
"""The load after it has risen, as a multiple of the capacity."""

CHANGE: Final = 10
"""The second at which the load rises or the capacity falls."""

BACK: Final = 20
"""The second at which the capacity is whole again."""

UNTIL: Final = 30
"""The second at which a run ends."""

LEFT: Final = 0.5
"""The share of the capacity that the drop leaves."""

SETTLED: Final = 1
"""Seconds after a change that the server has for settling. They do not count."""

SOON: Final = 3
"""Seconds after those that the first finding looks at."""

MODES: Final[dict[str, AdmissionMode]] = {"towpath": "on", "nothing rejected": "off"}
POOLS: Final = {"towpath with a bulkhead": True, "towpath": False}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Calls by second."""

    offered: Sequence[int]
    """Calls that were made in each second."""
    answered: Sequence[int]
    """Calls that were answered, in time, in each second."""

    def share(self, begin: int, end: int, possible: float) -> float:
        """Calls answered from second `begin` to `end`, as a share of the calls that could be: `possible` in each second, or all calls of
        the second if they were fewer."""
        return sum(self.answered[begin:end]) / sum(min(possible, offered) for offered in self.offered[begin:end])


def experiment(seeds: int) -> Report:
    """Run both changes, with admission and without, with 20 seeds at most, since a run has 10,000 calls."""
    seeds = min(seeds, MAX_SEEDS)
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
    """The share of possible answers in the `SOON` seconds after the load rose and the server settled."""
    return run.share(CHANGE + SETTLED, CHANGE + SETTLED + SOON, CAPACITY)


def after_step(run: Outcome) -> float:
    """The share of possible answers from the time that the server settled after the load rose until the end."""
    return run.share(CHANGE + SETTLED, UNTIL, CAPACITY)


def during_drop(run: Outcome) -> float:
    """The share of possible answers while half of the capacity is lost, without the time for settling."""
    return run.share(CHANGE + SETTLED, BACK, LEFT * CAPACITY)


def after_drop(run: Outcome) -> float:
    """The share of possible answers after the capacity came back, without the time for settling."""
    return run.share(BACK + SETTLED, UNTIL, CAPACITY)


def step(seed: int, mode: AdmissionMode) -> Outcome:
    """A run in which the load rises."""
    return simulate(lambda run: _run(run, ServiceConfig(admission=mode, insecure=True), load_after=STEP, left=1.0), seed=seed)


def drop(seed: int, mode: AdmissionMode) -> Outcome:
    """A run in which the capacity falls, and comes back."""
    return simulate(lambda run: _run(run, ServiceConfig(admission=mode, insecure=True), load_after=BEFORE, left=LEFT), seed=seed)


def pool(seed: int, *, bulkhead: bool) -> Outcome:
    """A run in which the load of a pool rises."""
    compartment = NamedBulkhead(where="the lab", methods=(READ.full_name,), compartment=Compartment(max_concurrent=BULKHEAD))
    config = ServiceConfig(insecure=True, bulkheads=(compartment,) if bulkhead else ())
    return simulate(lambda run: _run(run, config, load_after=STEP, left=1.0, places=PLACES), seed=seed)


class _Working(WorkService):
    """Serves calls that take time of `cpu`, which is the processor or stands for the pool."""

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
    return Finding(what=what, expected="less in every seed, for it rejects no call", measured=f"{measured:.1%}", holds=measured < 0.9)


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
