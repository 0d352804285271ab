"""The fleet contract, called as the transport calls it."""

import asyncio

import pytest

from skyline.data import Dataset
from skyline.fleet.service import Fleet
from skyline.fleet.v1 import fleet_pb2 as pb
from towpath import Code, Context, RpcError

CTX = Context("/test")


def test_gets_an_aircraft_by_name(fleet: Fleet) -> None:
    # N14228,1999,Fixed wing multi engine,BOEING,737-824,2,149,NA,Turbo-fan
    aircraft = asyncio.run(fleet.get_aircraft(pb.GetAircraftRequest(name="aircraft/N14228"), CTX)).aircraft
    assert (aircraft.registration, aircraft.manufacturer, aircraft.model) == ("N14228", "BOEING", "737-824")
    assert (aircraft.engine_count, aircraft.seat_count, aircraft.manufacture_year) == (2, 149, 1999)
    assert not aircraft.HasField("cruise_speed_mph")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("aircraft/N0", Code.NOT_FOUND),
        ("aircraft/n14228", Code.INVALID_ARGUMENT),
        ("aircraft/", Code.INVALID_ARGUMENT),
        ("N14228", Code.INVALID_ARGUMENT),
        ("", Code.INVALID_ARGUMENT),
        ("aircraft/N14228\n", Code.INVALID_ARGUMENT),
    ],
)
def test_says_what_is_wrong_with_a_name(fleet: Fleet, name: str, code: Code) -> None:
    with pytest.raises(RpcError) as caught:
        asyncio.run(fleet.get_aircraft(pb.GetAircraftRequest(name=name), CTX))
    assert caught.value.code is code
    assert repr(name) in caught.value.message


@pytest.mark.parametrize("manufacturer", ["", "BOEING", "NOBODY"])
def test_lists_all_or_one_manufacturers_in_pages(fleet: Fleet, dataset: Dataset, manufacturer: str) -> None:
    expected = sorted(plane.tail_number for plane in dataset.planes() if manufacturer in {"", plane.manufacturer})
    listed: list[str] = []
    token = ""
    while True:
        request = pb.ListAircraftRequest(manufacturer=manufacturer, page_size=200, page_token=token)
        page = asyncio.run(fleet.list_aircraft(request, CTX))
        listed += [aircraft.registration for aircraft in page.aircraft]
        token = page.next_page_token
        if not token:
            break
    assert listed == expected


def test_every_aircraft_of_a_flight_that_is_known_has_a_name_that_can_be_asked_for(fleet: Fleet, dataset: Dataset) -> None:
    known = {plane.tail_number for plane in dataset.planes()}
    flown = {flight.tail_number for flight in dataset.flights() if flight.tail_number} & known
    assert len(flown) > 1000
    for registration in flown:
        asyncio.run(fleet.get_aircraft(pb.GetAircraftRequest(name=f"aircraft/{registration}"), CTX))


def test_a_page_of_one_manufacturer_does_not_continue_anothers(fleet: Fleet) -> None:
    page = asyncio.run(fleet.list_aircraft(pb.ListAircraftRequest(manufacturer="BOEING", page_size=1), CTX))
    with pytest.raises(RpcError) as caught:
        asyncio.run(fleet.list_aircraft(pb.ListAircraftRequest(manufacturer="AIRBUS", page_token=page.next_page_token), CTX))
    assert caught.value.code is Code.INVALID_ARGUMENT
