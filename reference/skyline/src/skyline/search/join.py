"""Joining the answers, as a function of nothing but them."""

from collections.abc import Iterable
from math import asin, cos, radians, sin, sqrt
from typing import Final

from google.type.latlng_pb2 import LatLng

from skyline.airports.v1.airports_pb2 import Airport
from skyline.flights.v1.flights_pb2 import Flight
from skyline.pricing.v1.pricing_pb2 import Fare
from skyline.search.v1 import search_pb2 as pb
from skyline.weather.v1.weather_pb2 import Observation

EARTH_RADIUS_MILES: Final = 3958.7613
"""The mean radius of the earth (IUGG R1) in statute miles."""

_HOUR: Final = 3600


def results_of(flights: Iterable[Flight], observations: Iterable[Observation], fares: Iterable[Fare]) -> list[pb.FlightResult]:
    """Each flight with the observation of the hour in which it was to depart, and its price; none where that hour was not observed, or
    where there is no fare."""
    by_hour = {observation.observation_time.seconds // _HOUR: observation for observation in observations}
    prices = {fare.flight: fare.price for fare in fares}
    return [
        pb.FlightResult(
            flight=flight,
            departure_weather=by_hour.get(flight.scheduled_departure_time.seconds // _HOUR),
            price=prices.get(flight.name),
        )
        for flight in flights
    ]


def route_of(origin: str, destination: str, airports: Iterable[Airport]) -> pb.Route:
    """The route between two names, with what `airports` tells of its ends. An unknown end keeps its name, and there is no distance."""
    known = {airport.name: airport for airport in airports}
    route = pb.Route(origin=known.get(origin) or Airport(name=origin), destination=known.get(destination) or Airport(name=destination))
    if origin in known and destination in known:
        route.great_circle_miles = great_circle_miles(route.origin.location, route.destination.location)
    return route


def great_circle_miles(start: LatLng, end: LatLng) -> float:
    """The shortest way over a spherical earth in statute miles, by the haversine formula (Sinnott, "Virtues of the Haversine", 1984);
    within 0.6 % of the ellipsoid's."""
    latitude_1, latitude_2 = radians(start.latitude), radians(end.latitude)
    half_height = sin((latitude_2 - latitude_1) / 2) ** 2
    half_width = sin(radians(end.longitude - start.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_MILES * asin(sqrt(half_height + cos(latitude_1) * cos(latitude_2) * half_width))
