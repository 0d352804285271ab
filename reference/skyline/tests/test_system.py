"""All services over real sockets, each an application of its own with the stack that it has in production."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.type.date_pb2 import Date

from skyline.airports.service import Airports
from skyline.airports.v1.airports_pb2 import ListAirportsRequest
from skyline.airports.v1.airports_towpath import AirportsServiceClient
from skyline.data import Dataset, Flight
from skyline.demo.driver import drive
from skyline.demo.hops import read_hops
from skyline.demo.traffic import queries
from skyline.fleet.service import Fleet
from skyline.flights.service import Flights
from skyline.flights.v1.flights_pb2 import GetFlightRequest, ListFlightsRequest
from skyline.flights.v1.flights_towpath import FlightsServiceClient
from skyline.gateway.__main__ import main as add_gateway
from skyline.inventory.__main__ import main as add_inventory
from skyline.inventory.v1.inventory_pb2 import CreateHoldRequest, Hold, ListHoldsRequest
from skyline.inventory.v1.inventory_towpath import InventoryServiceClient
from skyline.pricing.service import Pricing
from skyline.search.__main__ import main as add_search
from skyline.search.v1.search_pb2 import SearchFlightsRequest
from skyline.search.v1.search_towpath import SearchServiceClient
from skyline.weather.service import Weather
from tests.programs import needed
from towpath import App, CallOptions, Code, RpcError, Service, connect
from towpath.settings import MethodConfig, ServiceConfig, load
from towpath.telemetry import write_exposition

SERVICES = Path(__file__).parents[1] / "services"
PATIENCE = 120.0
PATIENT = ServiceConfig(methods=(MethodConfig(names=(("", ""),), timeout=PATIENCE, source="test"),))
"""No call runs out of time because the machine is busy: the contracts give one second, and the weather a quarter of it."""
Use = Callable[[dict[str, App]], Awaitable[None]]


@pytest.fixture
def run_system(
    airports: Airports, fleet: Fleet, flights: Flights, pricing: Pricing, weather: Weather, tmp_path: Path
) -> Callable[[Use], None]:
    """Starts them all, hands them over by name, and stops them."""
    owned: dict[str, Service] = {"airports": airports, "fleet": fleet, "flights": flights, "pricing": pricing, "weather": weather}

    @asynccontextmanager
    async def started() -> AsyncIterator[dict[str, App]]:
        async with AsyncExitStack() as stack:
            apps: dict[str, App] = {}
            for name, service in owned.items():
                apps[name] = await stack.enter_async_context(App(ServiceConfig(name=name)))
                apps[name].add(service)
                await apps[name].start("127.0.0.1", 0)
            holds = f"sqlite:///{tmp_path / 'holds.db'}"
            apps["inventory"] = await stack.enter_async_context(App(ServiceConfig(name="inventory", idempotency=holds)))
            await add_inventory(apps["inventory"])
            await apps["inventory"].start("127.0.0.1", 0)
            targets = {name: app.address for name, app in apps.items()}
            methods = tuple(replace(config, timeout=PATIENCE) for config in load(SERVICES / "search.toml", {}).methods)
            search = ServiceConfig(name="search", targets=targets, methods=(*PATIENT.methods, *methods))
            apps["search"] = await stack.enter_async_context(App(search))
            await add_search(apps["search"])
            await apps["search"].start("127.0.0.1", 0)
            targets["search"] = apps["search"].address
            gateway = replace(PATIENT, name="gateway", targets=targets, idempotency="off")
            apps["gateway"] = await stack.enter_async_context(App(gateway))
            await add_gateway(apps["gateway"])
            await apps["gateway"].start("127.0.0.1", 0)
            yield apps

    def run(use: Use) -> None:
        async def live() -> None:
            async with started() as apps:
                await use(apps)

        asyncio.run(live())

    return run


def question(**changes) -> SearchFlightsRequest:
    fields = {"origin": "airports/JFK", "destination": "airports/LAX", "date": Date(year=2013, month=1, day=3)}
    return SearchFlightsRequest(**fields | changes)


def test_a_search_is_answered_by_all_five(run_system: Callable[[Use], None]) -> None:
    async def use(apps: dict[str, App]) -> None:
        async with connect(apps["search"].address, config=PATIENT) as channel:
            answer = await SearchServiceClient(channel).search_flights(question(page_size=10))
        assert answer.route.destination.display_name == "Los Angeles Intl"
        assert len(answer.results) == 10
        assert answer.next_page_token
        first = answer.results[0]
        # 2013,1,3,616,559,17,...,UA,1570,N18119,JFK,LAX and JFK,2013,1,3,5,26.96,...
        assert first.flight.name == "flights/2013-01-03-UA1570-JFK"
        assert first.flight.departure_time.ToJsonString() == "2013-01-03T11:16:00Z"
        assert first.departure_weather.temperature_fahrenheit == 26.96
        assert first.price.units == 311  # 39 + 0.11 * 2475: a minute before the busy hours, on a Thursday

    run_system(use)


def test_a_search_goes_without_the_weather_when_nobody_knows_it(run_system: Callable[[Use], None]) -> None:
    async def use(apps: dict[str, App]) -> None:
        async with connect(apps["search"].address, config=PATIENT) as channel:
            client = SearchServiceClient(channel)
            whole = await client.search_flights(question(page_size=10))
            await apps["weather"].close(0)
            bare = await client.search_flights(question(page_size=10))
        assert any(result.HasField("departure_weather") for result in whole.results)
        assert [result.flight for result in bare.results] == [result.flight for result in whole.results]
        assert not any(result.HasField("departure_weather") for result in bare.results)
        labels = {
            "rpc_method": "skyline.weather.v1.WeatherService/ListObservations",
            "role": "fallback",
            "reason": "VALUE",
            "shadow": "false",
        }
        assert apps["search"].metrics.registry.get_sample_value("towpath_decisions_total", labels) == 1

    run_system(use)


def test_a_search_goes_without_prices_when_nobody_sets_them(run_system: Callable[[Use], None]) -> None:
    async def use(apps: dict[str, App]) -> None:
        await apps["pricing"].close(0)
        async with connect(apps["search"].address, config=PATIENT) as channel:
            bare = await SearchServiceClient(channel).search_flights(question(page_size=10))
        assert len(bare.results) == 10
        assert not any(result.HasField("price") for result in bare.results)

    run_system(use)


def test_a_key_makes_a_hold_once_through_the_gateway(run_system: Callable[[Use], None]) -> None:
    async def use(apps: dict[str, App]) -> None:
        wanted = CreateHoldRequest(parent="flights/2013-01-03-UA1570-JFK", hold=Hold(seats=1, traveller="Ada"))
        async with connect(apps["gateway"].address, config=PATIENT) as channel:
            client = InventoryServiceClient(channel)
            first = await client.create_hold(wanted, CallOptions(idempotency_key="once"))
            assert await client.create_hold(wanted, CallOptions(idempotency_key="once")) == first
            assert list((await client.list_holds(ListHoldsRequest(parent="flights/-"))).holds) == [first.hold]
        labels = {"rpc_method": "skyline.inventory.v1.InventoryService/CreateHold", "role": "idempotency", "reason": "REPLAYED"}
        counted = apps["inventory"].metrics.registry.get_sample_value("towpath_decisions_total", labels | {"shadow": "false"})
        assert counted == 1

    run_system(use)


def test_seeded_traffic_is_answered_whole_and_counted_on_every_hop(
    run_system: Callable[[Use], None], flight_rows: list[Flight], tmp_path: Path
) -> None:
    async def use(apps: dict[str, App]) -> None:
        async with connect(apps["search"].address, config=PATIENT) as channel:
            outcome = await drive(SearchServiceClient(channel), queries(flight_rows, seed=3, count=200), concurrency=8)
        assert outcome.calls == 200
        assert outcome.failed == {}
        assert outcome.shown is not None
        for name, app in apps.items():
            write_exposition(app.metrics.registry, tmp_path / name)
        hops = read_hops({name: tmp_path / name for name in apps})
        counted = {(hop.process, hop.side, hop.method.rpartition("/")[2]): (hop.calls, hop.errors) for hop in hops}
        assert counted == {
            ("search", "served", "SearchFlights"): (200, 0),
            ("search", "made", "ListFlights"): (200, 0),
            ("search", "made", "ListObservations"): (200, 0),
            ("search", "made", "BatchGetAirports"): (200, 0),
            ("search", "made", "BatchGetFares"): (200, 0),
            ("pricing", "served", "BatchGetFares"): (200, 0),
            ("flights", "served", "ListFlights"): (200, 0),
            ("weather", "served", "ListObservations"): (200, 0),
            ("airports", "served", "BatchGetAirports"): (200, 0),
        }

    run_system(use)


def test_a_wrong_field_keeps_its_details_over_two_hops(run_system: Callable[[Use], None]) -> None:
    async def use(apps: dict[str, App]) -> None:
        async with connect(apps["search"].address, config=PATIENT) as channel:
            with pytest.raises(RpcError) as caught:
                await SearchServiceClient(channel).search_flights(question(page_token="made up"))
        assert caught.value.code is Code.INVALID_ARGUMENT
        assert [violation.field for violation in caught.value.details[0].field_violations] == ["page_token"]

    run_system(use)


def test_a_flight_that_is_not_there_is_named(run_system: Callable[[Use], None]) -> None:
    async def use(apps: dict[str, App]) -> None:
        async with connect(apps["flights"].address, config=PATIENT) as channel:
            with pytest.raises(RpcError) as caught:
                await FlightsServiceClient(channel).get_flight(GetFlightRequest(name="flights/2013-01-01-UA1-JFK"))
        assert caught.value.code is Code.NOT_FOUND
        assert caught.value.details[0].resource_name == "flights/2013-01-01-UA1-JFK"

    run_system(use)


def test_a_dependency_that_is_gone_is_unavailable_and_its_address_stays_here(run_system: Callable[[Use], None]) -> None:
    async def use(apps: dict[str, App]) -> None:
        address = apps["flights"].address
        await apps["flights"].close()
        async with connect(apps["search"].address, config=PATIENT) as channel:
            with pytest.raises(RpcError) as caught:
                await SearchServiceClient(channel).search_flights(question())
        assert caught.value.code is Code.UNAVAILABLE
        assert "cannot be reached" in caught.value.message
        assert address not in caught.value.message

    run_system(use)


def test_pages_over_the_wire_are_the_whole_list(run_system: Callable[[Use], None], dataset: Dataset) -> None:
    async def use(apps: dict[str, App]) -> None:
        async with connect(apps["airports"].address, config=PATIENT) as channel:
            client = AirportsServiceClient(channel)
            codes: list[str] = []
            token = ""
            while True:
                page = await client.list_airports(ListAirportsRequest(page_size=100, page_token=token))
                codes += [airport.code for airport in page.airports]
                token = page.next_page_token
                if not token:
                    break
        assert codes == [row.code for row in dataset.airports()]

    run_system(use)


def test_a_call_without_required_fields_is_refused_over_the_wire(run_system: Callable[[Use], None]) -> None:
    async def use(apps: dict[str, App]) -> None:
        async with connect(apps["flights"].address, config=PATIENT) as channel:
            with pytest.raises(RpcError, match="origin") as caught:
                await FlightsServiceClient(channel).list_flights(ListFlightsRequest())
        assert caught.value.code is Code.INVALID_ARGUMENT

    run_system(use)


def test_the_gateway_answers_for_all_of_them_over_rest_and_connect(run_system: Callable[[Use], None]) -> None:
    """With curl, as the README does it."""
    program = needed("curl")

    async def curl(*arguments: str) -> list[dict[str, Any]]:
        process = await asyncio.create_subprocess_exec(program, "-sSf", *arguments, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert process.returncode == 0
        return [json.loads(line) for line in out.splitlines()]

    async def use(apps: dict[str, App]) -> None:
        edge = f"http://{apps['gateway'].address}"
        (flight,) = await curl(f"{edge}/v1/flights/2013-01-01-UA1545-EWR")
        (aircraft,) = await curl(f"{edge}/v1/aircraft/{flight['flight']['tailNumber']}")
        assert aircraft["aircraft"]["manufacturer"] == "BOEING"
        (airport,) = await curl(f"{edge}/v1/{flight['flight']['destination']}")
        assert airport["airport"]["timeZone"] == "America/Chicago"
        route = "origin=airports/JFK&destination=airports/LAX"
        (found,) = await curl(f"{edge}/v1/flights:search?{route}&date.year=2013&date.month=1&date.day=3&page_size=1")
        asked = '{"origin": "airports/JFK", "destination": "airports/LAX", "date": {"year": 2013, "month": 1, "day": 3}, "pageSize": 1}'
        (same,) = await curl("-H", "content-type: application/json", "-d", asked, f"{edge}/skyline.search.v1.SearchService/SearchFlights")
        assert found == same
        departures = await curl(f"{edge}/v1/flights:watch?date.year=2013&date.month=1&date.day=7&origin=airports/JFK")
        times = [departure["flight"]["departureTime"] for departure in departures]
        assert len(times) > 200
        assert times == sorted(times)
        (document,) = await curl(f"{edge}/openapi.json")
        assert {"/v1/aircraft", "/v1/airports", "/v1/flights:search"} <= set(document["paths"])

    run_system(use)
