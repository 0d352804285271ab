"""Flights by name and by route and day.

Records are kept as rows and become messages when they are answered: 27,004 messages would cost each start a second and 30 MB, and a
call answers with a few dozen.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.timeofday_pb2 import TimeOfDay

from skyline.aip import airport_name
from skyline.data import Airline, Flight
from skyline.flights.v1 import flights_pb2 as pb


class Timetable:
    """All flights of the month, found by name, and listed by route and day in the order of departure."""

    def __init__(self, flights: Iterable[Flight], airlines: Iterable[Airline]) -> None:
        self._airlines = {airline.code: airline.name for airline in airlines}
        self._by_name = {flight_name(flight): flight for flight in flights}
        by_route: defaultdict[tuple[str, str, date], list[Flight]] = defaultdict(list)
        for flight in self._by_name.values():
            by_route[flight.origin, flight.destination, flight.date].append(flight)
        for departures in by_route.values():
            departures.sort(key=lambda flight: (flight.scheduled_departure, flight_name(flight)))
        self._by_route = dict(by_route)

    def get(self, name: str) -> Flight | None:
        """The flight called `name`, or None."""
        return self._by_name.get(name)

    def departures(self, origin: str, destination: str, day: date) -> Sequence[Flight]:
        """The flights from `origin` to `destination` (codes) scheduled to leave on `day`; empty if there are none."""
        return self._by_route.get((origin, destination, day), ())

    def departed(self, day: date, origin: str | None) -> Sequence[tuple[datetime, Flight]]:
        """The flights scheduled to leave on `day` (from `origin`, if one is given) that left, with when, in that order."""
        left = (
            (flight.departed, flight)
            for flight in self._by_name.values()
            if flight.date == day and (origin is None or flight.origin == origin)
        )
        return sorted(
            ((departed, flight) for departed, flight in left if departed is not None), key=lambda row: (row[0], flight_name(row[1]))
        )

    def to_message(self, flight: Flight) -> pb.Flight:
        """The row as the contract has it. What is unknown stays unset."""
        scheduled, departed = flight.scheduled, flight.departed
        return pb.Flight(
            name=flight_name(flight),
            airline_code=flight.carrier,
            airline=self._airlines.get(flight.carrier, ""),
            flight_number=flight.number,
            tail_number=flight.tail_number or "",
            origin=airport_name(flight.origin),
            destination=airport_name(flight.destination),
            state=state_of(flight),
            scheduled_departure_time=Timestamp(seconds=int(scheduled.timestamp())),
            departure_time=None if departed is None else Timestamp(seconds=int(departed.timestamp())),
            departure_delay=_minutes(flight.departure_delay),
            scheduled_arrival_time=_clock(flight.scheduled_arrival),
            arrival_time=_clock(flight.arrival),
            arrival_delay=_minutes(flight.arrival_delay),
            air_duration=_minutes(flight.air_time),
            distance_miles=flight.distance,
        )


def flight_name(flight: Flight) -> str:
    """`flights/{key}`."""
    return f"flights/{flight.key}"


def state_of(flight: Flight) -> pb.Flight.State:
    """What became of the flight, from which of its times are missing: without a departure it was cancelled; a departure without an
    arrival delay is how the source records a diversion."""
    if flight.departure_delay is None:
        return pb.Flight.STATE_CANCELLED
    if flight.arrival_delay is None:
        return pb.Flight.STATE_DIVERTED
    return pb.Flight.STATE_ARRIVED


def _minutes(minutes: int | None) -> Duration | None:
    return None if minutes is None else Duration(seconds=60 * minutes)


def _clock(minutes: int | None) -> TimeOfDay | None:
    return None if minutes is None else TimeOfDay(hours=minutes // 60, minutes=minutes % 60)
