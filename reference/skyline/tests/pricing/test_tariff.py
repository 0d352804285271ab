"""Fares by hand, and what must hold for all of them."""

from google.type.money_pb2 import Money

from skyline.data import Flight
from skyline.pricing.tariff import Tariff, dollars


def flight(**changes) -> Flight:
    fields = {
        "day": 1,  # a Tuesday
        "scheduled_departure": 12 * 60,
        "departure_delay": 0,
        "scheduled_arrival": 0,
        "arrival": 0,
        "arrival_delay": 0,
        "carrier": "UA",
        "number": 1,
        "tail_number": None,
        "origin": "JFK",
        "destination": "LAX",
        "air_time": None,
        "distance": 1000,
    }
    return Flight(**fields | changes)


def test_a_seat_costs_a_base_and_so_much_a_mile_more_when_many_fly() -> None:
    assert dollars(flight()) == 149  # 39 + 0.11 * 1000
    assert dollars(flight(scheduled_departure=6 * 60)) == 194  # * 1.3
    assert dollars(flight(scheduled_departure=9 * 60)) == 149
    assert dollars(flight(day=4)) == 171  # a Friday, * 1.15
    assert dollars(flight(day=6, scheduled_departure=18 * 60 + 59)) == 223  # a Sunday, and both


def test_every_flight_of_the_month_has_one(flight_rows: list[Flight]) -> None:
    tariff = Tariff(flight_rows)
    prices = [tariff.price(f"flights/{row.key}") for row in flight_rows]
    assert all(price is not None and price.currency_code == "USD" and 39 < price.units < 900 for price in prices)
    assert tariff.price("flights/2013-02-01-UA1-JFK") is None
    assert isinstance(prices[0], Money)
