"""How many seats a flight has: those of the aircraft that flew it."""

from collections.abc import Iterable
from typing import Final

from skyline.data import Flight, Plane

USUAL_SEATS: Final = 149
"""Of a flight whose aircraft is not known: those of a Boeing 737-824, of which the data has most."""


class Seats:
    """The seats of each flight of the month, found by the flight's name."""

    def __init__(self, flights: Iterable[Flight], planes: Iterable[Plane]) -> None:
        by_tail = {plane.tail_number: plane.seats for plane in planes}
        self._seats = {f"flights/{flight.key}": by_tail.get(flight.tail_number or "", USUAL_SEATS) for flight in flights}

    def of(self, flight: str) -> int | None:
        """Of the flight of that name; None if there is no such flight."""
        return self._seats.get(flight)
