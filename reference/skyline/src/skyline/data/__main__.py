"""Print flights straight from the data file: `python -m skyline.data JFK LAX 2013-01-03 [--first 10]`.

Asks no service and shares no code with any, so that an answer of `search` can be checked against it line by line. With `--info` it says
where the data came from.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from skyline.data.loader import Dataset
from skyline.data.records import Flight, Observation
from towpath import SetupError

_LAYOUT: Final = "{:<7} {:<8} {:<6} {:<11} {:<5} {:<6} {}"
_HEADING: Final = _LAYOUT.format("flight", "aircraft", "leaves", "left (late)", "lands", "landed", "weather at departure")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m skyline.data", description="Print flights straight from the data file.")
    parser.add_argument("origin", nargs="?", help="airport code, for example JFK")
    parser.add_argument("destination", nargs="?", help="airport code, for example LAX")
    parser.add_argument("date", nargs="?", type=date.fromisoformat, help="day in January 2013, for example 2013-01-03")
    parser.add_argument("--first", type=int, default=10, metavar="N", help="flights to print (default: %(default)s)")
    parser.add_argument("--info", action="store_true", help="print the source and size of the data")
    chosen = parser.parse_args(arguments)
    try:
        dataset = Dataset.open()
        if chosen.info:
            print(describe(dataset))
            return 0
        if chosen.date is None:
            parser.error("give origin, destination and date, or --info")
        print(_HEADING)
        printed = lines(dataset.flights(), dataset.observations(), chosen.origin, chosen.destination, chosen.date)
        for line in printed[: chosen.first]:
            print(line)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def describe(dataset: Dataset) -> str:
    """Where the data came from and how much there is of it."""
    origin = dataset.provenance
    counts = {
        "flights": len(dataset.flights()),
        "airlines": len(dataset.airlines()),
        "airports": len(dataset.airports()),
        "planes": len(dataset.planes()),
        "observations": len(dataset.observations()),
    }
    sizes = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return f"{origin.content}\nsource: {origin.source}\nlicence: {origin.licence}\narchive SHA-256: {origin.source_sha256}\n{sizes}"


def lines(flights: Iterable[Flight], observations: Iterable[Observation], origin: str, destination: str, day: date) -> list[str]:
    """One line for each flight of a route and day, in the order of scheduled departure and then of name."""
    weather = {(row.origin, row.hour): row for row in observations}
    chosen = [row for row in flights if (row.origin, row.destination, row.date) == (origin, destination, day)]
    chosen.sort(key=lambda row: (row.scheduled_departure, row.key))
    return [line(row, weather.get((row.origin, (row.day - 1) * 24 + row.scheduled_departure // 60))) for row in chosen]


def line(flight: Flight, weather: Observation | None) -> str:
    """One flight: number and aircraft, scheduled and real departure and arrival, and the weather of the scheduled hour."""
    scheduled, departed, arrived = _clock(flight.scheduled_departure), "cancelled", "-"
    if flight.departed is not None:
        departed = f"{flight.departed:%H:%M} ({flight.departure_delay:+d})"
    if flight.arrival is not None:
        arrived = _clock(flight.arrival)
    number = f"{flight.carrier} {flight.number}"
    return _LAYOUT.format(number, flight.tail_number or "-", scheduled, departed, _clock(flight.scheduled_arrival), arrived, sky(weather))


def sky(weather: Observation | None) -> str:
    """The weather in a few words; what was not measured is a question mark."""
    if weather is None:
        return "not observed"
    temperature = "?" if weather.temperature is None else f"{weather.temperature:.0f}"
    wind = "?" if weather.wind_speed is None else f"{weather.wind_speed:.0f}"
    visibility = "?" if weather.visibility is None else f"{weather.visibility:g}"
    return f"{temperature} F, wind {wind} mph, sees {visibility} mi"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


if __name__ == "__main__":
    sys.exit(main())
