"""How `towpath explain` shows one side of a method: a table by layers on a terminal, and one value a line for other programs."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from towpath._cli.screen import BOLD, CYAN, YELLOW, painted

Row = tuple[str, str, str]
"""A name, its value, and where the value comes from."""

_DEFAULT: Final = "default"
_SERVER: Final = "limits of the server"
_CONTRACT: Final = "contract"
_LAYERS: Final = {
    "criticality": "context",
    "timeout": "deadline",
    "budget": "retry",
    "targets": "transport",
    "keys": "idempotency",
    "idempotency key": "idempotency",
    "idempotency_memory": "idempotency",
    "idempotency": _CONTRACT,
    "kind": _CONTRACT,
}
"""The layer of a row whose name, up to its first dot, is not that of the layer."""

_OWN_NAMES: Final = frozenset({"retry", "hedge", "fallback", "throttle", "breaker", "admission", "quota", "bulkhead"})
_WIDEST_NAME: Final = 30


@dataclass(frozen=True, kw_only=True)
class Explained:
    """One side of a method."""

    method: str
    side: str
    stack: Sequence[str]
    """The layers, in the order in which a call meets them."""
    rows: Sequence[Row]

    def lines(self) -> str:
        """One value a line, whole, with its source behind it."""
        widths = [max(len(row[column]) for row in self.rows) for column in (0, 1)]
        values = (f"  {name:<{widths[0]}}   {value:<{widths[1]}}   {origin}" for name, value, origin in self.rows)
        return "\n".join([f"{self.method}, {self.side} side", f"  stack   {' -> '.join(self.stack)}", *values])

    def fields(self) -> dict[str, object]:
        """The values as objects, for JSON."""
        rows = [{"name": name, "layer": _layer(name), "value": value, "source": source} for name, value, source in self.rows]
        return {"method": self.method, "side": self.side, "stack": list(self.stack), "values": rows}

    def table(self, width: int, *, colour: bool) -> str:
        """The values under their layers, in the order of the stack, no line longer than `width`. A source stands below its value, unless it
        is the default."""
        groups: dict[str, list[Row]] = {layer: [] for layer in self.stack}
        for row in self.rows:
            groups.setdefault(_layer(row[0]), []).append(row)
        head = textwrap.wrap(f"{self.method}, {self.side} side", width)
        lines = [painted(line, BOLD, colour=colour) for line in head]
        lines += textwrap.wrap(" -> ".join(self.stack), width, initial_indent="  ", subsequent_indent="     ")
        for layer, rows in groups.items():
            if rows:
                lines += ["", painted(layer, CYAN, colour=colour), *_group(rows, width, colour=colour)]
        return "\n".join(lines)


def _layer(name: str) -> str:
    if name in _LAYERS:
        return _LAYERS[name]
    first = name.partition(".")[0]
    return first if first in _OWN_NAMES else _LAYERS.get(first, _SERVER)


def _group(rows: Sequence[Row], width: int, *, colour: bool) -> list[str]:
    indent = max((len(name) for name, _, _ in rows if len(name) <= _WIDEST_NAME), default=0) + 4
    lines: list[str] = []
    for name, value, source in rows:
        shown = textwrap.wrap(value, max(width - indent, 10)) or [""]
        if len(name) + 4 > indent:
            lines += textwrap.wrap(name, width, initial_indent="  ", subsequent_indent="    ")
        else:
            lines.append(f"  {name:<{indent - 2}}{shown.pop(0)}".rstrip())
        lines += [" " * indent + line for line in shown]
        if source != _DEFAULT:
            told = textwrap.wrap(source if source.startswith(_DEFAULT) else f"from {source}", max(width - indent, 10))
            lines += [" " * indent + painted(line, YELLOW, colour=colour) for line in told]
    return lines
