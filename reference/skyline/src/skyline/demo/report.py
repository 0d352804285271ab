"""The closing report: what was asked, how it ended, how long each hop took, and one answer to check by hand."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.timeofday_pb2 import TimeOfDay
from rich.console import Console
from rich.table import Table

from skyline.data import EASTERN
from skyline.demo.driver import Outcome
from skyline.demo.hops import Hop
from skyline.demo.quantiles import exact
from skyline.demo.slowest import Slowest
from skyline.demo.trouble import CRASHED, DELAY, SLOW, STOPPED, Trouble
from skyline.flights.v1.flights_pb2 import Flight
from skyline.search.v1.search_pb2 import FlightResult, SearchFlightsResponse
from skyline.weather.v1.weather_pb2 import Observation

SHARES = (0.50, 0.95, 0.99)


def print_report(console: Console, outcome: Outcome, hops: Sequence[Hop], *, python: str) -> None:
    """Print all of it; `python` is how the reader starts Python here."""
    console.print()
    _print_calls(console, outcome)
    console.print()
    console.print("Latency in milliseconds, before any trouble", style="bold")
    console.print(latencies(outcome, hops))
    console.print(
        "The first row is exact, from the caller's own clock. The others are estimates: they are read from histograms whose bounds are a "
        "fifth apart, and interpolated between them.",
        style="dim",
    )
    if outcome.shown is not None:
        query, answer = outcome.shown
        console.print()
        console.print(f"The first flights of one answer: {heading(answer)}", style="bold", highlight=False)
        console.print(flights(answer))
        command = f"{shlex.quote(python)} -m skyline.data {query.origin} {query.destination} {query.day} --first 10"
        console.print("Check it against the data file, which asks no service:\n  " + command, soft_wrap=True)


def print_trouble(console: Console, trouble: Trouble, hops: Sequence[Hop], decided: Mapping[tuple[str, str], int]) -> None:
    """What users saw of the trouble, what each hop of theirs did during it, and what the stack decided."""
    console.print()
    console.print("What users saw of the trouble", style="bold")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("searches while", "calls", "failed", "no weather", "no price", "p50 ms", "p99 ms"):
        table.add_column(column, no_wrap=True, justify="left" if column.startswith("searches") else "right", header_style="underline")
    for name, outcome in (
        (f"{STOPPED} hung", trouble.hung),
        (f"{SLOW} took {DELAY} s", trouble.slow),
        (f"{CRASHED} was gone", trouble.crashed),
        ("all was well again", trouble.after),
    ):
        ordered = sorted(outcome.seconds)
        quantiles = (_milliseconds(exact(ordered, share)) for share in (0.50, 0.99))
        table.add_row(name, *(f"{figure:,}" for figure in (outcome.calls, outcome.failures, outcome.bare, outcome.unpriced)), *quantiles)
    console.print(table)
    _print_bookings(console, trouble)
    console.print()
    console.print("Latency in milliseconds, from the first trouble to the end", style="bold")
    console.print(latencies(None, hops))
    console.print()
    if decided:
        made = ", ".join(f"{role} {reason}: {count:,}" for (role, reason), count in sorted(decided.items()))
        console.print(f"What the stack decided in all: {made}", highlight=False)


def print_slowest(console: Console, slowest: Mapping[str, Slowest | None]) -> None:
    """Where the slowest call of each act was slow, from the rows that the services keep of their calls."""
    console.print()
    console.print("Where the slowest call was slow", style="bold")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("while", "ms", "most of it in", "phase", "ms there"):
        table.add_column(column, no_wrap=True, justify="right" if "ms" in column else "left", header_style="underline")
    for matter, found in slowest.items():
        if found is None:
            table.add_row(matter, "-", "no rows of calls")
        else:
            table.add_row(matter, f"{found.milliseconds:,.0f}", found.hop, found.phase, f"{found.took:,.0f}")
    console.print(table)
    console.print("Each is one call through all services, on its critical path, as towpath trace shows it.", style="dim")


def _print_bookings(console: Console, trouble: Trouble) -> None:
    made = trouble.bookings
    once = made.holds - made.missing - made.repeated
    verdict = "" if once == made.holds else f", {made.missing:,} have none and {made.repeated:,} more than one"
    console.print(
        f"{made.holds:,} seats were wanted while {CRASHED} was killed in the midst of it and was back after {trouble.down:.1f} s: "
        f"{once:,} are held exactly once{verdict}. What it had counted until then is in no table above.",
        highlight=False,
    )
    if made.refused:
        codes = ", ".join(f"{code}: {count:,}" for code, count in sorted(made.refused.items()))
        middle = _milliseconds(exact(sorted(made.refusal_seconds), 0.50))
        console.print(f"Until then travellers were told to come again ({codes}), half of them within {middle} ms.", highlight=False)


def _print_calls(console: Console, outcome: Outcome) -> None:
    rate = outcome.calls / outcome.elapsed if outcome.elapsed else 0.0
    console.print(f"{outcome.calls:,} calls in {outcome.elapsed:.1f} s ({rate:,.0f} a second), {outcome.failures:,} failed", style="bold")
    for code, count in sorted(outcome.failed.items()):
        console.print(f"  {code}: {count:,}, the last one: {outcome.last_words[code]}", style="red", markup=False)


def latencies(outcome: Outcome | None, hops: Iterable[Hop]) -> Table:
    """A row for the whole, if there is one, and one for each hop, in milliseconds."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("hop", no_wrap=True, header_style="underline")
    for column in ("calls", "errors", "p50", "p95", "p99"):
        table.add_column(column, no_wrap=True, justify="right", header_style="underline")
    if outcome is not None:
        ordered = sorted(outcome.seconds)
        whole = [_milliseconds(exact(ordered, share)) for share in SHARES] if ordered else ["-"] * len(SHARES)
        table.add_row("demo calls SearchFlights (whole)", f"{outcome.calls:,}", f"{outcome.failures:,}", *whole, style="bold")
    for hop in sorted(hops, key=_depth):
        name = f"{hop.process} {'serves' if hop.side == 'served' else 'calls'} {hop.method.rpartition('/')[2]}"
        estimates = [_milliseconds(hop.quantile(share)) for share in SHARES]
        table.add_row(name, f"{hop.calls:,}", f"{hop.errors:,}", *estimates)
    return table


def _depth(hop: Hop) -> tuple[bool, str, bool]:
    """Order of the rows: what search serves, then for each method what search sees of it and what its server does."""
    return hop.process != "search" or hop.side != "served", hop.method, hop.side == "served"


def _milliseconds(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:.2f}" if milliseconds < 100 else f"{milliseconds:,.0f}"


def heading(answer: SearchFlightsResponse) -> str:
    """From where to where, how far, and when."""
    route = answer.route
    ends = [f"{end.display_name or 'an unlisted airport'} ({end.name.partition('/')[2]})" for end in (route.origin, route.destination)]
    distance = f", {route.great_circle_miles:,.0f} miles" if route.HasField("great_circle_miles") else ""
    day = f", {_local(answer.results[0].flight.scheduled_departure_time):%A %d %B %Y}" if answer.results else ""
    return f"{ends[0]} to {ends[1]}{distance}{day}"


def flights(answer: SearchFlightsResponse, count: int = 10) -> Table:
    """The first `count` flights of an answer, in local times, as `python -m skyline.data` prints them; 78 columns wide."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("flight", "aircraft", "leaves", "left (late)", "lands", "landed", "weather at departure"):
        table.add_column(column, no_wrap=True, header_style="underline")
    for result in answer.results[:count]:
        table.add_row(*cells(result))
    return table


def cells(result: FlightResult) -> list[str]:
    """One flight as the columns of the table; what is unknown is a dash."""
    flight = result.flight
    departed = "cancelled"
    if flight.state != Flight.STATE_CANCELLED:
        late = flight.departure_delay.seconds // 60
        departed = f"{_local(flight.departure_time):%H:%M} ({late:+d})"
    return [
        f"{flight.airline_code} {flight.flight_number}",
        flight.tail_number or "-",
        f"{_local(flight.scheduled_departure_time):%H:%M}",
        departed,
        _clock(flight.scheduled_arrival_time),
        _clock(flight.arrival_time) if flight.HasField("arrival_time") else "-",
        sky(result.departure_weather) if result.HasField("departure_weather") else "not observed",
    ]


def sky(weather: Observation) -> str:
    """The weather in a few words; what was not measured is a question mark."""
    temperature = f"{weather.temperature_fahrenheit:.0f}" if weather.HasField("temperature_fahrenheit") else "?"
    wind = f"{weather.wind_speed_mph:.0f}" if weather.HasField("wind_speed_mph") else "?"
    visibility = f"{weather.visibility_miles:g}" if weather.HasField("visibility_miles") else "?"
    return f"{temperature} F, wind {wind} mph, sees {visibility} mi"


def _local(time: Timestamp) -> datetime:
    return time.ToDatetime(tzinfo=UTC).astimezone(EASTERN)


def _clock(time: TimeOfDay) -> str:
    return f"{time.hours:02d}:{time.minutes:02d}"
