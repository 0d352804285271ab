"""Retry storm: whether a service near its capacity that stalls for ten seconds recovers by itself, or is kept down by its own clients."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from labs.farm import PORT, Working, burning, start
from labs.report import Claim, Finding, Panel, Report, Series
from labs.seeds import for_each
from labs.work.v1.work_pb2 import ReadRequest
from labs.work.v1.work_towpath import WorkServiceClient
from towpath import CallOptions, Code, RpcError, connect
from towpath.telemetry import CallMetrics
from towpath.testing import Node, Simulation, simulate
from towpath.transport import Channel, Server

OFFERED: Final = 280
"""Calls per second that clients make."""

CAPACITY: Final = 300
"""Calls per second that the service can do."""

TIMEOUT: Final = 1.0
"""Seconds that a call may take."""

STALL: Final = (5, 15)
"""The seconds at which the stall begins and ends."""

UNTIL: Final = 30
"""The second at which a run ends."""

GRACE: Final = 2
"""Seconds after the stall that the service has for recovering. They do not count."""

ATTEMPTS: Final = 3
"""Attempts of a naive client."""

Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one run."""

    offered: list[int]
    """Calls by the second in which they were made."""
    answered: list[int]
    """Calls that were answered in time, by the second in which they were made."""
    attempts: int
    """Attempts that came to the server."""

    @property
    def goodput(self) -> list[float]:
        """The share of calls that were answered, by second."""
        return [answered / offered for answered, offered in zip(self.answered, self.offered, strict=True)]

    @property
    def recovered(self) -> float:
        """The share of calls answered in the worst second from `GRACE` seconds after the stall on."""
        return min(self.goodput[STALL[1] + GRACE :])


def experiment(seeds: int) -> Report:
    """Run both systems with every seed."""
    ours, theirs = for_each(seeds, default), for_each(seeds, naive)
    worst, best = min(each.recovered for each in ours), max(each.recovered for each in theirs)
    seconds = list(range(UNTIL))
    return Report(
        title="Retry storm",
        question="A service near its capacity stalls for ten seconds. Does it come back by itself, or do its own clients keep it down?",
        claim=Claim(
            text="A metastable failure is sustained by feedback after its trigger is gone, most often by the load that retries make; it "
            "ends only when somebody takes load away.",
            source='N. Bronson, A. Aghayev, A. Charapko, T. Zhu, "Metastable Failures in Distributed Systems", HotOS 2021',
        ),
        setup=f"{OFFERED} calls a second at a constant rate to a service that can do {CAPACITY}, {TIMEOUT:g} s each, {ATTEMPTS} attempts; "
        f"its processor stands still from second {STALL[0]} to {STALL[1]}, and its work does not stop when nobody waits for it. On one "
        "side towpath's client and server with nothing set, on the other a client that repeats what failed and a server that takes "
        f"whatever comes. Simulated, {seeds} seeds.",
        findings=[
            Finding(
                what=f"towpath: answered in the worst second from {GRACE} s after the stall on, the worst seed",
                expected=">= 95 %",
                measured=f"{worst:.1%}",
                holds=worst >= 0.95,
            ),
            Finding(what="naive: the same, the best seed", expected="never comes back", measured=f"{best:.1%}", holds=best < 0.95),
            Finding(
                what="attempts that came to the server, towpath and naive",
                expected="fewer",
                measured=f"{fmean(each.attempts for each in ours):,.0f} and {fmean(each.attempts for each in theirs):,.0f}",
                holds=max(each.attempts for each in ours) < min(each.attempts for each in theirs),
            ),
        ],
        panels=[
            Panel(
                title="Calls answered, mean of all seeds",
                x_label="second",
                y_label="share",
                series=[
                    Series(name=name, x=seconds, y=[fmean(column) for column in zip(*(each.goodput for each in runs), strict=True)])
                    for name, runs in (("towpath", ours), ("naive", theirs))
                ],
                spans={"stall": STALL},
            )
        ],
        figures={
            "towpath": {"recovered": [each.recovered for each in ours], "attempts": [each.attempts for each in ours]},
            "naive": {"recovered": [each.recovered for each in theirs], "attempts": [each.attempts for each in theirs]},
        },
    )


def default(seed: int) -> Outcome:
    """A run in which client and server are towpath's, with nothing set but the timeout."""

    async def main(run: Simulation) -> Outcome:
        node = run.node("work")
        working = Working(node, _going_on)
        app = await start(node, working)
        async with connect(f"work:{PORT}", insecure=True, metrics=CallMetrics()) as channel:
            client, options = WorkServiceClient(channel), CallOptions(timeout=TIMEOUT)
            outcome = await _load(run, node, working, lambda: client.read(ReadRequest(), options))
        await app.close()
        return outcome

    return simulate(main, seed=seed)


def naive(seed: int) -> Outcome:
    """A run of a server that takes all calls, and of a client that makes three attempts of a second each, without a budget."""

    async def main(run: Simulation) -> Outcome:
        node = run.node("work")
        working = Working(node, _going_on)
        server = Server([working], layers=())
        await server.start(sock=node.listen(PORT), insecure=True)
        async with Channel(f"work:{PORT}", insecure=True) as channel:
            client, options = WorkServiceClient(channel), CallOptions(timeout=TIMEOUT)

            async def call() -> object:
                for attempt in range(1, ATTEMPTS + 1):
                    try:
                        return await client.read(ReadRequest(), options)
                    except RpcError as error:
                        if attempt == ATTEMPTS or error.code not in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED):
                            raise
                        await asyncio.sleep(run.random.uniform(0, 0.025 * 2**attempt))
                return None

            outcome = await _load(run, node, working, call)
        await server.close(0)
        return outcome

    return simulate(main, seed=seed)


async def _going_on(node: Node) -> None:
    """Do work that goes on when its call is cancelled, as the work of a thread does."""
    await asyncio.shield(node.start(burning(1 / CAPACITY)(node)))


async def _load(run: Simulation, node: Node, working: Working, call: Call) -> Outcome:
    """Make calls at a constant rate, whether earlier ones have ended or not, and stall the node meanwhile."""
    offered, answered = [0] * UNTIL, [0] * UNTIL

    async def one(second: int) -> None:
        offered[second] += 1
        try:
            await call()
        except RpcError:
            return
        answered[second] += 1

    async def stall() -> None:
        await asyncio.sleep(STALL[0])
        await node.work(STALL[1] - STALL[0])

    stalling = asyncio.create_task(stall())
    due, begun = 0.0, run.elapsed
    calls: set[asyncio.Task[None]] = set()
    while True:
        due += 1 / OFFERED
        if due >= UNTIL:
            break
        await asyncio.sleep(begun + due - run.elapsed)
        task = asyncio.create_task(one(int(due)))
        calls.add(task)
        task.add_done_callback(calls.discard)
    await asyncio.gather(stalling, *calls)
    while node.cpu.queued:  # noqa: ASYNC110 # work of calls that were cancelled
        await asyncio.sleep(1)
    await asyncio.sleep(1)
    return Outcome(offered=offered, answered=answered, attempts=working.calls)
