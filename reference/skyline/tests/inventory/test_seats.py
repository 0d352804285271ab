"""Seats of flights, against the rows."""

from skyline.data import Dataset, Flight
from skyline.inventory.seats import USUAL_SEATS, Seats


def test_a_flight_has_the_seats_of_its_aircraft_or_the_usual_ones(dataset: Dataset, flight_rows: list[Flight]) -> None:
    planes = dataset.planes()
    seats = Seats(flight_rows, planes)
    assert seats.of("flights/2013-01-01-UA1545-EWR") == 149  # N14228, a 737-824
    unknown = next(row for row in flight_rows if row.tail_number not in {plane.tail_number for plane in planes})
    assert seats.of(f"flights/{unknown.key}") == USUAL_SEATS
    assert seats.of("flights/2013-02-01-UA1-JFK") is None
    assert all((seats.of(f"flights/{row.key}") or 0) > 0 for row in flight_rows)
