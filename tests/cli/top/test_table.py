"""The screen of `towpath top` at several widths."""

import pytest

from towpath._cli.top.figures import ServiceFigures
from towpath._cli.top.table import COLUMNS, View, bars, lines, milliseconds


def service(name: str, **changed: float | str | None) -> ServiceFigures:
    values = {
        "state": "serving",
        "processes": 1,
        "rate": 100.0,
        "errors": 0.0,
        "p50": 0.001,
        "p99": 0.02,
        "shed": 0.0,
        "in_flight": 3.0,
        "lag": 0.0012,
        "memory": 88e6,
    } | changed
    return ServiceFigures(name=name, **values)  # pyright: ignore[reportArgumentType] # the values that a test changes


SERVICES = [service("rank", rate=410.0, p99=0.0208), service("front", rate=1876.4, errors=0.003), service("auth", p50=None, p99=None)]


def test_the_busiest_service_comes_first() -> None:
    shown = lines(SERVICES, {"rank": [0.001, 0.02]}, View(columns=120))
    assert shown[0] == "3 services  2,386/s  0.2% errors  slowest rank, p99 20.8 ms"
    assert shown[2].split() == [
        "service",
        "rate/s",
        "err%",
        "p50",
        "ms",
        "p99",
        "ms",
        "shed/s",
        "flight",
        "lag",
        "ms",
        "MB",
        "procs",
        "p99",
        "trend",
    ]
    assert [line.split()[0] for line in shown[3:]] == ["front", "rank", "auth"]
    assert shown[3].split()[1:] == ["1,876", "0.3", "1.0", "20.0", "0.0", "3", "1.2", "88", "1"]
    assert shown[4].endswith("▁█")
    assert shown[5].split()[3:5] == [".", "."]


@pytest.mark.parametrize("columns", [1, 12, 20, 40, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    shown = lines([*SERVICES, service("x" * 200)], {}, View(columns=columns, lines=10))
    assert all(len(line) <= columns for line in shown)
    assert len(shown) <= 10


@pytest.mark.parametrize("height", range(8))
def test_no_screen_is_higher_than_the_terminal(height: int) -> None:
    shown = lines([service(f"s{number}") for number in range(50)], {}, View(columns=80, lines=height))
    assert len(shown) <= height
    if height > 4:
        assert shown[-1] == f"... {50 - (height - 4)} more"


def test_a_column_sorts_and_a_word_finds() -> None:
    by_p99 = View(columns=80, sort=[column.title for column in COLUMNS].index("p99 ms"))
    assert [line.split()[0] for line in lines(SERVICES, {}, by_p99)[3:]] == ["rank", "front", "auth"]
    assert [line.split()[0] for line in lines(SERVICES, {}, View(columns=80, find="an"))[3:]] == ["rank"]


def test_a_service_that_is_unwell_is_named_above() -> None:
    shown = lines([service("db", state="unready")], {}, View(columns=80))
    assert shown[0].endswith("db is unready")


def test_colour_marks_errors_and_nothing_else_changes() -> None:
    plain = lines(SERVICES, {}, View(columns=80))
    coloured = lines(SERVICES, {}, View(columns=80, colour=True))
    assert "\x1b[31m" in coloured[3]
    assert [line.replace("\x1b[31m", "").replace("\x1b[1m", "").replace("\x1b[0m", "") for line in coloured] == plain


def test_a_hostile_name_is_printed_as_text() -> None:
    shown = lines([service("a\x1b[2Jb\n")], {}, View(columns=80))
    assert not any(character in line for line in shown for character in "\x1b\n")


def test_no_service_is_an_empty_table() -> None:
    assert lines([], {}, View(columns=80))[0] == "0 services  0/s  0.0% errors"


def test_bars() -> None:
    assert bars([]) == ""
    assert bars([0.0, 0.0]) == "▁▁"
    assert bars([0.0, 0.5, 1.0]) == "▁▅█"
    assert bars([0.0, 0.5, 1.0], unicode=False) == "158"


def test_milliseconds() -> None:
    assert [milliseconds(seconds) for seconds in (None, 0.0, 0.0123, 0.5, 12.0)] == [".", "0.0", "12.3", "500", "12,000"]
