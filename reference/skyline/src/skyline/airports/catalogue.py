"""Airports by name. The messages are made once at start, since they never change and a call then costs one look-up."""

from collections.abc import Iterable, Sequence

from google.type.latlng_pb2 import LatLng

from skyline.aip import airport_name
from skyline.airports.v1 import airports_pb2 as pb
from skyline.data import Airport


class Catalogue:
    """All airports, in the order of their codes."""

    def __init__(self, airports: Iterable[Airport]) -> None:
        self.all: Sequence[pb.Airport] = [to_message(airport) for airport in sorted(airports)]
        self._by_name = {airport.name: airport for airport in self.all}

    def get(self, name: str) -> pb.Airport | None:
        """The airport called `name`, or None."""
        return self._by_name.get(name)


def to_message(airport: Airport) -> pb.Airport:
    """The row as the contract has it."""
    return pb.Airport(
        name=airport_name(airport.code),
        code=airport.code,
        display_name=airport.name,
        location=LatLng(latitude=airport.latitude, longitude=airport.longitude),
        elevation_feet=airport.altitude,
        time_zone=airport.time_zone or "",
    )
