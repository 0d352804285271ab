"""Trouble on purpose, while travellers go on asking: a service that hangs, one that is slow, and one that crashes.

The weather's process is stopped, not ended: connections stay open and nothing comes back, which is the worst that a slow dependency does.
Pricing is asked to take its time. Inventory is killed while seats are being held, and started anew. What users saw is for
`skyline.demo.report` to tell, beside what the stack counted of its decisions.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from google.protobuf.duration_pb2 import Duration
from prometheus_client.parser import text_string_to_metric_families

from skyline.demo.bookings import Booking, Bookings, book, count
from skyline.demo.driver import Outcome, drive
from skyline.demo.slowest import Recordings, Slowest
from skyline.demo.traffic import Query
from skyline.inventory.v1.inventory_towpath import InventoryServiceClient
from skyline.pricing.v1.practice_pb2 import SetDelayRequest
from skyline.pricing.v1.practice_towpath import PricingPracticeServiceClient
from skyline.search.v1.search_towpath import SearchServiceClient
from towpath import SetupError, connect
from towpath.system import System

T = TypeVar("T")

STOPPED: Final = "weather"
SLOW: Final = "pricing"
CRASHED: Final = "inventory"

DELAY: Final = 2
"""Seconds that pricing takes while it is slow: eight times what a search waits for it."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What users saw: of their searches while each service was in trouble and after all of it, and of their holds while inventory was gone
    for `down` seconds."""

    hung: Outcome
    slow: Outcome
    crashed: Outcome
    after: Outcome
    bookings: Bookings
    down: float
    slowest: dict[str, Slowest | None]
    """By what was the matter: where the slowest call was slow."""

    @property
    def failures(self) -> int:
        """Searches that failed, and holds that are missing or were made twice."""
        searches = sum(outcome.failures for outcome in (self.hung, self.slow, self.crashed, self.after))
        return searches + self.bookings.missing + self.bookings.repeated


class Maker:
    """Makes trouble in `system` while all of `asked` is asked of search each time, and all that is `booked` held through the gateway."""

    def __init__(self, system: System, asked: list[Query], booked: list[Booking], recordings: Recordings, *, concurrency: int) -> None:
        self._system = system
        self._recordings = recordings
        self._slowest: dict[str, Slowest | None] = {}
        self._asked = asked
        self._booked = booked
        self._concurrency = concurrency

    async def make(self) -> Trouble:
        """All of it, one after the other. If this is cancelled, what hangs goes on; what is slow or gone is left so."""
        async with AsyncExitStack() as stack:
            search, pricing, gateway = [
                await stack.enter_async_context(connect(self._system.address(name))) for name in ("search", SLOW, "gateway")
            ]
            travellers = SearchServiceClient(search)
            hung = await self._act(f"{STOPPED} hung", self._hanging(travellers))
            slow = await self._act(f"{SLOW} took {DELAY} s", self._slow(travellers, PricingPracticeServiceClient(pricing)))
            crashing = self._crashing(travellers, InventoryServiceClient(gateway))
            crashed, bookings, down = await self._act(f"{CRASHED} was gone", crashing)
            after = await self._searches(travellers)
            return Trouble(hung=hung, slow=slow, crashed=crashed, after=after, bookings=bookings, down=down, slowest=self._slowest)

    async def _act(self, matter: str, act: Awaitable[T]) -> T:
        """Play one act, and ask afterwards what was slow in it."""
        began = time.monotonic()
        result = await act
        self._slowest[matter] = await self._recordings.slowest(began)
        return result

    async def _searches(self, travellers: SearchServiceClient) -> Outcome:
        return await drive(travellers, self._asked, concurrency=self._concurrency)

    async def _hanging(self, travellers: SearchServiceClient) -> Outcome:
        pid = self._system.pid(STOPPED)
        os.kill(pid, signal.SIGSTOP)
        try:
            return await self._searches(travellers)
        finally:
            os.kill(pid, signal.SIGCONT)

    async def _slow(self, travellers: SearchServiceClient, practice: PricingPracticeServiceClient) -> Outcome:
        await practice.set_delay(SetDelayRequest(delay=Duration(seconds=DELAY)))
        outcome = await self._searches(travellers)
        await practice.set_delay(SetDelayRequest())
        return outcome

    async def _crashing(self, travellers: SearchServiceClient, inventory: InventoryServiceClient) -> tuple[Outcome, Bookings, float]:
        """Inventory is killed when a third of the holds are made; travellers search and hold meanwhile. Raises SetupError if it does not
        come back."""
        third = asyncio.Event()

        def heard(served: int) -> None:
            if served >= len(self._booked) / 3:
                third.set()

        made = Bookings(holds=len(self._booked))
        try:
            async with asyncio.TaskGroup() as group:
                searching = group.create_task(self._searches(travellers))
                group.create_task(book(inventory, self._booked, made, concurrency=self._concurrency, progress=heard))
                await third.wait()
                gone = time.perf_counter()
                await self._system.kill(CRASHED)
                await self._system.respawn(CRASHED)
                down = time.perf_counter() - gone
        except* SetupError as failures:
            raise failures.exceptions[0] from None
        await count(inventory, self._booked, made)
        return searching.result(), made, down


def decisions(dumps: Iterable[Path]) -> Counter[tuple[str, str]]:
    """What the layers of all processes decided, by role and reason, from the metrics that they left behind."""
    counted: Counter[tuple[str, str]] = Counter()
    for path in dumps:
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
            if family.name == "towpath_decisions":
                for sample in family.samples:
                    if sample.labels["shadow"] == "false":
                        counted[sample.labels["role"], sample.labels["reason"]] += int(sample.value)
    return counted
