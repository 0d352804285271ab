"""Travellers who do not give up: with one key each, however often they are turned away."""

import asyncio
from collections import Counter

import pytest

from skyline.data import Flight
from skyline.demo import bookings as module
from skyline.demo.bookings import Booking, Bookings, book, bookings, count
from skyline.inventory.v1.inventory_pb2 import CreateHoldRequest, CreateHoldResponse, Hold, ListHoldsRequest, ListHoldsResponse
from skyline.inventory.v1.inventory_towpath import InventoryServiceClient
from towpath import CallOptions, Code, RpcError

WANTED = [Booking(f"flights/{number}", f"traveller-{number}") for number in range(30)]


class Answering:
    """A binder that turns each traveller away `times` and lists what was held one by one, with `lost` left out and `doubled` twice."""

    def __init__(self, times: int = 0, code: Code = Code.UNAVAILABLE, lost: str = "", doubled: str = "") -> None:
        self.times, self.code, self.lost, self.doubled = times, code, lost, doubled
        self.keys: Counter[str] = Counter()
        self.held: list[str] = []

    def bind(self, method):
        async def create(request: CreateHoldRequest, options: CallOptions) -> CreateHoldResponse:
            assert options.idempotency_key == request.hold.traveller
            self.keys[options.idempotency_key] += 1
            if self.keys[options.idempotency_key] <= self.times:
                raise RpcError(self.code, "not now")
            self.held.append(request.hold.traveller)
            return CreateHoldResponse(hold=request.hold)

        async def lists(request: ListHoldsRequest, options: CallOptions) -> ListHoldsResponse:
            shown = [name for name in [*self.held, self.doubled] if name and name != self.lost]
            place = int(request.page_token or "0")
            following = str(place + 1) if place + 1 < len(shown) else ""
            return ListHoldsResponse(holds=[Hold(traveller=shown[place])], next_page_token=following)

        return create if method.name == "CreateHold" else lists


def test_the_same_seed_wants_the_same_seats(flight_rows: list[Flight]) -> None:
    drawn = bookings(flight_rows, seed=1, count=50)
    assert drawn == bookings(flight_rows, seed=1, count=50) != bookings(flight_rows, seed=2, count=50)
    assert len({booking.flight for booking in drawn}) == len({booking.traveller for booking in drawn}) == 50


def test_everybody_asks_until_there_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0)
    network, heard, made = Answering(times=2), [], Bookings(holds=len(WANTED))

    async def use() -> None:
        client = InventoryServiceClient(network)
        await book(client, WANTED, made, concurrency=4, progress=heard.append)
        await count(client, WANTED, made)

    asyncio.run(use())
    assert heard == list(range(1, 31))
    assert (made.served, made.refused, len(made.refusal_seconds)) == (30, {"UNAVAILABLE": 60}, 60)
    assert (made.missing, made.repeated) == (0, 0)


def test_who_runs_out_of_patience_goes_without_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", -1)
    made = Bookings(holds=1)

    async def use() -> None:
        await book(InventoryServiceClient(Answering()), WANTED[:1], made, concurrency=2)
        await count(InventoryServiceClient(Answering(doubled="somebody else")), WANTED[:1], made)

    asyncio.run(use())
    assert (made.served, made.missing) == (0, 1)


def test_what_asking_again_would_not_change_ends_it() -> None:
    with pytest.raises(ExceptionGroup):
        asyncio.run(book(InventoryServiceClient(Answering(9, Code.NOT_FOUND)), WANTED, Bookings(holds=30), concurrency=2))


def test_lost_and_doubled_holds_are_found() -> None:
    made = Bookings(holds=30)

    async def use() -> None:
        client = InventoryServiceClient(Answering(lost="traveller-3", doubled="traveller-5"))
        await book(client, WANTED, made, concurrency=8)
        await count(client, WANTED, made)

    asyncio.run(use())
    assert (made.served, made.missing, made.repeated) == (30, 1, 1)
