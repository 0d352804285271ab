"""Traffic is the same for the same seed, asks only what the data can answer, and asks a few things most of the time."""

from collections import Counter

from skyline.data import Flight
from skyline.demo.traffic import queries


def test_the_same_seed_asks_the_same_questions(flight_rows: list[Flight]) -> None:
    asked = list(queries(flight_rows, seed=7, count=500))
    assert asked == list(queries(reversed(flight_rows), seed=7, count=500))
    assert asked != list(queries(flight_rows, seed=8, count=500))


def test_every_question_is_about_a_real_route_and_day(flight_rows: list[Flight]) -> None:
    routes = {(row.origin, row.destination) for row in flight_rows}
    days = {row.date for row in flight_rows}
    asked = list(queries(flight_rows, seed=1, count=2_000))
    assert len(asked) == 2_000
    assert {(query.origin, query.destination) for query in asked} <= routes
    assert {query.day for query in asked} <= days


def test_popular_routes_are_asked_for_in_proportion_to_one_over_their_rank(flight_rows: list[Flight]) -> None:
    count = 20_000
    asked = Counter((query.origin, query.destination) for query in queries(flight_rows, seed=1, count=count))
    harmonic = sum(1 / rank for rank in range(1, 187))
    for rank, route in enumerate([("JFK", "LAX"), ("LGA", "ATL"), ("JFK", "SFO")], start=1):
        expected = count / rank / harmonic
        assert abs(asked[route] - expected) < 5 * expected**0.5
