"""Growth: what a server does with more and more calls in flight, over more and more connections.

A closed loop cannot ask for more than the server does, however many calls are in flight: none of them is in excess as long as each has the
time to wait. So a policy that rejects some of them, or whose cost grows with their number, does harm.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.processes.children import completed, cores, python_environment
from labs.experiments.do_no_harm.sides import BARE, STACK, Side
from labs.experiments.growth.calls import TIMEOUT
from labs.experiments.ordinary_days.replica import site
from labs.report import Claim, Finding, Panel, Report, Series

STEPS: Final = ((64, 1), (1_000, 1), (10_000, 1), (64, 64), (1_000, 64), (10_000, 64), (1_000, 1_000), (10_000, 1_000))
"""Calls in flight, and the connections that they share."""

BARS: Final = {1_000: 0.9, 10_000: 0.8}
"""What is demanded of the goodput, as a part of that with 64 in flight."""

OF_BARE: Final = 0.9
"""What is demanded of that part, as a part of what it is without policies: the kernel and the caches have their share in the loss."""

MAX_ROUNDS: Final = 3
SECONDS: Final = 3.0
WARM_UP: Final = 1.5
_START: Final = 30.0
"""Seconds in which a process has started."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What came of one number of calls and connections."""

    goodput: float
    """Good answers per second."""
    failed: int


Steps = dict[tuple[int, int], Step]


def experiment(seeds: int) -> Report:
    """Run both sides by turns, in as many rounds as there are seeds, three at most."""
    runs: dict[str, list[Steps]] = {STACK.name: [], BARE.name: []}
    for _ in range(min(seeds, MAX_ROUNDS)):
        for side in (STACK, BARE):
            runs[side.name].append(asyncio.run(grow(side, STEPS, WARM_UP, SECONDS)))
    return Report(
        title="Growth",
        question="Does a server do as much with ten thousand calls in flight as with 64?",
        claim=Claim(
            text="A limit that is learnt from latencies takes the queue that calls make for each other for an overload, and rejects calls "
            "that had the time to wait.",
            source="public fault reports of adaptive concurrency limits (Envoy, Netflix concurrency-limits, go-zero)",
        ),
        setup=f"A closed loop without back-off, timeout {TIMEOUT:g} s, handlers that answer at once. Server and callers are processes with "
        f"a core each, on 127.0.0.1; {SECONDS:g} s for each number of calls and connections, the default stack and the bare path by turns. "
        f"Each figure is the median of {min(seeds, MAX_ROUNDS)} rounds.",
        findings=findings(runs[STACK.name], runs[BARE.name]),
        panels=[_panel(runs)],
        figures={
            side: [
                {f"{calls} over {connections}": [step.goodput, step.failed] for (calls, connections), step in run.items()} for run in given
            ]
            for side, given in runs.items()
        },
    )


async def grow(side: Side, steps: Sequence[tuple[int, int]], warm_up: float, seconds: float) -> Steps:
    """Measure one server of `side` with each of `steps`. Raises PeerError if a process fails."""
    found: Steps = {}
    async with site(side, 0) as opened:
        (server,) = await opened.serve()
        told = json.dumps([(*step, warm_up, seconds) for step in steps])
        argv = [sys.executable, "-m", "labs.experiments.growth.calls", side.name, server.address, told]
        log, limit = opened.folder / "calls.log", _START + len(steps) * (warm_up + seconds + TIMEOUT)
        printed = await completed(argv, core=cores()[1], environment=python_environment(""), log=log, limit=limit)
    for step, line in zip(steps, printed.splitlines(), strict=True):
        goodput, failed = json.loads(line)
        found[step] = Step(goodput=goodput, failed=failed)
    return found


def findings(stack: Sequence[Steps], bare: Sequence[Steps]) -> list[Finding]:
    """What is demanded of each step that has more than 64 calls in flight, and of the number of failures."""
    found: list[Finding] = []
    for step in stack[0]:
        in_flight, connections = step
        if in_flight in BARS:
            ratio, without = _ratio(stack, step), _ratio(bare, step)
            found.append(
                Finding(
                    what=f"{in_flight:,} in flight over {connections:,} connections".replace("over 1 connections", "over 1 connection"),
                    expected=f">= {BARS[in_flight]:g} of 64 in flight, or {OF_BARE:g} of what it is without policies",
                    measured=f"{ratio:.2f}, {without:.2f} without",
                    holds=ratio >= min(BARS[in_flight], OF_BARE * without),
                )
            )
    failed = sum(step.failed for run in stack for step in run.values())
    found.append(Finding(what="calls that failed", expected="0", measured=f"{failed}", holds=failed == 0))
    return found


def _ratio(runs: Sequence[Steps], step: tuple[int, int]) -> float:
    """The goodput of a step, as a part of that with 64 in flight over as many connections, or over 64 if there are more of them."""
    base = (64, min(64, step[1]))
    return median(run[step].goodput / run[base].goodput for run in runs)


def _panel(runs: dict[str, list[Steps]]) -> Panel:
    return Panel(
        title="Goodput over 64 connections",
        x_label="calls in flight",
        y_label="64 in flight = 1",
        series=[
            Series(name=side, x=[64, 1_000, 10_000], y=[_ratio(given, (calls, 64)) for calls in (64, 1_000, 10_000)])
            for side, given in runs.items()
        ],
        log_x=True,
    )
