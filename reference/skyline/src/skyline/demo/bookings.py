"""Travellers who hold seats and do not give up: each asks again with the same key until there is an answer.

That is what a program does whose user has pressed a button once. Whether each has one hold, and only one, is counted at the end from what
inventory lists.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from skyline.data import Flight
from skyline.inventory.v1.inventory_pb2 import CreateHoldRequest, Hold, ListHoldsRequest
from skyline.inventory.v1.inventory_towpath import InventoryServiceClient
from towpath import CallOptions, Code, RpcError

PAUSE: Final = 0.05
"""Seconds after which a traveller asks again."""

PATIENCE: Final = 15.0
"""Seconds after which one gives up: more than a dead process's claim on a key lasts."""

_AGAIN: Final = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.ABORTED, Code.RESOURCE_EXHAUSTED})


class Booking(NamedTuple):
    """One seat that somebody wants; the traveller's name is the call's idempotency key, too."""

    flight: str
    traveller: str


@dataclass(kw_only=True)
class Bookings:
    """What came of so many `holds` that were wanted: how many travellers were `served`, the answers other than a hold by code with the
    seconds that each took, and, once counted, how many travellers have no hold and how many more than one."""

    holds: int
    served: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    refusal_seconds: list[float] = field(default_factory=list[float])
    missing: int = 0
    repeated: int = 0


def bookings(flights: Iterable[Flight], *, seed: int, count: int) -> list[Booking]:
    """`count` seats on flights of the month, each on another one, drawn evenly; fewer if there are not so many flights."""
    names = [f"flights/{flight.key}" for flight in flights]
    drawn = Random(seed).sample(names, min(count, len(names)))
    return [Booking(flight, f"traveller-{seed}-{number}") for number, flight in enumerate(drawn)]


async def book(
    client: InventoryServiceClient,
    wanted: Sequence[Booking],
    made: Bookings,
    *,
    concurrency: int,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Hold all that is `wanted`, `concurrency` travellers at a time, and note in `made` what came of it; `progress` hears how many
    travellers are done with.

    Raises RpcError for an answer that asking again would not change. A traveller whose patience ends goes without.
    """
    pending = iter(wanted)
    done = iter(range(1, len(wanted) + 1))

    async def travellers() -> None:
        for booking in pending:
            await _hold(client, booking, made)
            progress(next(done))

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(travellers())


async def _hold(client: InventoryServiceClient, booking: Booking, made: Bookings) -> None:
    """Ask until there is an answer, or patience ends."""
    request = CreateHoldRequest(parent=booking.flight, hold=Hold(seats=1, traveller=booking.traveller))
    give_up = time.perf_counter() + PATIENCE
    while (start := time.perf_counter()) < give_up:
        try:
            await client.create_hold(request, CallOptions(idempotency_key=booking.traveller))
        except RpcError as error:
            if error.code not in _AGAIN:
                raise
            made.refused[error.code.name] += 1
            made.refusal_seconds.append(time.perf_counter() - start)
            await asyncio.sleep(PAUSE)
        else:
            made.served += 1
            return


async def count(client: InventoryServiceClient, wanted: Sequence[Booking], made: Bookings) -> None:
    """Note in `made` how often each of `wanted` is in the list of all holds."""
    found: Counter[str] = Counter()
    token = ""
    while True:
        page = await client.list_holds(ListHoldsRequest(parent="flights/-", page_size=200, page_token=token))
        found.update(hold.traveller for hold in page.holds)
        token = page.next_page_token
        if not token:
            break
    made.missing = sum(found[booking.traveller] == 0 for booking in wanted)
    made.repeated = sum(found[booking.traveller] > 1 for booking in wanted)
