"""The names of airports and flights, to which several contracts refer. Those of others belong to the one service that owns them."""

import re
from typing import Final

from skyline.aip.problems import invalid

_AIRPORT: Final = re.compile(r"airports/([0-9A-Z]{3})")
_FLIGHT: Final = re.compile(r"flights/(\d{4}-\d{2}-\d{2}-[0-9A-Z]{2}\d{1,4}-[0-9A-Z]{3})")


def airport_name(code: str) -> str:
    """`airports/{code}`."""
    return f"airports/{code}"


def airport_code(field: str, name: str) -> str:
    """The code in `name`; raises INVALID_ARGUMENT naming `field` if it is not the name of an airport. Whether one exists is not asked."""
    match = _AIRPORT.fullmatch(name)
    if match is None:
        raise invalid(field, f"{name!r} is not the name of an airport; write it like 'airports/JFK'")
    return match[1]


def flight_key(field: str, name: str) -> str:
    """The day, number and origin in `name`; raises INVALID_ARGUMENT naming `field` if it is not the name of a flight. Whether one exists is
    not asked."""
    match = _FLIGHT.fullmatch(name)
    if match is None:
        raise invalid(field, f"{name!r} is not the name of a flight; write it like 'flights/2013-01-01-UA1545-EWR'")
    return match[1]
