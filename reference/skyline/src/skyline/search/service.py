"""The search contract: one question becomes four calls, and their answers one.

Fares can only be asked for once it is known which flights there are; the other three calls are made at once. The slowest decides how
long a search takes. Weather and fares are nice to have: the service file gives them a quarter of a second and an empty answer to fall
back on. When one fails all the same, the others are cancelled (nobody will read
their answers) and its error is the search's: the codes of a failed dependency (UNAVAILABLE, DEADLINE_EXCEEDED) mean the same to the caller,
and the INVALID_ARGUMENT of flights about a page token speaks of a field that has the same name here. The deadline, the trace and the
criticality of the search go along with each call without a word said here.
"""

import asyncio
from collections.abc import Sequence

from skyline.aip import airport_code, date_of
from skyline.airports.v1.airports_pb2 import BatchGetAirportsRequest
from skyline.airports.v1.airports_towpath import AirportsServiceClient
from skyline.flights.v1.flights_pb2 import ListFlightsRequest, ListFlightsResponse
from skyline.flights.v1.flights_towpath import FlightsServiceClient
from skyline.pricing.v1.pricing_pb2 import BatchGetFaresRequest, Fare
from skyline.pricing.v1.pricing_towpath import PricingServiceClient
from skyline.search.join import results_of, route_of
from skyline.search.v1 import search_pb2 as pb
from skyline.search.v1.search_towpath import SearchService
from skyline.weather.v1.weather_pb2 import ListObservationsRequest
from skyline.weather.v1.weather_towpath import WeatherServiceClient
from towpath import Context, RpcError


class Search(SearchService):
    """Keeps nothing between calls; cancelling a search cancels what it has under way."""

    def __init__(
        self,
        *,
        airports: AirportsServiceClient,
        flights: FlightsServiceClient,
        pricing: PricingServiceClient,
        weather: WeatherServiceClient,
    ) -> None:
        self._airports = airports
        self._flights = flights
        self._pricing = pricing
        self._weather = weather

    async def search_flights(self, request: pb.SearchFlightsRequest, ctx: Context) -> pb.SearchFlightsResponse:
        """A page of flights with weather and prices. What is wrong with the request is said before anybody else is asked."""
        airport_code("origin", request.origin)
        airport_code("destination", request.destination)
        date_of("date", request.date)
        wanted_flights = ListFlightsRequest(
            origin=request.origin,
            destination=request.destination,
            date=request.date,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        wanted_weather = ListObservationsRequest(parent=request.origin, date=request.date)
        wanted_airports = BatchGetAirportsRequest(names=[request.origin, request.destination])
        try:
            async with asyncio.TaskGroup() as group:
                flights = group.create_task(self._priced(wanted_flights))
                weather = group.create_task(self._weather.list_observations(wanted_weather))
                airports = group.create_task(self._airports.batch_get_airports(wanted_airports))
        except BaseExceptionGroup as failures:
            # The first to fail cancelled the rest, so it is the cause. Anything but an RpcError is a bug and stays whole.
            cause = failures.exceptions[0]
            if isinstance(cause, RpcError):
                raise cause from None
            raise
        listed, fares = flights.result()
        return pb.SearchFlightsResponse(
            route=route_of(request.origin, request.destination, airports.result().airports),
            results=results_of(listed.flights, weather.result().observations, fares),
            next_page_token=listed.next_page_token,
        )

    async def _priced(self, wanted: ListFlightsRequest) -> tuple[ListFlightsResponse, Sequence[Fare]]:
        """A page of flights, and what a seat costs on them."""
        listed = await self._flights.list_flights(wanted)
        names = [flight.name for flight in listed.flights]
        if not names:
            return listed, ()
        return listed, (await self._pricing.batch_get_fares(BatchGetFaresRequest(flights=names))).fares
