"""Observations by name and by airport and day. The messages are made once at start, since they never change and are few."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date

from google.protobuf.timestamp_pb2 import Timestamp

from skyline.aip import airport_name
from skyline.data import Observation
from skyline.weather.v1 import weather_pb2 as pb


class Almanac:
    """All observations of the month, found by name, and listed by airport and local day in the order of the hours."""

    def __init__(self, observations: Iterable[Observation]) -> None:
        by_day: defaultdict[tuple[str, date], list[pb.Observation]] = defaultdict(list)
        self._by_name: dict[str, pb.Observation] = {}
        for observation in sorted(observations, key=lambda row: (row.origin, row.hour)):
            message = to_message(observation)
            self._by_name[message.name] = message
            by_day[observation.origin, observation.time.date()].append(message)
        self._by_day = dict(by_day)

    def get(self, name: str) -> pb.Observation | None:
        """The observation called `name`, or None."""
        return self._by_name.get(name)

    def day(self, airport: str, day: date) -> Sequence[pb.Observation]:
        """The observations at `airport` (a code) on `day` by its own calendar; empty if there are none."""
        return self._by_day.get((airport, day), ())


def observation_name(observation: Observation) -> str:
    """`airports/{code}/observations/{hour in UTC}`."""
    return f"{airport_name(observation.origin)}/observations/{observation.time.astimezone(UTC):%Y-%m-%dT%HZ}"


def to_message(observation: Observation) -> pb.Observation:
    """The row as the contract has it. What was not measured stays unset."""
    return pb.Observation(
        name=observation_name(observation),
        observation_time=Timestamp(seconds=int(observation.time.timestamp())),
        temperature_fahrenheit=observation.temperature,
        dew_point_fahrenheit=observation.dew_point,
        humidity_percent=observation.humidity,
        wind_direction_degrees=observation.wind_direction,
        wind_speed_mph=observation.wind_speed,
        wind_gust_mph=observation.wind_gust,
        precipitation_inches=observation.precipitation,
        pressure_millibars=observation.pressure,
        visibility_miles=observation.visibility,
    )
