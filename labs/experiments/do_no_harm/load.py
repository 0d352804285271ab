"""The calls of a situation, and what came of those that count."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from towpath import RpcError

Call = Callable[[int], Awaitable[object]]
"""Makes the call with a number. Raises RpcError if it fails."""


class Run(Protocol):
    """What a load has to know of the run it is part of: a `towpath.testing.Simulation`, or real processes."""

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        ...

    @property
    def seed(self) -> int:
        """Where the load's randomness starts."""
        ...


@dataclass(kw_only=True)
class Outcome:
    """What came of the calls that should not notice anything."""

    calls: int = 0
    failed: int = 0
    doubled: int = 0
    """Effects that were had once too often."""
    attempts: float = 1.0
    """Attempts that came to the server for each call, where the situation is about them."""
    aside: int = 0
    """Failures of the calls that the fault itself concerns, and that do not count."""
    latencies: list[float] = field(default_factory=list[float])
    """Seconds that the calls took which were answered."""

    @property
    def failed_share(self) -> float:
        """The part of the calls that failed."""
        return self.failed / self.calls

    @property
    def p99(self) -> float:
        """Seconds; infinite if nothing was answered."""
        latencies = sorted(self.latencies)
        return latencies[int(0.99 * len(latencies))] if latencies else float("inf")


class Load:
    """Makes calls in a run and counts what comes of them."""

    def __init__(self, run: Run) -> None:
        self.outcome = Outcome()
        self._run = run
        self._random = random.Random(run.seed)  # its own, so that both sides have the same load
        self._tasks: set[asyncio.Task[None]] = set()
        self._bug: BaseException | None = None

    def begin(self, call: Call, number: int, *, counts: bool = True) -> None:
        """Begin one call."""
        task = asyncio.create_task(self._one(call, number, counts=counts))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def at(self, rate: float, seconds: float, call: Call, *, counts: bool = True) -> None:
        """Begin calls at random, `rate` a second, for `seconds`, whatever becomes of those before."""
        due, begun, number = 0.0, self._run.elapsed, 0
        while (due := due + self._random.expovariate(rate)) < seconds:
            await asyncio.sleep(begun + due - self._run.elapsed)
            self.begin(call, number, counts=counts)
            number += 1

    async def ended(self) -> Outcome:
        """Wait for all calls that were begun. Raises what a call raised that is no RpcError: that is a bug, and no failure."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._bug is not None:
            raise self._bug
        return self.outcome

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._bug = self._bug or task.exception()

    async def _one(self, call: Call, number: int, *, counts: bool) -> None:
        begun, outcome = self._run.elapsed, self.outcome
        try:
            await call(number)
        except RpcError:
            if counts:
                outcome.failed += 1
            else:
                outcome.aside += 1
        else:
            if counts:
                outcome.latencies.append(self._run.elapsed - begun)
        finally:
            outcome.calls += counts
