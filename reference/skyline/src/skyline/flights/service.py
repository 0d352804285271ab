"""The flights contract, answered from the timetable."""

import asyncio
from collections.abc import AsyncIterator

from skyline.aip import airport_code, date_of, flight_key, invalid, not_found, page_of
from skyline.flights.timetable import Timetable
from skyline.flights.v1 import flights_pb2 as pb
from skyline.flights.v1.flights_towpath import FlightsService
from towpath import Context


class Flights(FlightsService):
    """Stateless beyond the timetable. Every answer but a replay is made at once; a replay may be cancelled between any two departures."""

    def __init__(self, timetable: Timetable) -> None:
        self._timetable = timetable

    async def get_flight(self, request: pb.GetFlightRequest, ctx: Context) -> pb.GetFlightResponse:
        """One flight; NOT_FOUND if there is none of that name."""
        flight_key("name", request.name)
        flight = self._timetable.get(request.name)
        if flight is None:
            raise not_found("skyline.example/Flight", request.name)
        return pb.GetFlightResponse(flight=self._timetable.to_message(flight))

    async def list_flights(self, request: pb.ListFlightsRequest, ctx: Context) -> pb.ListFlightsResponse:
        """A page of one route's flights on one day."""
        origin = airport_code("origin", request.origin)
        destination = airport_code("destination", request.destination)
        day = date_of("date", request.date)
        page = page_of(
            self._timetable.departures(origin, destination, day),
            query=f"flights {origin} {destination} {day}",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListFlightsResponse(
            flights=[self._timetable.to_message(flight) for flight in page.rows], next_page_token=page.next_page_token
        )

    async def watch(self, request: pb.WatchRequest, ctx: Context) -> AsyncIterator[pb.WatchResponse]:
        """The departures of a day as they happened, with the time between them divided by `speed`; at once if that is 0."""
        day = date_of("date", request.date)
        origin = airport_code("origin", request.origin) if request.origin else None
        if request.speed < 0:
            raise invalid("speed", f"{request.speed} would run backwards; give how many times faster than the day, or 0 for at once")
        before = None
        for departed, flight in self._timetable.departed(day, origin):
            if request.speed and before is not None:
                await asyncio.sleep((departed - before).total_seconds() / request.speed)
            before = departed
            yield pb.WatchResponse(flight=self._timetable.to_message(flight))
