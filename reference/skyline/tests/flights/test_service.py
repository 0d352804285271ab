"""The flights contract, called as the transport calls it, against rows counted another way."""

import asyncio
from collections import Counter, defaultdict
from datetime import timedelta

import pytest
from google.type.date_pb2 import Date
from hypothesis import given, settings
from hypothesis import strategies as st

from skyline.data import Flight
from skyline.flights.service import Flights
from skyline.flights.v1 import flights_pb2 as pb
from towpath import Code, Context, RpcError

CTX = Context("/test")


def get(flights: Flights, name: str) -> pb.Flight:
    return asyncio.run(flights.get_flight(pb.GetFlightRequest(name=name), CTX)).flight


def query(**changes) -> pb.ListFlightsRequest:
    fields = {"origin": "airports/JFK", "destination": "airports/LAX", "date": Date(year=2013, month=1, day=3)}
    return pb.ListFlightsRequest(**fields | changes)


def watched(flights: Flights, **fields) -> list[pb.Flight]:
    async def watch() -> list[pb.Flight]:
        request = pb.WatchRequest(date=Date(year=2013, month=1, day=3), **fields)
        return [response.flight async for response in flights.watch(request, CTX)]

    return asyncio.run(watch())


@pytest.mark.parametrize(("origin", "speed"), [(None, 0), ("JFK", 0), ("LGA", 2_000_000_000)])
def test_a_day_is_replayed_in_the_order_in_which_its_flights_left(flights: Flights, flight_rows: list[Flight], origin, speed) -> None:
    found = watched(flights, origin=f"airports/{origin}" if origin else "", speed=speed)
    times = [flight.departure_time.ToDatetime() for flight in found]
    assert times == sorted(times)
    rows = [row for row in flight_rows if row.day == 3 and row.departure_delay is not None and origin in (None, row.origin)]
    assert sorted(flight.name for flight in found) == sorted(f"flights/{row.key}" for row in rows)


def test_a_replay_may_be_left_between_two_departures(flights: Flights) -> None:
    async def first() -> str:
        replay = flights.watch(pb.WatchRequest(date=Date(year=2013, month=1, day=3), speed=1), CTX)
        response = await anext(replay)
        waiting = asyncio.ensure_future(anext(replay))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return response.flight.name

    assert asyncio.run(first()).startswith("flights/2013-01-03-")


@pytest.mark.parametrize(
    ("fields", "field"), [({"speed": -1}, "speed"), ({"origin": "JFK"}, "origin"), ({"date": Date(year=2013)}, "date")]
)
def test_a_replay_that_cannot_be_meant_is_refused(flights: Flights, fields, field) -> None:
    async def watch() -> None:
        await anext(flights.watch(pb.WatchRequest(**{"date": Date(year=2013, month=1, day=3)} | fields), CTX))

    with pytest.raises(RpcError) as caught:
        asyncio.run(watch())
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.details[0].field_violations[0].field == field


def test_an_arrived_flight_has_all_its_times(flights: Flights) -> None:
    # 2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z
    flight = get(flights, "flights/2013-01-01-UA1545-EWR")
    assert (flight.airline_code, flight.airline, flight.flight_number) == ("UA", "United Air Lines Inc.", 1545)
    assert (flight.origin, flight.destination, flight.tail_number) == ("airports/EWR", "airports/IAH", "N14228")
    assert flight.state == pb.Flight.STATE_ARRIVED
    assert flight.scheduled_departure_time.ToJsonString() == "2013-01-01T10:15:00Z"
    assert flight.departure_time.ToJsonString() == "2013-01-01T10:17:00Z"
    assert flight.departure_delay.ToTimedelta() == timedelta(minutes=2)
    assert (flight.scheduled_arrival_time.hours, flight.scheduled_arrival_time.minutes) == (8, 19)
    assert (flight.arrival_time.hours, flight.arrival_time.minutes) == (8, 30)
    assert flight.arrival_delay.ToTimedelta() == timedelta(minutes=11)
    assert flight.air_duration.ToTimedelta() == timedelta(minutes=227)
    assert flight.distance_miles == 1400


def test_a_cancelled_flight_has_only_its_schedule(flights: Flights) -> None:
    # 2013,1,1,NA,1630,NA,NA,1815,NA,EV,4308,N18120,EWR,RDU,NA,416,16,30,2013-01-01T21:00:00Z
    flight = get(flights, "flights/2013-01-01-EV4308-EWR")
    assert flight.state == pb.Flight.STATE_CANCELLED
    assert flight.scheduled_departure_time.ToJsonString() == "2013-01-01T21:30:00Z"
    assert flight.HasField("scheduled_arrival_time")
    for unknown in ("departure_time", "departure_delay", "arrival_time", "arrival_delay", "air_duration"):
        assert not flight.HasField(unknown), unknown


def test_states_are_those_of_the_source(flights: Flights, flight_rows: list[Flight]) -> None:
    async def states() -> list[int]:
        requests = [pb.GetFlightRequest(name=f"flights/{row.key}") for row in flight_rows]
        return [(await flights.get_flight(request, CTX)).flight.state for request in requests]

    assert Counter(asyncio.run(states())) == {pb.Flight.STATE_ARRIVED: 26_398, pb.Flight.STATE_CANCELLED: 521, pb.Flight.STATE_DIVERTED: 85}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("flights/2013-01-01-UA1545-JFK", Code.NOT_FOUND),
        ("flights/2013-02-01-UA1545-EWR", Code.NOT_FOUND),
        ("flights/UA1545", Code.INVALID_ARGUMENT),
        ("2013-01-01-UA1545-EWR", Code.INVALID_ARGUMENT),
        ("", Code.INVALID_ARGUMENT),
    ],
)
def test_says_what_is_wrong_with_a_name(flights: Flights, name: str, code: Code) -> None:
    with pytest.raises(RpcError) as caught:
        get(flights, name)
    assert caught.value.code is code


def test_lists_a_route_of_a_day_by_departure(flights: Flights) -> None:
    listed = asyncio.run(flights.list_flights(query(), CTX)).flights
    assert len(listed) == 33
    assert listed[0].name == "flights/2013-01-03-UA1570-JFK"
    keys = [(flight.scheduled_departure_time.seconds, flight.name) for flight in listed]
    assert keys == sorted(keys)


def test_every_flight_is_listed_once_under_its_route_and_day(flights: Flights, flight_rows: list[Flight]) -> None:
    expected: defaultdict[tuple[str, str, int], set[str]] = defaultdict(set)
    for row in flight_rows:
        expected[row.origin, row.destination, row.day].add(f"flights/{row.key}")

    async def check() -> int:
        total = 0
        for (origin, destination, day), names in expected.items():
            response = await flights.list_flights(
                query(origin=f"airports/{origin}", destination=f"airports/{destination}", date=Date(year=2013, month=1, day=day)), CTX
            )
            assert {flight.name for flight in response.flights} == names
            total += len(response.flights)
        return total

    assert asyncio.run(check()) == 27_004


@settings(max_examples=40)
@given(size=st.integers(1, 40))
def test_pages_of_any_size_are_the_whole_list(flights: Flights, size: int) -> None:
    async def every() -> list[pb.Flight]:
        found: list[pb.Flight] = []
        token = ""
        while True:
            page = await flights.list_flights(query(page_size=size, page_token=token), CTX)
            found += page.flights
            token = page.next_page_token
            if not token:
                return found

    assert asyncio.run(every()) == list(asyncio.run(flights.list_flights(query(), CTX)).flights)


def test_a_route_or_day_without_flights_is_empty(flights: Flights) -> None:
    for nothing in (query(destination="airports/JFK"), query(date=Date(year=2014, month=1, day=3)), query(origin="airports/ZZZ")):
        assert asyncio.run(flights.list_flights(nothing, CTX)) == pb.ListFlightsResponse()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"origin": ""}, "origin"),
        ({"origin": "JFK"}, "origin"),
        ({"destination": "airports/LAXX"}, "destination"),
        ({"date": None}, "date"),
        ({"date": Date(year=2013, month=2, day=30)}, "date"),
        ({"date": Date(year=2013, month=1)}, "date"),
        ({"date": Date(year=-1, month=1, day=1)}, "date"),
        ({"page_size": -1}, "page_size"),
        ({"page_token": "next"}, "page_token"),
    ],
)
def test_a_wrong_field_is_named(flights: Flights, changes: dict[str, object], field: str) -> None:
    with pytest.raises(RpcError) as caught:
        asyncio.run(flights.list_flights(query(**changes), CTX))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert [violation.field for violation in caught.value.details[0].field_violations] == [field]


def test_a_token_of_another_day_is_refused(flights: Flights) -> None:
    token = asyncio.run(flights.list_flights(query(page_size=5), CTX)).next_page_token
    with pytest.raises(RpcError, match="page_token"):
        asyncio.run(flights.list_flights(query(date=Date(year=2013, month=1, day=4), page_size=5, page_token=token), CTX))
