"""The airports contract, called as the transport calls it."""

import asyncio

import pytest

from skyline.airports.service import Airports
from skyline.airports.v1 import airports_pb2 as pb
from skyline.data import Airport
from towpath import Code, Context, RpcError

CTX = Context("/test")


def test_gets_an_airport_by_name(airports: Airports) -> None:
    # JFK,John F Kennedy Intl,40.639751,-73.778925,13,-5,A,America/New_York
    airport = asyncio.run(airports.get_airport(pb.GetAirportRequest(name="airports/JFK"), CTX)).airport
    assert (airport.name, airport.code, airport.display_name) == ("airports/JFK", "JFK", "John F Kennedy Intl")
    assert (airport.location.latitude, airport.location.longitude) == (40.639751, -73.778925)
    assert (airport.elevation_feet, airport.time_zone) == (13, "America/New_York")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("airports/ZZZ", Code.NOT_FOUND),
        ("airports/SJU", Code.NOT_FOUND),  # flown to, but not in the list
        ("airports/jfk", Code.INVALID_ARGUMENT),
        ("airports/", Code.INVALID_ARGUMENT),
        ("JFK", Code.INVALID_ARGUMENT),
        ("", Code.INVALID_ARGUMENT),
        ("airports/JFK\n", Code.INVALID_ARGUMENT),
    ],
)
def test_says_what_is_wrong_with_a_name(airports: Airports, name: str, code: Code) -> None:
    with pytest.raises(RpcError) as caught:
        asyncio.run(airports.get_airport(pb.GetAirportRequest(name=name), CTX))
    assert caught.value.code is code
    assert repr(name) in caught.value.message


def test_a_batch_keeps_the_order_and_names_the_unknown(airports: Airports) -> None:
    names = ["airports/LAX", "airports/SJU", "airports/EWR", "airports/LAX"]
    response = asyncio.run(airports.batch_get_airports(pb.BatchGetAirportsRequest(names=names), CTX))
    assert [airport.code for airport in response.airports] == ["LAX", "EWR", "LAX"]
    assert list(response.unknown_names) == ["airports/SJU"]


@pytest.mark.parametrize(("names", "field"), [([], "names"), (["airports/JFK"] * 101, "names"), (["airports/JFK", "JFK"], "names[1]")])
def test_a_batch_of_the_wrong_shape_is_refused(airports: Airports, names: list[str], field: str) -> None:
    with pytest.raises(RpcError) as caught:
        asyncio.run(airports.batch_get_airports(pb.BatchGetAirportsRequest(names=names), CTX))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.details[0].field_violations[0].field == field


def test_all_pages_together_are_all_airports_by_code(airports: Airports, airport_rows: list[Airport]) -> None:
    async def every() -> list[str]:
        codes: list[str] = []
        token = ""
        while True:
            page = await airports.list_airports(pb.ListAirportsRequest(page_size=200, page_token=token), CTX)
            codes += [airport.code for airport in page.airports]
            token = page.next_page_token
            if not token:
                return codes

    assert asyncio.run(every()) == sorted(row.code for row in airport_rows)
