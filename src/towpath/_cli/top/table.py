"""The screen of `towpath top` as lines of text: a head, a line for each service, and as many of both as the terminal has room for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from towpath._cli.screen import BOLD, RED, YELLOW, painted
from towpath._cli.top.figures import ServiceFigures
from towpath._core.disclosure.printable import printable

BARS: Final = "▁▂▃▄▅▆▇█"
_PLAIN_BARS: Final = "12345678"
TREND: Final = 20
"""Looks of which the trend shows the p99."""

_NAME: Final = 12  # columns of the shortest name column


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and how a service's value is written in it."""

    title: str
    width: int
    text: Callable[[ServiceFigures], str]
    key: Callable[[ServiceFigures], float]
    """What the column is sorted by, the highest first."""


COLUMNS: Final = (
    Column("rate/s", 8, lambda service: f"{service.rate:,.0f}", lambda service: service.rate),
    Column("err%", 6, lambda service: f"{service.errors:.1%}".rstrip("%"), lambda service: service.errors),
    Column("p50 ms", 8, lambda service: milliseconds(service.p50), lambda service: service.p50 or 0.0),
    Column("p99 ms", 8, lambda service: milliseconds(service.p99), lambda service: service.p99 or 0.0),
    Column("shed/s", 8, lambda service: f"{service.shed:,.1f}", lambda service: service.shed),
    Column("flight", 6, lambda service: f"{service.in_flight:.0f}", lambda service: service.in_flight),
    Column("lag ms", 6, lambda service: milliseconds(service.lag), lambda service: service.lag or 0.0),
    Column(
        "MB", 5, lambda service: "." if service.memory is None else f"{service.memory / 1e6:.0f}", lambda service: service.memory or 0.0
    ),
    Column("procs", 6, lambda service: str(service.processes), lambda service: float(service.processes)),
)
"""In the order in which they are shown: a narrow terminal has the first ones alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """How the table is shown."""

    columns: int
    """Of the terminal."""
    lines: int | None = None
    """Of the terminal; None for all services."""
    sort: int = 0
    """The index in `COLUMNS` that services are sorted by."""
    find: str = ""
    """Only services whose names have this in them."""
    colour: bool = False
    unicode: bool = True


def milliseconds(seconds: float | None) -> str:
    """A duration in three digits or so; "." for none."""
    if seconds is None:
        return "."
    value = seconds * 1e3
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def lines(services: Sequence[ServiceFigures], trends: Mapping[str, Sequence[float]], view: View) -> list[str]:
    """The whole screen, of at most so many lines as the view has, and each of at most so many columns."""
    chosen = [service for service in services if view.find in service.name]
    chosen.sort(key=lambda service: (-COLUMNS[view.sort].key(service), service.name))
    name = max([_NAME, *(len(printable(service.name)) for service in chosen)])
    shown, room = _shown(view.columns, name)
    name = min(name, max(view.columns - 1, 1)) if not shown else name
    head = [_summary(services, view), "", _heading(name, shown, room, view)]
    table = [_line(service, trends.get(service.name, ()), (name, shown, room), view) for service in chosen]
    if view.lines is not None and len(head) + len(table) > view.lines:
        kept = max(view.lines - len(head) - 1, 0)
        table = [*table[:kept], _cut(f"... {len(table) - kept} more", view)]
    return [*head, *table][: view.lines]


def _shown(columns: int, name: int) -> tuple[Sequence[Column], int]:
    """The columns that there is room for, and the room for the trend."""
    left = columns - name
    shown: list[Column] = []
    for column in COLUMNS:
        if column.width + 1 > left:
            return shown, 0
        left -= column.width + 1
        shown.append(column)
    return shown, min(TREND, left - 1) if left > len("trend") else 0


def _summary(services: Sequence[ServiceFigures], view: View) -> str:
    rate = sum(service.rate for service in services)
    failed = sum(service.rate * service.errors for service in services)
    slowest = max(services, key=lambda service: service.p99 or 0.0, default=None)
    parts = [
        f"{len(services)} service{'' if len(services) == 1 else 's'}",
        f"{rate:,.0f}/s",
        f"{failed / rate if rate else 0.0:.1%} errors",
    ]
    if slowest is not None and slowest.p99 is not None:
        parts.append(f"slowest {printable(slowest.name)}, p99 {milliseconds(slowest.p99)} ms")
    unwell = [f"{printable(service.name)} is {service.state}" for service in services if service.state != "serving"]
    return painted(_cut("  ".join([*parts, *unwell]), view), BOLD, colour=view.colour)


def _heading(name: int, shown: Sequence[Column], room: int, view: View) -> str:
    cells = ["service".ljust(name), *(f"{column.title:>{column.width}}" for column in shown)]
    if room:
        cells.append("p99 trend"[:room])
    return _cut(" ".join(cells), view)


def _line(service: ServiceFigures, trend: Sequence[float], widths: tuple[int, Sequence[Column], int], view: View) -> str:
    name, shown, room = widths
    cells = [printable(service.name)[:name].ljust(name), *(f"{column.text(service):>{column.width}}" for column in shown)]
    if room:
        cells.append(bars(list(trend)[-room:], unicode=view.unicode))
    text = _cut(" ".join(cells), view)
    colour = RED if service.errors else YELLOW if service.state != "serving" or service.shed else ""
    return painted(text, colour, colour=view.colour and bool(colour))


def bars(values: Sequence[float], *, unicode: bool = True) -> str:
    """One bar for each value, the highest of them as high as a line."""
    kinds = BARS if unicode else _PLAIN_BARS
    top = max(values, default=0.0)
    return "".join(kinds[min(len(kinds) - 1, int(value / top * len(kinds)))] if top else kinds[0] for value in values)


def _cut(text: str, view: View) -> str:
    return text[: view.columns].rstrip()
