"""Times as a person types them: the last 5m, or 10:20-10:30."""

import re
from datetime import datetime, time, timedelta
from typing import Final

from towpath._core.errors import SetupError

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(text: str, option: str) -> float:
    """The seconds of a duration such as 90s or 5m. Raises SetupError that names the option."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)", text.strip())
    if match is None or not float(match[1]):
        raise SetupError(f"{option} is {text!r}; give a duration such as 30s, 5m or 2h")
    return float(match[1]) * _UNITS[match[2]]


def window(text: str, option: str, now: float) -> tuple[float, float]:
    """The times of day `10:20-10:30` as seconds since 1970: the latest such window that began before `now`, by local time. Raises
    SetupError that names the option."""
    parts = text.split("-")
    try:
        start, end = (time.fromisoformat(part.strip()) for part in parts)
    except ValueError:
        start = end = time(0)
    if start == end or len(parts) != 2 or start.tzinfo is not None or end.tzinfo is not None:
        raise SetupError(f"{option} is {text!r}; give two times of day, such as 10:20-10:30")
    day = datetime.fromtimestamp(now).astimezone()
    begins = datetime.combine(day.date(), start).astimezone()
    if begins > day:
        begins = datetime.combine(day.date() - timedelta(days=1), start).astimezone()
    ends = datetime.combine(begins.date() + timedelta(days=end < start), end).astimezone()
    return begins.timestamp(), ends.timestamp()
