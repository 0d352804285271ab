"""Where the slowest call of an act was slow, as `towpath trace` finds it."""

import asyncio
import time
from pathlib import Path

from skyline.demo.slowest import Recordings, Slowest, read


def part(phase: str, milliseconds: float, *, on_path: bool = True) -> dict[str, object]:
    return {"phase": phase, "ms": milliseconds, "on_path": on_path}


def test_the_longest_part_of_the_path_is_named() -> None:
    search = {"service": "search", "method": "skyline.search.v1.SearchService/SearchFlights", "parts": [part("handler", 6.0)]}
    weather = {"service": "weather", "method": "a.B/ListObservations", "parts": [part("wire", 239.0), part("queue", 400.0, on_path=False)]}
    found = read({"ms": 271.0, "trace": "ab" * 16, "hops": [search, weather]})
    assert found == Slowest(milliseconds=271.0, trace="ab" * 16, hop="weather ListObservations", phase="wire", took=239.0)


def test_without_rows_there_is_no_slowest_call(tmp_path: Path) -> None:
    assert asyncio.run(Recordings(tmp_path).slowest(time.monotonic())) is None
