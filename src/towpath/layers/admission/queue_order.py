"""The places of a queue, and in which order those who have them begin while there is an overload."""

from collections.abc import Callable
from typing import NamedTuple

from towpath.core.context import Context
from towpath.core.service import Arrival
from towpath.layers.admission.load_shedding import CLASS, Excess


class Place(NamedTuple):
    """In the queue. Compared by importance: the level, then who came last. `full` says that it is a place under the limit that it waits
    for."""

    level: int
    number: int
    arrived: float
    full: bool
    ctx: Context
    arrival: Arrival


def order_of(excess: Excess) -> Callable[[Place], tuple[int, int]]:
    """What ranks calls. While little is in excess they begin in order, those that are in excess last; so does, at any time, a class that is
    not being refused, or its lowest cohorts would wait for ever."""
    if excess.light:
        line = excess.line
        return lambda place: (place.level // CLASS * 2 + (place.level >= line), -place.number)
    refused = excess.refused_class
    return lambda place: (place.level, place.number) if place.level // CLASS <= refused else _beyond(place)


def _beyond(place: Place) -> tuple[int, int]:
    """The oldest first, and all of them before those of a lower class, whatever these have for a number."""
    return place.level // CLASS * CLASS, -place.number


def by_number(place: Place) -> int:
    """In the order in which they came."""
    return place.number
