"""The name of an airport, which four contracts refer to. The names of other resources belong to the one service that owns them."""

import re
from typing import Final

from skyline.aip.problems import invalid

_AIRPORT: Final = re.compile(r"airports/([0-9A-Z]{3})")


def airport_name(code: str) -> str:
    """`airports/{code}`."""
    return f"airports/{code}"


def airport_code(field: str, name: str) -> str:
    """The code in `name`; raises INVALID_ARGUMENT naming `field` if it is not the name of an airport. Whether one exists is not asked."""
    match = _AIRPORT.fullmatch(name)
    if match is None:
        raise invalid(field, f"{name!r} is not the name of an airport; write it like 'airports/JFK'")
    return match[1]
