"""One run of one server: what it can do, then each load in turn. Server and generator are processes with a core each."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

from bench.children import PeerError, child, cores, python_environment, ready, reason
from labs.experiments.overload.load import WINDOW

SECONDS: Final = 3.0
"""Of each load; the first third is left out of latencies, while the server finds out that it is overloaded."""

_SETTLED: Final = 0.95

_LINE: Final = 1 << 26
"""Bytes of a step's result: a latency for each call."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What came of a load of `times` the capacity. Rates are per second, that of `goodput` until the last answer, since what waits as the
    load ends is answered after it; `answered` is the share of the calls offered that were. Latencies, in seconds, are of calls that were
    answered well; `processor` is the share of its core that the server used until the last answer. `settled` is how many seconds after the
    load before it ended the server answered in time what it was asked, and went on so: 95 % of the calls of each tenth of a second;
    infinite if it never did."""

    times: float
    offered: float
    goodput: float
    answered: float
    p50: float
    p99: float
    failed: dict[str, int]
    processor: float
    settled: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """`capacity` is calls per second in a closed loop."""

    capacity: float
    loads: Sequence[Load]

    def at(self, times: float) -> Load:
        """The first load of `times` the capacity."""
        return next(load for load in self.loads if load.times == times)

    @property
    def peak(self) -> float:
        """The most calls per second that were answered well at any load."""
        return max(load.goodput for load in self.loads)

    @property
    def refusal(self) -> float:
        """Seconds of the processor that a call takes which is refused. From twice and ten times the capacity, at both of which the server
        has no time to spare: its time is so much for each call that it serves and so much for each that it does not."""
        two, ten = self.at(2.0), self.at(10.0)
        a, b = (load.goodput * (1 / load.answered - 1) for load in (two, ten))
        return (two.goodput * ten.processor - ten.goodput * two.processor) / (two.goodput * b - ten.goodput * a)


async def run(kind: str, loads: Sequence[float], seconds: float = SECONDS) -> Run:
    """Measure a server of `kind` under each of `loads`, multiples of its capacity, for `seconds` each. Raises PeerError if a process
    fails."""
    server_core, client_core = cores()
    environment = python_environment("")
    module = "labs.experiments.overload"
    with TemporaryDirectory() as folder:
        logs = Path(folder, "server.log"), Path(folder, "load.log")
        serving = [sys.executable, "-m", f"{module}.serve", kind]
        async with child(serving, core=server_core, environment=environment, log=logs[0]) as server:
            address = await ready(server, logs[0])
            loading = [sys.executable, "-m", f"{module}.load", address, str(server.pid)]
            async with child(loading, core=client_core, environment=environment, log=logs[1], limit=_LINE) as generator:

                async def step(rate: float, seconds: float, skipped: float = 0.0) -> dict[str, Any]:
                    told, heard = cast("asyncio.StreamWriter", generator.stdin), cast("asyncio.StreamReader", generator.stdout)
                    told.write(f"{rate} {seconds} {skipped}\n".encode())
                    line = await heard.readline()
                    if not line:
                        raise PeerError(reason(logs[1], "the generator ended"))
                    result: dict[str, Any] = json.loads(line)
                    return result

                await step(0, 1.0)
                closed = await step(0, 2.0)
                capacity = closed["good"] / closed["seconds"]
                found = [_load(times, await step(times * capacity, seconds, seconds / 3)) for times in loads]
    return Run(capacity=capacity, loads=found)


def _load(times: float, step: dict[str, Any]) -> Load:
    latencies, seconds, answering = step["latencies"], step["seconds"], step["answering"]
    return Load(
        times=times,
        offered=step["offered"] / seconds,
        goodput=step["good"] / answering,
        answered=step["good"] / step["offered"],
        p50=_percentile(latencies, 0.5),
        p99=_percentile(latencies, 0.99),
        failed=step["failed"],
        processor=step["processor"] / answering,
        settled=settled(step["windows"], step["pause"]),
    )


def settled(windows: Sequence[tuple[int, int]], pause: float) -> float:
    """Seconds from the end of the load before, `pause` seconds before the first window, to the end of the last window of which less than
    `_SETTLED` was answered; the end of the load is itself no recovery, so infinite if that is the last one."""
    bad = [index for index, (due, good) in enumerate(windows) if good < _SETTLED * due]
    if not bad:
        return pause
    return float("inf") if bad[-1] == len(windows) - 1 else pause + WINDOW * (bad[-1] + 1)


def _percentile(values: Sequence[float], share: float) -> float:
    return values[int(share * (len(values) - 1))] if values else float("inf")
