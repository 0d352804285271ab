"""Fares that are made up: the data set has none, and an example needs some that are the same each time.

A seat costs a base and so much a mile, more at the hours when people on business fly, and more on Fridays and Sundays.
"""

from collections.abc import Iterable
from typing import Final

from google.type.money_pb2 import Money

from skyline.data import Flight

BASE: Final = 39.0
"""US dollars for any flight."""

PER_MILE: Final = 0.11
"""US dollars."""

BUSY_HOURS: Final = frozenset({6, 7, 8, 16, 17, 18})
BUSY_HOUR: Final = 1.3
"""Times as much when the scheduled departure is in one of them, on the origin's clocks."""

BUSY_WEEKDAYS: Final = frozenset({4, 6})
BUSY_WEEKDAY: Final = 1.15
"""Times as much on Fridays and Sundays."""


class Tariff:
    """What a seat costs on each flight of the month, found by the flight's name."""

    def __init__(self, flights: Iterable[Flight]) -> None:
        self._dollars = {f"flights/{flight.key}": dollars(flight) for flight in flights}

    def price(self, flight: str) -> Money | None:
        """For one seat on the flight of that name; None if there is no such flight."""
        units = self._dollars.get(flight)
        return None if units is None else Money(currency_code="USD", units=units)


def dollars(flight: Flight) -> int:
    """The price of one seat in whole US dollars."""
    price = BASE + PER_MILE * flight.distance
    if flight.scheduled_departure // 60 in BUSY_HOURS:
        price *= BUSY_HOUR
    if flight.date.weekday() in BUSY_WEEKDAYS:
        price *= BUSY_WEEKDAY
    return round(price)
