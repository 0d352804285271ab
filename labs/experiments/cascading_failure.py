"""Cascading failure: the calls that come to the last of five services, which is dead, for each call of a user."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Final

from labs.farm import PORT, burning, start
from labs.report import Claim, Finding, Panel, Report, Series
from labs.seeds import for_each
from labs.work.v1.work_pb2 import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from labs.work.v1.work_towpath import WorkService, WorkServiceClient
from towpath import App, CallOptions, Code, Context, RpcError, connect
from towpath.settings import ServiceConfig
from towpath.telemetry import CallMetrics
from towpath.testing import Node, Simulation, simulate
from towpath.transport import Channel, Server

DEPTH: Final = 5
ATTEMPTS: Final = 3
SECONDS: Final = 20
RATES: Final = (20, 100, 300)
"""Calls of users a second."""

HEALTHY: Final = 5
"""Seconds before the last service dies."""


class Link(WorkService):
    """One service of the chain. It does a little work, then calls the next one."""

    def __init__(self, node: Node, following: WorkServiceClient | None, *, attempts: int = 1) -> None:
        self.calls = 0
        """Calls that came since the last service died."""
        self.dead = False
        """Whether this service answers every call with UNAVAILABLE."""
        self.counting = False
        """Whether `calls` counts, since the last service has died."""
        self._node = node
        self._following = following
        self._attempts = attempts

    async def read(self, request: ReadRequest, ctx: Context) -> ReadResponse:
        """A call that may be repeated."""
        self.calls += self.counting
        if self.dead:
            raise RpcError(Code.UNAVAILABLE, "dead")
        await burning(0.0005)(self._node)
        if self._following is None:
            return ReadResponse(id=request.id)
        return await repeated(self._following, request, self._attempts)

    async def write(self, request: WriteRequest, ctx: Context) -> WriteResponse:
        """The experiment makes no such call."""
        raise RpcError(Code.UNIMPLEMENTED, "the chain only reads")


async def repeated(client: WorkServiceClient, request: ReadRequest, attempts: int) -> ReadResponse:
    """Make a call with up to `attempts` attempts, as a client does that knows nothing about the other clients of the chain."""
    for attempt in range(1, attempts + 1):
        try:
            return await client.read(request, CallOptions(timeout=2.0))
        except RpcError:
            if attempt == attempts:
                raise
            await asyncio.sleep(0.02 * attempt)
    raise AssertionError


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The calls since the last service died."""

    users: int
    """Calls that users made."""
    calls: list[int]
    """Calls that came to each service, first to last."""

    @property
    def amplification(self) -> float:
        """Calls at the last service for each call of a user."""
        return self.calls[-1] / self.users


def experiment(seeds: int) -> Report:
    """Run every rate with every seed. The naive chain has the lowest rate alone, since it multiplies the calls by a hundred."""
    ours = {rate: for_each(seeds, partial(default, rate=rate)) for rate in RATES}
    theirs = for_each(max(1, seeds // 10), partial(naive, rate=RATES[0]))
    worst = {rate: max(each.amplification for each in runs) for rate, runs in ours.items()}
    hops = list(range(1, DEPTH + 1))
    return Report(
        title="Cascading failure",
        question="The last of five services is dead. Does what its users ask for multiply on its way down to it?",
        claim=Claim(
            text="Retries at several layers multiply: three layers that each make four attempts make 64 of one, on a service that fails "
            "already; so retry at one layer only, and within a budget.",
            source='Google, "Site Reliability Engineering", chapter 22, "Addressing Cascading Failures", 2016',
        ),
        setup=f"A chain of {DEPTH} services, 0.5 ms of work each. Users call the first {', '.join(map(str, RATES))} times a second; "
        f"after {HEALTHY} s the last one answers every call with UNAVAILABLE, for {SECONDS - HEALTHY} s. On one side towpath "
        f"with nothing set, on the other every client makes {ATTEMPTS} attempts. Simulated, {seeds} seeds.",
        findings=[
            *(
                Finding(
                    what=f"towpath, {rate} a second: calls at the last service for each of a user, worst seed",
                    expected="<= 1.1",
                    measured=f"{amplification:.2f}",
                    holds=amplification <= 1.1,
                )
                for rate, amplification in worst.items()
            ),
            Finding(
                what=f"naive, {RATES[0]} a second",
                expected=f"up to {ATTEMPTS}^{DEPTH} = {ATTEMPTS**DEPTH}",
                measured=f"{fmean(each.amplification for each in theirs):.0f}",
                holds=min(each.amplification for each in theirs) > 10,
            ),
        ],
        panels=[
            Panel(
                title=f"Calls for each of a user, {RATES[0]} a second",
                x_label="service, first to last",
                y_label="calls",
                series=[
                    Series(name=name, x=hops, y=[fmean(each.calls[hop - 1] / each.users for each in runs) for hop in hops])
                    for name, runs in (("towpath", ours[RATES[0]]), ("naive", theirs))
                ],
                log_y=True,
            )
        ],
        figures={
            "towpath": {str(rate): [each.amplification for each in runs] for rate, runs in ours.items()},
            "naive": [each.amplification for each in theirs],
        },
    )


def default(seed: int, rate: float) -> Outcome:
    """A run in which every hop is towpath's, with nothing set."""

    async def main(run: Simulation) -> Outcome:
        async with AsyncExitStack() as stack:
            links: list[Link] = []
            for number in reversed(range(DEPTH)):
                node = run.node(f"s{number}")
                app = App(ServiceConfig(insecure=True, targets={"next": f"s{number + 1}:{PORT}"}))
                links.insert(0, Link(node, WorkServiceClient(app.channel("next")) if links else None))
                stack.push_async_callback((await start(node, links[0], app=app)).close)
            channel = await stack.enter_async_context(connect(f"s0:{PORT}", insecure=True, metrics=CallMetrics()))
            return await _load(run, links, WorkServiceClient(channel), rate, attempts=1)

    return simulate(main, seed=seed)


def naive(seed: int, rate: float) -> Outcome:
    """A run in which every hop makes three attempts, whatever the other hops do."""

    async def main(run: Simulation) -> Outcome:
        async with AsyncExitStack() as stack:
            links: list[Link] = []
            for number in reversed(range(DEPTH)):
                node = run.node(f"s{number}")
                following = None
                if links:
                    following = WorkServiceClient(await stack.enter_async_context(Channel(f"s{number + 1}:{PORT}", insecure=True)))
                links.insert(0, Link(node, following, attempts=ATTEMPTS))
                server = Server([links[0]], layers=())
                await server.start(sock=node.listen(PORT), insecure=True)
                stack.push_async_callback(server.close)
            channel = await stack.enter_async_context(Channel(f"s0:{PORT}", insecure=True))
            return await _load(run, links, WorkServiceClient(channel), rate, attempts=ATTEMPTS)

    return simulate(main, seed=seed)


async def _load(run: Simulation, links: list[Link], client: WorkServiceClient, rate: float, attempts: int) -> Outcome:
    users = 0

    async def one() -> None:
        try:
            await repeated(client, ReadRequest(), attempts)
        except RpcError:
            return

    calls: set[asyncio.Task[None]] = set()
    due, begun = 0.0, run.elapsed
    while True:
        due += run.random.expovariate(rate)
        if due >= SECONDS:
            break
        await asyncio.sleep(begun + due - run.elapsed)
        if due >= HEALTHY and not links[-1].dead:
            links[-1].dead = True
            for link in links:
                link.counting = True
        users += links[-1].dead
        task = asyncio.create_task(one())
        calls.add(task)
        task.add_done_callback(calls.discard)
    await asyncio.gather(*calls)
    return Outcome(users=users, calls=[link.calls for link in links])
