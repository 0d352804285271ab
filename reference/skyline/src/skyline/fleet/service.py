"""The fleet contract, answered from the hangar."""

import re
from typing import Final

from skyline.aip import invalid, not_found, page_of
from skyline.fleet.hangar import Hangar
from skyline.fleet.v1 import fleet_pb2 as pb
from skyline.fleet.v1.fleet_towpath import FleetService
from towpath import Context

_NAME: Final = re.compile(r"aircraft/[0-9A-Z]{2,6}")


class Fleet(FleetService):
    """Stateless beyond the hangar; every answer is made at once, so nothing here can be cancelled."""

    def __init__(self, hangar: Hangar) -> None:
        self._hangar = hangar

    async def get_aircraft(self, request: pb.GetAircraftRequest, ctx: Context) -> pb.GetAircraftResponse:
        """One aircraft; NOT_FOUND if there is none of that name."""
        if not _NAME.fullmatch(request.name):
            raise invalid("name", f"{request.name!r} is not the name of an aircraft; write it like 'aircraft/N14228'")
        aircraft = self._hangar.get(request.name)
        if aircraft is None:
            raise not_found("skyline.example/Aircraft", request.name)
        return pb.GetAircraftResponse(aircraft=aircraft)

    async def list_aircraft(self, request: pb.ListAircraftRequest, ctx: Context) -> pb.ListAircraftResponse:
        """A page of all aircraft, or of one manufacturer's."""
        maker = request.manufacturer
        page = page_of(
            self._hangar.made_by(maker) if maker else self._hangar.all,
            query=f"aircraft {maker}",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListAircraftResponse(aircraft=page.rows, next_page_token=page.next_page_token)
