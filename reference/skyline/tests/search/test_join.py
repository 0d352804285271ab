"""Distances against published ones, and joins over rows made up to be awkward."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money
from hypothesis import given
from hypothesis import strategies as st

from skyline.airports.v1.airports_pb2 import Airport
from skyline.flights.v1.flights_pb2 import Flight
from skyline.pricing.v1.pricing_pb2 import Fare
from skyline.search.join import great_circle_miles, results_of, route_of
from skyline.weather.v1.weather_pb2 import Observation

POINTS = st.builds(LatLng, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180))
JFK = Airport(name="airports/JFK", location=LatLng(latitude=40.639751, longitude=-73.778925))
LAX = Airport(name="airports/LAX", location=LatLng(latitude=33.942536, longitude=-118.408075))


def test_the_distance_is_the_one_that_airlines_file() -> None:
    # 2475 miles in the data set, along the ellipsoid
    assert great_circle_miles(JFK.location, LAX.location) == pytest.approx(2475, rel=0.003)


@given(POINTS, POINTS)
def test_a_distance_is_the_same_there_and_back_and_at_most_half_the_earth(start: LatLng, end: LatLng) -> None:
    there = great_circle_miles(start, end)
    assert 0 <= there <= 12_437
    assert there == pytest.approx(great_circle_miles(end, start), abs=1e-6)
    assert great_circle_miles(start, start) == pytest.approx(0, abs=1e-6)


def test_a_flight_gets_the_weather_of_the_hour_it_was_to_leave_in() -> None:
    hours = [Observation(name=f"hour {hour}", observation_time=Timestamp(seconds=3600 * hour)) for hour in (10, 11, 13)]
    times = [3600 * 10, 3600 * 11 - 1, 3600 * 11, 3600 * 12, 3600 * 13 + 1800, 3600 * 14]
    flights = [Flight(name=str(time), scheduled_departure_time=Timestamp(seconds=time)) for time in times]
    results = results_of(flights, hours, [Fare(flight=flights[1].name, price=Money(units=7))])
    assert [result.flight for result in results] == flights
    assert [result.departure_weather.name for result in results] == ["hour 10", "hour 10", "hour 11", "", "hour 13", ""]
    assert [result.HasField("departure_weather") for result in results] == [True, True, True, False, True, False]
    assert [result.price.units if result.HasField("price") else None for result in results] == [None, 7, None, None, None, None]


def test_a_route_with_both_ends_known_has_a_distance() -> None:
    route = route_of("airports/JFK", "airports/LAX", [LAX, JFK])
    assert (route.origin, route.destination) == (JFK, LAX)
    assert route.HasField("great_circle_miles")


def test_an_unknown_end_keeps_its_name() -> None:
    route = route_of("airports/JFK", "airports/SJU", [JFK])
    assert (route.origin, route.destination) == (JFK, Airport(name="airports/SJU"))
    assert not route.HasField("great_circle_miles")
