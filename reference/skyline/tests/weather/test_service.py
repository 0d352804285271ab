"""The weather contract, called as the transport calls it."""

import asyncio

import pytest
from google.type.date_pb2 import Date

from skyline.data import Observation
from skyline.weather.service import Weather
from skyline.weather.v1 import weather_pb2 as pb
from towpath import Code, Context, RpcError

CTX = Context("/test")


def day(weather: Weather, code: str, number: int) -> list[pb.Observation]:
    request = pb.ListObservationsRequest(parent=f"airports/{code}", date=Date(year=2013, month=1, day=number))
    return list(asyncio.run(weather.list_observations(request, CTX)).observations)


def test_gets_an_observation_and_leaves_unmeasured_values_unset(weather: Weather) -> None:
    # EWR,2013,1,1,1,39.02,26.06,59.37,270,10.357019999999999,NA,0,1012,10,2013-01-01T06:00:00Z
    request = pb.GetObservationRequest(name="airports/EWR/observations/2013-01-01T06Z")
    observation = asyncio.run(weather.get_observation(request, CTX)).observation
    assert observation.observation_time.ToJsonString() == "2013-01-01T06:00:00Z"
    assert (observation.temperature_fahrenheit, observation.dew_point_fahrenheit, observation.humidity_percent) == (39.02, 26.06, 59.37)
    assert (observation.wind_direction_degrees, observation.wind_speed_mph) == (270, 10.357019999999999)
    assert (observation.pressure_millibars, observation.visibility_miles) == (1012, 10)
    assert observation.HasField("precipitation_inches")
    assert observation.precipitation_inches == 0
    assert not observation.HasField("wind_gust_mph")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("airports/EWR/observations/2013-01-01T05Z", Code.NOT_FOUND),  # the first hour of the month was not observed
        ("airports/LAX/observations/2013-01-01T06Z", Code.NOT_FOUND),
        ("airports/EWR", Code.INVALID_ARGUMENT),
        ("airports/EWR/observations/2013-01-01", Code.INVALID_ARGUMENT),
    ],
)
def test_says_what_is_wrong_with_a_name(weather: Weather, name: str, code: Code) -> None:
    with pytest.raises(RpcError) as caught:
        asyncio.run(weather.get_observation(pb.GetObservationRequest(name=name), CTX))
    assert caught.value.code is code


def test_a_day_has_its_hours_by_the_airports_own_calendar(weather: Weather) -> None:
    second = day(weather, "JFK", 2)
    assert len(second) == 24
    assert second[0].name == "airports/JFK/observations/2013-01-02T05Z"
    assert second[-1].name == "airports/JFK/observations/2013-01-03T04Z"


def test_all_days_together_are_all_observations(weather: Weather, observation_rows: list[Observation]) -> None:
    for code in ("EWR", "JFK", "LGA"):
        seconds = [observation.observation_time.seconds for number in range(1, 32) for observation in day(weather, code, number)]
        assert seconds == [int(row.time.timestamp()) for row in observation_rows if row.origin == code]
        assert len(seconds) == 742


def test_an_airport_or_day_without_observations_is_empty(weather: Weather) -> None:
    assert day(weather, "LAX", 1) == []


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ListObservationsRequest(parent="JFK", date=Date(year=2013, month=1, day=1)), "parent"),
        (pb.ListObservationsRequest(parent="airports/JFK"), "date"),
        (pb.ListObservationsRequest(parent="airports/JFK", date=Date(year=2013, month=1, day=1), page_size=-5), "page_size"),
        (pb.ListObservationsRequest(parent="airports/JFK", date=Date(year=2013, month=1, day=1), page_token="x"), "page_token"),
    ],
)
def test_a_wrong_field_is_named(weather: Weather, request_: pb.ListObservationsRequest, field: str) -> None:
    with pytest.raises(RpcError) as caught:
        asyncio.run(weather.list_observations(request_, CTX))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.details[0].field_violations[0].field == field
