"""The weather contract, answered from the almanac."""

import re
from typing import Final

from skyline.aip import airport_code, date_of, invalid, not_found, page_of
from skyline.weather.almanac import Almanac
from skyline.weather.v1 import weather_pb2 as pb
from skyline.weather.v1.weather_towpath import WeatherService
from towpath import Context

_NAME: Final = re.compile(r"airports/[0-9A-Z]{3}/observations/\d{4}-\d{2}-\d{2}T\d{2}Z")


class Weather(WeatherService):
    """Stateless beyond the almanac; every answer is made at once, so nothing here can be cancelled."""

    def __init__(self, almanac: Almanac) -> None:
        self._almanac = almanac

    async def get_observation(self, request: pb.GetObservationRequest, ctx: Context) -> pb.GetObservationResponse:
        """One observation; NOT_FOUND if there is none of that name."""
        if not _NAME.fullmatch(request.name):
            raise invalid("name", f"{request.name!r} is not an observation; write it like 'airports/JFK/observations/2013-01-01T10Z'")
        observation = self._almanac.get(request.name)
        if observation is None:
            raise not_found("skyline.example/Observation", request.name)
        return pb.GetObservationResponse(observation=observation)

    async def list_observations(self, request: pb.ListObservationsRequest, ctx: Context) -> pb.ListObservationsResponse:
        """A page of one day's observations at one airport."""
        airport = airport_code("parent", request.parent)
        day = date_of("date", request.date)
        page = page_of(
            self._almanac.day(airport, day),
            query=f"observations {airport} {day}",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListObservationsResponse(observations=page.rows, next_page_token=page.next_page_token)
