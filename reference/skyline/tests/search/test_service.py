"""Search over the real services in one process: joins against an independent computation, failures, and cancellation."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest
from google.type.date_pb2 import Date

from skyline.airports.service import Airports
from skyline.airports.v1.airports_towpath import AirportsServiceClient
from skyline.data import Airport, Flight, Observation
from skyline.flights.service import Flights
from skyline.flights.v1.flights_towpath import FlightsServiceClient
from skyline.pricing.service import Pricing
from skyline.pricing.tariff import dollars
from skyline.pricing.v1.pricing_towpath import PricingServiceClient
from skyline.search.service import Search
from skyline.search.v1 import search_pb2 as pb
from skyline.weather.service import Weather
from skyline.weather.v1.weather_towpath import WeatherServiceClient
from towpath import CallOptions, Code, Context, MethodSpec, RpcError, Service

CTX = Context("/test")


@dataclass
class Direct:
    """A binder whose network is a function call. `fault` is raised instead, and `stalled` never answers but notes its cancellation."""

    service: Service
    fault: Exception | None = None
    stalled: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    called: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def bind_stream(self, method: MethodSpec):
        """Bound with the rest of a client; a search watches nothing."""
        return partial(pytest.fail, f"{method.full_name} was called")

    def bind(self, method: MethodSpec):
        handler = {spec.name: bound for spec, bound in self.service.handlers()}[method.name]

        async def call(request: object, options: CallOptions | None) -> object:
            self.called.append(method.name)
            self.begun.set()
            if self.fault is not None:
                raise self.fault
            if self.stalled:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.cancelled.append(method.name)
                    raise
            return await handler(request, CTX)

        return call


@dataclass
class System:
    """Search with the four services that it asks."""

    airports: Direct
    flights: Direct
    pricing: Direct
    weather: Direct

    def search(self, request: pb.SearchFlightsRequest) -> Awaitable[pb.SearchFlightsResponse]:
        service = Search(
            airports=AirportsServiceClient(self.airports),
            flights=FlightsServiceClient(self.flights),
            pricing=PricingServiceClient(self.pricing),
            weather=WeatherServiceClient(self.weather),
        )
        return service.search_flights(request, CTX)


@pytest.fixture
def system(airports: Airports, flights: Flights, pricing: Pricing, weather: Weather) -> System:
    return System(Direct(airports), Direct(flights), Direct(pricing), Direct(weather))


def question(**changes) -> pb.SearchFlightsRequest:
    fields = {"origin": "airports/JFK", "destination": "airports/LAX", "date": Date(year=2013, month=1, day=3)}
    return pb.SearchFlightsRequest(**fields | changes)


def test_every_flight_of_a_week_has_the_weather_of_its_hour(
    system: System, flight_rows: list[Flight], observation_rows: list[Observation]
) -> None:
    # The same join the slow way, from rows alone: look through all observations for the one that covers the departure.
    def covering(flight: Flight) -> Observation | None:
        inside = [
            row for row in observation_rows if row.origin == flight.origin and row.time <= flight.scheduled < row.time + timedelta(hours=1)
        ]
        return inside[0] if inside else None

    async def check() -> tuple[int, int]:
        found = unobserved = 0
        for origin in ("EWR", "JFK", "LGA"):
            for day in (1, 2, 31):
                expected = {
                    f"flights/{row.key}": row for row in flight_rows if (row.origin, row.destination, row.day) == (origin, "ORD", day)
                }
                answer = await system.search(
                    question(origin=f"airports/{origin}", destination="airports/ORD", date=Date(year=2013, month=1, day=day))
                )
                assert {result.flight.name for result in answer.results} == set(expected)
                for result in answer.results:
                    row = covering(expected[result.flight.name])
                    assert result.HasField("departure_weather") == (row is not None)
                    unobserved += row is None
                    if row is not None:
                        assert result.departure_weather.observation_time.seconds == int(row.time.timestamp())
                        assert result.departure_weather.temperature_fahrenheit == row.temperature
                    found += 1
        return found, unobserved

    found, _ = asyncio.run(check())
    assert found > 100


def test_an_hour_that_was_not_observed_leaves_the_weather_unset(
    system: System, flight_rows: list[Flight], observation_rows: list[Observation]
) -> None:
    observed = {(row.origin, row.hour) for row in observation_rows}
    unlit = [row for row in flight_rows if (row.origin, (row.day - 1) * 24 + row.scheduled_departure // 60) not in observed]
    assert len(unlit) == 52  # counted in the CSV files
    row = unlit[0]
    request = question(
        origin=f"airports/{row.origin}", destination=f"airports/{row.destination}", date=Date(year=2013, month=1, day=row.day)
    )
    answer = asyncio.run(system.search(request))
    (result,) = [result for result in answer.results if result.flight.name == f"flights/{row.key}"]
    assert not result.HasField("departure_weather")


def test_every_flight_has_its_price_and_a_page_without_flights_asks_for_none(system: System, flight_rows: list[Flight]) -> None:
    prices = {f"flights/{row.key}": dollars(row) for row in flight_rows}
    answer = asyncio.run(system.search(question()))
    assert [result.price.units for result in answer.results] == [prices[result.flight.name] for result in answer.results]
    assert len(answer.results) == 33
    system.pricing.called.clear()
    assert not asyncio.run(system.search(question(destination="airports/XXX"))).results
    assert system.pricing.called == []


def test_pricing_that_is_late_is_cancelled_with_the_search(system: System) -> None:
    system.pricing.stalled = True

    async def give_up() -> None:
        task = asyncio.ensure_future(system.search(question()))
        await system.pricing.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert system.pricing.cancelled == ["BatchGetFares"]


def test_the_route_names_its_ends(system: System, airport_rows: list[Airport]) -> None:
    names = {row.code: row.name for row in airport_rows}
    route = asyncio.run(system.search(question())).route
    assert (route.origin.display_name, route.destination.display_name) == (names["JFK"], names["LAX"])
    assert route.great_circle_miles == pytest.approx(2475, rel=0.003)


def test_a_destination_that_no_list_has_is_still_flown_to(system: System) -> None:
    answer = asyncio.run(system.search(question(destination="airports/SJU")))
    assert answer.results
    assert answer.route.destination.name == "airports/SJU"
    assert answer.route.destination.display_name == ""
    assert not answer.route.HasField("great_circle_miles")


def test_pages_together_are_the_whole_answer(system: System) -> None:
    async def every() -> list[pb.FlightResult]:
        found: list[pb.FlightResult] = []
        token = ""
        while True:
            page = await system.search(question(page_size=7, page_token=token))
            found += page.results
            token = page.next_page_token
            if not token:
                return found

    whole = list(asyncio.run(system.search(question())).results)
    assert asyncio.run(every()) == whole
    assert len(whole) == 33


@pytest.mark.parametrize(
    ("changes", "field_"),
    [
        ({"origin": "JFK"}, "origin"),
        ({"destination": ""}, "destination"),
        ({"date": None}, "date"),
        ({"date": Date(year=2013, month=13, day=1)}, "date"),
    ],
)
def test_a_wrong_field_is_named_before_anybody_is_asked(system: System, changes: dict[str, object], field_: str) -> None:
    with pytest.raises(RpcError) as caught:
        asyncio.run(system.search(question(**changes)))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.details[0].field_violations[0].field == field_
    assert system.flights.called == system.airports.called == system.weather.called == []


@pytest.mark.parametrize(("changes", "field_"), [({"page_size": -1}, "page_size"), ({"page_token": "x"}, "page_token")])
def test_what_flights_says_of_paging_reaches_the_caller(system: System, changes: dict[str, object], field_: str) -> None:
    with pytest.raises(RpcError) as caught:
        asyncio.run(system.search(question(**changes)))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.details[0].field_violations[0].field == field_


@pytest.mark.parametrize("failing", ["airports", "flights", "weather"])
def test_one_failure_is_the_answer_and_cancels_the_rest(system: System, failing: str) -> None:
    directs = {"airports": system.airports, "flights": system.flights, "weather": system.weather}
    for name, direct in directs.items():
        direct.stalled = name != failing
    directs[failing].fault = RpcError(Code.UNAVAILABLE, f"{failing} is away")
    with pytest.raises(RpcError, match=f"UNAVAILABLE: {failing} is away"):
        asyncio.run(system.search(question()))
    for name, direct in directs.items():
        # One that was never begun has nothing to cancel.
        assert direct.cancelled == (direct.called if name != failing else [])


def test_a_bug_stays_a_bug(system: System) -> None:
    system.weather.fault = ZeroDivisionError("oops")
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(system.search(question()))
    assert isinstance(caught.value.exceptions[0], ZeroDivisionError)


def test_the_three_are_asked_at_once_and_cancelled_with_the_search(system: System) -> None:
    directs = (system.airports, system.flights, system.weather)
    for direct in directs:
        direct.stalled = True

    async def give_up() -> None:
        task = asyncio.ensure_future(system.search(question()))
        for direct in directs:
            await direct.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert [direct.cancelled for direct in directs] == [["BatchGetAirports"], ["ListFlights"], ["ListObservations"]]
