"""The airports contract, answered from the catalogue."""

from typing import Final

from skyline.aip import airport_code, invalid, not_found, page_of
from skyline.airports.catalogue import Catalogue
from skyline.airports.v1 import airports_pb2 as pb
from skyline.airports.v1.airports_towpath import AirportsService
from towpath import Context

MAX_BATCH: Final = 100
"""Names in one BatchGetAirports."""


class Airports(AirportsService):
    """Stateless beyond the catalogue; every answer is made at once, so nothing here can be cancelled."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def get_airport(self, request: pb.GetAirportRequest, ctx: Context) -> pb.GetAirportResponse:
        """One airport; NOT_FOUND if there is none of that name."""
        airport_code("name", request.name)
        airport = self._catalogue.get(request.name)
        if airport is None:
            raise not_found("skyline.example/Airport", request.name)
        return pb.GetAirportResponse(airport=airport)

    async def batch_get_airports(self, request: pb.BatchGetAirportsRequest, ctx: Context) -> pb.BatchGetAirportsResponse:
        """Several airports; names that none has come back as unknown."""
        names = request.names
        if not 1 <= len(names) <= MAX_BATCH:
            raise invalid("names", f"{len(names)} names; ask for 1 to {MAX_BATCH}")
        response = pb.BatchGetAirportsResponse()
        for index, name in enumerate(names):
            airport_code(f"names[{index}]", name)
            airport = self._catalogue.get(name)
            if airport is None:
                response.unknown_names.append(name)
            else:
                response.airports.append(airport)
        return response

    async def list_airports(self, request: pb.ListAirportsRequest, ctx: Context) -> pb.ListAirportsResponse:
        """A page of all airports."""
        page = page_of(self._catalogue.all, query="airports", page_size=request.page_size, page_token=request.page_token)
        return pb.ListAirportsResponse(airports=page.rows, next_page_token=page.next_page_token)
