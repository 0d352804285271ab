"""What travellers ask: real routes and real days, a few of them most of the time.

The routes of the data set are ranked by how many flights they have and drawn with a weight of 1/rank, as Zipf found for words and as
holds for the popularity of most things people ask for; days likewise, in an order that the seed decides. The same seed, data and count
give the same questions in the same order on every machine.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import accumulate
from random import Random
from typing import NamedTuple, TypeVar

from skyline.data import Flight

T = TypeVar("T")


class Query(NamedTuple):
    """One question to search: airport codes and a day."""

    origin: str
    destination: str
    day: date


def queries(flights: Iterable[Flight], *, seed: int, count: int) -> Iterator[Query]:
    """`count` questions about the routes and days of `flights`, drawn one by one; every route has at least one flight in the month."""
    random = Random(seed)
    rows = list(flights)
    by_flights = Counter((flight.origin, flight.destination) for flight in rows)
    # Ties are broken by name, because a Counter keeps the order of the file, which is no property of the data.
    routes = sorted(by_flights, key=lambda route: (-by_flights[route], route))
    days = sorted({flight.date for flight in rows})
    random.shuffle(days)
    route_weights, day_weights = _by_rank(routes), _by_rank(days)
    for _ in range(count):
        (origin, destination), day = _one(random, routes, route_weights), _one(random, days, day_weights)
        yield Query(origin, destination, day)


def _one(random: Random, ranked: Sequence[T], weights: Sequence[float]) -> T:
    return random.choices(ranked, cum_weights=weights)[0]


def _by_rank(ranked: Sequence[T]) -> list[float]:
    """Cumulative weights of 1/rank."""
    return list(accumulate(1 / rank for rank in range(1, len(ranked) + 1)))
