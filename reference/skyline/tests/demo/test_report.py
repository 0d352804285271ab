"""The table of one answer says what the data file says, flight for flight."""

import asyncio
from collections import Counter
from datetime import date
from io import StringIO

import pytest
from google.type.date_pb2 import Date
from rich.console import Console

from skyline.airports.service import Airports
from skyline.airports.v1.airports_pb2 import BatchGetAirportsRequest
from skyline.data import Flight, Observation
from skyline.data.__main__ import lines
from skyline.demo import report
from skyline.demo.bookings import Bookings
from skyline.demo.driver import Outcome
from skyline.demo.hops import Hop
from skyline.demo.quantiles import Bucket
from skyline.demo.slowest import Slowest
from skyline.demo.traffic import Query
from skyline.demo.trouble import Trouble
from skyline.flights.service import Flights
from skyline.flights.v1.flights_pb2 import ListFlightsRequest
from skyline.search.join import results_of, route_of
from skyline.search.v1.search_pb2 import SearchFlightsResponse
from skyline.weather.service import Weather
from skyline.weather.v1.weather_pb2 import ListObservationsRequest
from towpath import Context

CTX = Context("/test")
ROUTE = ("airports/LGA", "airports/ORD")


async def searched(airports: Airports, flights: Flights, weather: Weather, day: Date) -> SearchFlightsResponse:
    listed = await flights.list_flights(ListFlightsRequest(origin=ROUTE[0], destination=ROUTE[1], date=day), CTX)
    observed = await weather.list_observations(ListObservationsRequest(parent=ROUTE[0], date=day), CTX)
    known = await airports.batch_get_airports(BatchGetAirportsRequest(names=ROUTE), CTX)
    return SearchFlightsResponse(route=route_of(*ROUTE, known.airports), results=results_of(listed.flights, observed.observations, ()))


def test_the_table_and_the_data_file_agree_on_every_flight_of_a_month(
    airports: Airports, flights: Flights, weather: Weather, flight_rows: list[Flight], observation_rows: list[Observation]
) -> None:
    states: set[int] = set()
    for number in range(1, 32):
        answer = asyncio.run(searched(airports, flights, weather, Date(year=2013, month=1, day=number)))
        printed = lines(flight_rows, observation_rows, "LGA", "ORD", date(2013, 1, number))
        assert len(printed) == len(answer.results)
        for line, result in zip(printed, answer.results, strict=True):
            assert line.split() == " ".join(report.cells(result)).split()
            states.add(result.flight.state)
    assert len(states) == 3, "the month has flights that arrived, were cancelled and were diverted"


def test_the_report_says_how_the_calls_went_and_how_to_check_them(airports: Airports, flights: Flights, weather: Weather) -> None:
    answer = asyncio.run(searched(airports, flights, weather, Date(year=2013, month=1, day=2)))
    outcome = Outcome(
        seconds=[0.001, 0.002, 0.003, 0.004],
        failed={"UNAVAILABLE": 1},
        last_words={"UNAVAILABLE": "nobody home"},
        shown=(Query("LGA", "ORD", date(2013, 1, 2)), answer),
        elapsed=2.0,
    )
    hop = Hop(process="search", method="a.b.C/Do", side="served", calls=4, errors=1, buckets=(Bucket(0.1, 4), Bucket(float("inf"), 4)))
    output = StringIO()
    report.print_report(Console(file=output, width=160), outcome, [hop], python="python")
    text = output.getvalue()
    assert "4 calls in 2.0 s (2 a second), 1 failed" in text
    assert "UNAVAILABLE: 1, the last one: nobody home" in text
    assert "search serves Do" in text
    assert "La Guardia (LGA) to Chicago Ohare Intl (ORD), 731 miles, Wednesday 02 January 2013" in text
    assert "python -m skyline.data LGA ORD 2013-01-02 --first 10" in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_report_fits_the_terminal_but_for_the_command(airports: Airports, flights: Flights, weather: Weather, width: int) -> None:
    """All of it with the longest names that there are; a command stays whole, to be copied."""
    answer = asyncio.run(searched(airports, flights, weather, Date(year=2013, month=1, day=2)))
    answer.route.origin.display_name = "An Airport With a Name of Unusual Length, Named After Somebody"
    buckets = (Bucket(10.0, 0), Bucket(float("inf"), 1_000_000))
    hop = Hop(process="search", method="a.b.C/ListObservations", side="made", calls=1_000_000, errors=999_999, buckets=buckets)
    bad = Outcome(seconds=[12.3456] * 4, bare=100_000, unpriced=100_000, failed={"UNAVAILABLE": 100_000})
    made = Bookings(holds=10**6, served=9, refused=Counter(UNAVAILABLE=10**6), refusal_seconds=[1.0], missing=10**5, repeated=10**5)
    trouble = Trouble(hung=bad, slow=bad, crashed=bad, after=bad, bookings=made, down=123.4, slowest={})
    output = StringIO()
    console = Console(file=output, width=width)
    calm = Outcome(seconds=[12.3456], shown=(Query("LGA", "ORD", date(2013, 1, 2)), answer), elapsed=1.0)
    report.print_report(console, calm, [hop], python="python")
    report.print_trouble(console, trouble, [hop], {("idempotency", "CONCURRENT_DUPLICATE"): 10**6, ("retry", "ATTEMPT"): 10**6})
    slowest = Slowest(milliseconds=12_345.6, trace="ab" * 16, hop="inventory BatchGetObservations", phase="connection wait", took=12_345.0)
    report.print_slowest(console, {"before any trouble": slowest, "inventory was gone": None})
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    assert [line for line in lines if len(line) > width and "skyline.data" not in line] == []


def test_the_latencies_fit_a_terminal_of_80_columns_however_slow_the_calls() -> None:
    slow = (Bucket(10.0, 0), Bucket(float("inf"), 1_000_000))
    hop = Hop(process="airports", method="a.b.C/BatchGetAirports", side="served", calls=1_000_000, errors=999_999, buckets=slow)
    output = StringIO()
    Console(file=output, width=80).print(report.latencies(Outcome(seconds=[12.3456]), [hop]))
    lines = [line.split() for line in output.getvalue().splitlines()]
    assert lines[1][-3:] == ["12,346", "12,346", "12,346"]
    assert lines[2] == ["airports", "serves", "BatchGetAirports", "1,000,000", "999,999", "10,000", "10,000", "10,000"]


def test_what_users_saw_of_the_trouble_is_told_and_so_are_holds_that_went_wrong() -> None:
    well, bare = Outcome(seconds=[0.001] * 4), Outcome(seconds=[0.25] * 4, bare=3, unpriced=2, failed={"UNAVAILABLE": 1})
    made = Bookings(holds=10, served=9, refused=Counter(UNAVAILABLE=3), refusal_seconds=[0.001, 0.002, 0.003], missing=1, repeated=2)
    hop = Hop(process="search", method="a.b.C/Do", side="served", calls=7, errors=1, buckets=(Bucket(0.1, 7), Bucket(float("inf"), 7)))
    trouble = Trouble(hung=bare, slow=well, crashed=well, after=well, bookings=made, down=0.42, slowest={})
    assert trouble.failures == 4
    output = StringIO()
    report.print_trouble(Console(file=output, width=200), trouble, [hop], {("retry", "ATTEMPT"): 1234})
    rows = [line.split() for line in output.getvalue().splitlines()]
    assert ["weather", "hung", "4", "1", "3", "2", "250", "250"] in rows
    assert ["all", "was", "well", "again", "4", "0", "0", "0", "1.00", "1.00"] in rows
    text = output.getvalue()
    assert "back after 0.4 s: 7 are held exactly once, 1 have none and 2 more than one." in text
    assert "(UNAVAILABLE: 3), half of them within 2.00 ms" in text
    assert "retry ATTEMPT: 1,234" in text
    assert text.index("from the first trouble to the end") < text.index("search serves Do") < text.index("retry ATTEMPT")
    assert "(whole)" not in text


def test_where_the_slowest_call_was_slow_is_told_for_each_act() -> None:
    found = Slowest(milliseconds=295.4, trace="ab" * 16, hop="pricing BatchGetFares", phase="handler", took=262.6)
    output = StringIO()
    report.print_slowest(Console(file=output, width=80), {"pricing took 2 s": found, "inventory was gone": None})
    rows = [line.split() for line in output.getvalue().splitlines()]
    assert ["pricing", "took", "2", "s", "295", "pricing", "BatchGetFares", "handler", "263"] in rows
    assert ["inventory", "was", "gone", "-", "no", "rows", "of", "calls"] in rows
