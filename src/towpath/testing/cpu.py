"""What work costs: a processor of so many cores in virtual time, first come first served.

A simulation computes in no time at all, so a simulated server would have no capacity. A handler that says `await node.work(0.005)`
has one: `cores / 0.005` calls a second, and a queue beyond that.
"""

import asyncio
from collections import deque

from towpath.core import clock


class Cpu:
    """`cores` (1) work at `speed` (1.0; half of it takes twice as long, and it may change at any time for what begins later)."""

    def __init__(self, cores: int = 1, speed: float = 1.0) -> None:
        """Raises ValueError if nothing would ever be done."""
        if cores < 1 or speed <= 0:
            raise ValueError(f"a processor of {cores} cores at speed {speed} does no work; give at least 1, and more than 0")
        self.speed = speed
        self.queued = 0
        """How many wait for a core."""
        self.busy = 0.0
        """Seconds that cores have spent on work that was finished."""
        self._free = asyncio.Semaphore(cores)
        self._came: deque[float] = deque()

    def lag(self) -> float:
        """Seconds for which the first of those that wait for a core has waited, 0 if nobody does: how late the event loop of a program
        would be that runs here."""
        return clock.now() - self._came[0] if self._came else 0.0

    async def work(self, seconds: float) -> None:
        """Hold a core for `seconds` of work, once it is this one's turn. Cancelled, it leaves the queue or frees the core at once."""
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
