"""The price of work: a processor of so many cores in virtual time, first come first served.

A simulation computes in no time at all, so a simulated server would have no limit to its capacity. A handler that says `await
node.work(0.005)` has one: `cores / 0.005` calls a second, and a queue beyond that.
"""

import asyncio
from collections import deque

from towpath._core import clock


class Cpu:
    """`cores` (1) that work at `speed` (1.0). Half the speed takes twice as long; a change of it holds for work that begins later."""

    def __init__(self, cores: int = 1, speed: float = 1.0) -> None:
        """Raises ValueError for a processor that would never finish anything."""
        if cores < 1 or speed <= 0:
            raise ValueError(f"a processor of {cores} cores at speed {speed} does no work; give at least 1, and more than 0")
        self.speed = speed
        self.queued = 0
        """The number of tasks that wait for a core."""
        self.busy = 0.0
        """Seconds that cores have spent on finished work."""
        self._free = asyncio.Semaphore(cores)
        self._came: deque[float] = deque()

    def lag(self) -> float:
        """Seconds for which the first task in the queue has waited, 0 if the queue is empty. So late would the event loop of a program be
        that runs here."""
        return clock.now() - self._came[0] if self._came else 0.0

    async def work(self, seconds: float) -> None:
        """Hold a core for `seconds` of work, after the tasks that came before. A cancelled task leaves the queue or frees its core at
        once."""
        self.queued += 1
        came = clock.now()
        self._came.append(came)
        try:
            await self._free.acquire()
        finally:
            self.queued -= 1
            self._came.remove(came)
        try:
            took = seconds / self.speed
            await asyncio.sleep(took)
            self.busy += took
        finally:
            self._free.release()
