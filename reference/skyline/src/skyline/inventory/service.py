"""The inventory contract: no seat is held twice, and every hold is made once.

The first follows from the transaction, which counts and inserts with no other writer between. The second follows from the idempotency key,
which the contract requires of a hold: towpath runs a call with a key once, and the hold is committed together with the answer that later
attempts get.
"""

import re
from typing import Final

from google.rpc.error_details_pb2 import PreconditionFailure

from skyline.aip import flight_key, invalid, not_found, page_of
from skyline.inventory.holds import Holds
from skyline.inventory.seats import Seats
from skyline.inventory.v1 import inventory_pb2 as pb
from skyline.inventory.v1.inventory_towpath import InventoryService
from towpath import Code, Context, RpcError

MOST_SEATS: Final = 9
"""Of one hold."""

LONGEST_TRAVELLER: Final = 200
"""Characters."""

_HOLD: Final = re.compile(r"(flights/[^/]+)/holds/([0-9a-f]{32})")
_ALL_FLIGHTS: Final = "flights/-"


class Inventory(InventoryService):
    """Cancelling a call rolls its transaction back."""

    def __init__(self, holds: Holds, seats: Seats) -> None:
        self._holds = holds
        self._seats = seats

    async def create_hold(self, request: pb.CreateHoldRequest, ctx: Context) -> pb.CreateHoldResponse:
        """Hold seats, once for each idempotency key."""
        flight, wanted = request.parent, request.hold
        flight_key("parent", flight)
        if not 1 <= wanted.seats <= MOST_SEATS:
            raise invalid("hold.seats", f"{wanted.seats} seats cannot be held; ask for 1 to {MOST_SEATS}")
        if not 1 <= len(wanted.traveller) <= LONGEST_TRAVELLER:
            raise invalid("hold.traveller", f"has {len(wanted.traveller)} characters; give 1 to {LONGEST_TRAVELLER}")
        capacity = self._seats.of(flight)
        if capacity is None:
            raise not_found("skyline.example/Flight", flight)
        async with self._holds.transaction() as tx:
            left = capacity - await self._holds.taken(tx, flight) - wanted.seats
            if left < 0:
                raise _full(flight, left + wanted.seats)
            hold = await self._holds.add(tx, flight, wanted)
            return tx.answer(pb.CreateHoldResponse(hold=hold, seats_left=left))

    async def delete_hold(self, request: pb.DeleteHoldRequest, ctx: Context) -> pb.DeleteHoldResponse:
        """Give seats back; NOT_FOUND if the hold is not there, or no longer."""
        match = _HOLD.fullmatch(request.name)
        if match is None:
            raise invalid("name", f"{request.name!r} is not a hold; write it as CreateHold answered")
        async with self._holds.transaction() as tx:
            if not await self._holds.remove(tx, match[1], match[2]):
                raise not_found("skyline.example/Hold", request.name)
            return tx.answer(pb.DeleteHoldResponse())

    async def list_holds(self, request: pb.ListHoldsRequest, ctx: Context) -> pb.ListHoldsResponse:
        """A page of the holds on one flight, or on all."""
        if request.parent != _ALL_FLIGHTS:
            flight_key("parent", request.parent)
        page = page_of(
            await self._holds.on(request.parent),
            query=f"holds {request.parent}",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListHoldsResponse(holds=page.rows, next_page_token=page.next_page_token)


def _full(flight: str, left: int) -> RpcError:
    """FAILED_PRECONDITION: no attempt with this request can succeed until somebody gives seats back."""
    description = f"{flight} has {left} seats left"
    violation = PreconditionFailure.Violation(type="SEATS", subject=flight, description=description)
    return RpcError(Code.FAILED_PRECONDITION, description, [PreconditionFailure(violations=[violation])])
