"""One run of one server: its capacity, then each load in turn. Server and generator are processes with a core each."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

from bench.processes.children import PeerError, child, cores, python_environment, ready, reason
from labs.experiments.overload.load import WINDOW

SECONDS: Final = 3.0
"""Seconds of each load. The latencies of the first third are left out: the server needs it to find out that it is overloaded."""

_SETTLED: Final = 0.95
"""The share of the calls of a window that a settled server answers in time."""

_LINE: Final = 1 << 26
"""Bytes of a step's result: a latency for each call."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """The results of one load."""

    times: float
    """The load, as a multiple of the capacity."""
    offered: float
    """Calls made per second."""
    goodput: float
    """Good answers per second until the last of them, since calls that wait at the end of the load are answered after it."""
    answered: float
    """The share of calls that were answered well."""
    p50: float
    """The median latency of calls that were answered well, in seconds."""
    p99: float
    """The 99th percentile of the latency of calls that were answered well, in seconds."""
    failed: dict[str, int]
    """Calls that were not answered well, by gRPC status."""
    processor: float
    """The share of its core that the server used until the last good answer."""
    settled: float = 0.0
    """Seconds from the end of the load before until the server answers in time 95 % of the calls of each window, and goes on so; infinite
    if it never does."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The results of one server."""

    capacity: float
    """Calls per second in a closed loop."""
    loads: Sequence[Load]

    def at(self, times: float) -> Load:
        """The first load of `times` the capacity."""
        return next(load for load in self.loads if load.times == times)

    @property
    def peak(self) -> float:
        """The highest goodput of all loads."""
        return max(load.goodput for load in self.loads)

    @property
    def rejection(self) -> float:
        """Seconds of the processor that a rejected call takes. They follow from the loads of twice and ten times the capacity, at which the
        server has no time to spare: its time is a constant for each served call and another one for each rejected call."""
        two, ten = self.at(2.0), self.at(10.0)
        a, b = (load.goodput * (1 / load.answered - 1) for load in (two, ten))
        return (two.goodput * ten.processor - ten.goodput * two.processor) / (two.goodput * b - ten.goodput * a)


async def run(kind: str, loads: Sequence[float], seconds: float = SECONDS) -> Run:
    """Measure a server of `kind` under each of `loads` for `seconds`. Loads are multiples of the server's capacity. Raises PeerError if a
    process fails."""
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
    """Seconds from the end of the load before, which was `pause` seconds before the first window, to the end of the last window in which
    less than `_SETTLED` was answered. This is infinite if that is the last window of all: the end of the load is no recovery."""
    bad = [index for index, (due, good) in enumerate(windows) if good < _SETTLED * due]
    if not bad:
        return pause
    return float("inf") if bad[-1] == len(windows) - 1 else pause + WINDOW * (bad[-1] + 1)


def _percentile(values: Sequence[float], share: float) -> float:
    return values[int(share * (len(values) - 1))] if values else float("inf")
