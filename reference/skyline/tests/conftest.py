"""The real data, opened once: 27,004 flights take 0.2 s to load, and nothing changes them."""

import pytest

from skyline.airports.catalogue import Catalogue
from skyline.airports.service import Airports
from skyline.data import Airport, Dataset, Flight, Observation
from skyline.fleet.hangar import Hangar
from skyline.fleet.service import Fleet
from skyline.flights.service import Flights
from skyline.flights.timetable import Timetable
from skyline.pricing.service import Pricing
from skyline.pricing.tariff import Tariff
from skyline.weather.almanac import Almanac
from skyline.weather.service import Weather


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return Dataset.open()


@pytest.fixture(scope="session")
def flight_rows(dataset: Dataset) -> list[Flight]:
    return dataset.flights()


@pytest.fixture(scope="session")
def observation_rows(dataset: Dataset) -> list[Observation]:
    return dataset.observations()


@pytest.fixture(scope="session")
def airport_rows(dataset: Dataset) -> list[Airport]:
    return dataset.airports()


@pytest.fixture(scope="session")
def airports(airport_rows: list[Airport]) -> Airports:
    return Airports(Catalogue(airport_rows))


@pytest.fixture(scope="session")
def fleet(dataset: Dataset) -> Fleet:
    return Fleet(Hangar(dataset.planes()))


@pytest.fixture(scope="session")
def flights(flight_rows: list[Flight], dataset: Dataset) -> Flights:
    return Flights(Timetable(flight_rows, dataset.airlines()))


@pytest.fixture(scope="session")
def pricing(flight_rows: list[Flight]) -> Pricing:
    return Pricing(Tariff(flight_rows))


@pytest.fixture(scope="session")
def weather(observation_rows: list[Observation]) -> Weather:
    return Weather(Almanac(observation_rows))
