"""Put the questions to `search`, a fixed number of them at a time, and keep how long each took and how it ended.

A closed loop: the next question is asked when an answer is in, as by so many patient travellers. That measures a system that keeps up;
it does not show what a crowd does that keeps coming.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from google.type.date_pb2 import Date

from skyline.aip import airport_name
from skyline.demo.traffic import Query
from skyline.search.v1.search_pb2 import SearchFlightsRequest, SearchFlightsResponse
from skyline.search.v1.search_towpath import SearchServiceClient
from towpath import RpcError

PAGE_SIZE = 20
"""Flights that a traveller looks at."""


@dataclass(kw_only=True)
class Outcome:
    """What came of the questions: the seconds that each took, failed ones too (a call that hung until its deadline is the slowest of
    all, and leaving it out would flatter), how many failed with which code and with what last words, how many
    answers had flights and no weather, or no price, and one answer to show."""

    seconds: list[float] = field(default_factory=list[float])
    failed: dict[str, int] = field(default_factory=dict[str, int])
    last_words: dict[str, str] = field(default_factory=dict[str, str])
    bare: int = 0
    unpriced: int = 0
    shown: tuple[Query, SearchFlightsResponse] | None = None
    elapsed: float = 0.0

    @property
    def calls(self) -> int:
        """Questions asked so far."""
        return len(self.seconds)

    @property
    def failures(self) -> int:
        """Questions that ended in an error."""
        return sum(self.failed.values())


async def drive(
    client: SearchServiceClient,
    queries: Iterable[Query],
    *,
    concurrency: int,
    show: int = 10,
    progress: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:
    """Ask all `queries`, `concurrency` at a time; `progress` hears of the outcome so far after each.

    The first answer with at least `show` flights is kept whole. An RpcError is counted; anything else ends the drive.
    """
    outcome = Outcome()
    pending = iter(queries)
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(_ask_on(client, pending, outcome, show, progress))
    outcome.elapsed = time.perf_counter() - start
    return outcome


async def _ask_on(
    client: SearchServiceClient, pending: Iterator[Query], outcome: Outcome, show: int, progress: Callable[[Outcome], None]
) -> None:
    # One iterator feeds all the loops: none of them awaits while it takes from it.
    for query in pending:
        start = time.perf_counter()
        try:
            answer = await client.search_flights(request_for(query))
        except RpcError as error:
            outcome.failed[error.code.name] = outcome.failed.get(error.code.name, 0) + 1
            outcome.last_words[error.code.name] = error.message
        else:
            if answer.results and not any(result.HasField("departure_weather") for result in answer.results):
                outcome.bare += 1
            if answer.results and not any(result.HasField("price") for result in answer.results):
                outcome.unpriced += 1
            if outcome.shown is None and len(answer.results) >= show:
                outcome.shown = (query, answer)
        outcome.seconds.append(time.perf_counter() - start)
        progress(outcome)


def request_for(query: Query) -> SearchFlightsRequest:
    """The question as the contract has it."""
    return SearchFlightsRequest(
        origin=airport_name(query.origin),
        destination=airport_name(query.destination),
        date=Date(year=query.day.year, month=query.day.month, day=query.day.day),
        page_size=PAGE_SIZE,
    )
