"""Rows of a flight recorder, for tests of what is made of them."""

from collections.abc import Callable
from typing import Any

from towpath._telemetry.flight_recorder import ring
from towpath._telemetry.flight_recorder.row import LAYOUT, MARKS, NEVER, NOT_REACHED, SAMPLED, Kind
from towpath._telemetry.otlp.spans import VALUES, Values

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
NONE = NOT_REACHED

NAMES = {
    "method": "shop.v1.Cart/Add",
    "peer": "10.0.0.1:5123",
    "tenant": "",
    "reason": "",
}
VALUES_OF_A_ROW: dict[str, Any] = {
    "code": 0,
    "flags": SAMPLED | 2 << 3,
    "attempt": 0,
    "base": 12.5,
    "trace": TRACE,
    "span": CALLER,
    "serial": 7,
    "branch": 8,
    "marks": (100, 250, 300, 310, 5310, 5400, NONE, NONE),
    "sizes": (64, 300),
}


def packed(intern: Callable[[str], int], kind: Kind, **changed: Any) -> tuple[Any, ...]:
    """What `Writer.write` takes for a row whose values are those above unless `changed`."""
    row = VALUES_OF_A_ROW | NAMES | changed
    names = [intern(row[name]) for name in NAMES]
    identity = f"00-{row['trace']}-{row['span']}".encode()
    marks = (*row["marks"], *(NONE,) * (8 - len(row["marks"])))
    head = (kind, row["code"], row["flags"], row["attempt"], row["base"], identity, row["serial"], row["branch"])
    return (*head, *names, *marks, *row["sizes"])


def write(writer: ring.Writer, kind: Kind, **changed: Any) -> None:
    """Write a row."""
    kind, code, *others = packed(writer.intern, kind, **changed)
    writer.write(kind, code, *others)


def values(kind: Kind, **changed: Any) -> tuple[Values, Callable[[int], str]]:
    """The values of one row, and what its names mean."""
    names: dict[str, int] = {}
    row = packed(lambda name: names.setdefault(name, len(names)), kind, **changed)
    floats = [NEVER if mark == NOT_REACHED else mark / 1e6 for mark in row[-MARKS - 2 : -2]]
    return VALUES.unpack(LAYOUT.pack(1, *row[: -MARKS - 2], *floats, *row[-2:], 1)), list(names).__getitem__
