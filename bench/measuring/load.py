"""The closed loop: so many callers, each with one call in flight, calling again as soon as it is answered.

This measures capacity and the latency at a given concurrency. It does not say how a service behaves at a given arrival rate: a slow answer
holds back the calls that would have come (coordinated omission), and the same number of callers waits at every peer, fast or slow.
Latencies are kept as they come, one append per call, and sorted into buckets after the window, so that the generator costs the same, and
little, at every peer. A call that fails ends the run: a peer that fails calls has no figure.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

from bench.measuring.histogram import Histogram


@dataclass(frozen=True, kw_only=True)
class Window:
    """What one client saw at one level of concurrency. `seconds` is the time from the first call's start to the last one's end."""

    in_flight: int
    seconds: float
    latency: Histogram

    @property
    def throughput(self) -> float:
        """Calls per second."""
        return self.latency.total / self.seconds

    def to_json(self) -> dict[str, Any]:
        """As clients in any language print it: latencies are bucket counts, see `bench.measuring.histogram`."""
        return {"in_flight": self.in_flight, "seconds": self.seconds, "latency": self.latency.to_json()}

    @staticmethod
    def from_json(data: dict[str, Any]) -> "Window":
        """What `to_json`, or the Go client, wrote."""
        return Window(in_flight=data["in_flight"], seconds=data["seconds"], latency=Histogram.from_json(data["latency"]))


@dataclass(frozen=True)
class Caller:
    """A peer's client, ready to call. `call` starts one call; `check` raises ValueError unless what it gave is right."""

    call: Callable[[], Awaitable[Any]]
    check: Callable[[Any], None]


async def warm_up(caller: Caller, in_flight: int, total: int) -> None:
    """Make `total` calls in all over `in_flight` callers and check each answer."""

    async def one(calls: Iterable[int]) -> None:
        for _ in calls:
            caller.check(await caller.call())

    shared = iter(range(total))  # whoever is free takes the next
    await asyncio.gather(*(one(shared) for _ in range(in_flight)))


async def measure(caller: Caller, in_flight: int, seconds: float) -> Window:
    """Keep `in_flight` calls going for `seconds`, each followed by another; what is in flight at the end is awaited and counted."""
    call = caller.call
    latencies: list[int] = []
    count = latencies.append

    async def one(stop: int) -> None:
        ended = perf_counter_ns()
        while True:  # once at least, even if the machine paused until the window was over
            started = ended
            await call()
            ended = perf_counter_ns()
            count(ended - started)
            if ended >= stop:
                return

    begun = perf_counter_ns()
    stop = begun + int(seconds * 1e9)
    await asyncio.gather(*(one(stop) for _ in range(in_flight)))
    elapsed = (perf_counter_ns() - begun) / 1e9
    return Window(in_flight=in_flight, seconds=elapsed, latency=Histogram.of(latencies))
