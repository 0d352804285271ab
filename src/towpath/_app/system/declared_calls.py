"""The declarations of service files for `towpath check` (see `towpath._app.settings.declarations`). Each entry is checked by itself, and
knows its place in the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from towpath._app.settings.declarations import CallTable, WaiverTable
from towpath._app.settings.suggest import suggestion
from towpath._contracts.graph import RULES, Waiver
from towpath._core.errors import SetupError


@dataclass(frozen=True, kw_only=True)
class DeclaredCall:
    """An entry of `[[calls]]`, checked as far as can be done without contracts. The fields are those of `CallTable`."""

    where: str
    """The file and the entry, for messages."""
    to: str
    caller: str | None
    optional: bool
    parallel: bool
    times: int
    forward: bool


def calls_of(tables: Sequence[CallTable], source: Path | None) -> tuple[DeclaredCall, ...]:
    """The entries of `[[calls]]` in the file `source`. Raises SetupError that names file and field."""
    return tuple(_call(table, f"{source}: calls[{index}]") for index, table in enumerate(tables))


def waivers_of(tables: Sequence[WaiverTable], source: Path | None) -> tuple[Waiver, ...]:
    """The entries of `[[waivers]]` in the file `source`. Raises SetupError that names file and field."""
    return tuple(_waiver(table, f"{source}: waivers[{index}]") for index, table in enumerate(tables))


def _call(table: CallTable, where: str) -> DeclaredCall:
    if table.times < 1:
        raise SetupError(f"{where}.times: is {table.times}; give 1 or more, or leave the call out")
    if table.forward and table.caller is not None:
        raise SetupError(f"{where}.from: does not go with forward, by which each method calls its own namesake; leave one of them out")
    return DeclaredCall(
        where=where,
        to=table.to,
        caller=table.caller,
        optional=table.optional,
        parallel=table.parallel,
        times=table.times,
        forward=table.forward,
    )


def _waiver(table: WaiverTable, where: str) -> Waiver:
    if table.rule not in RULES:
        raise SetupError(f"{where}.rule: unknown rule {table.rule!r}; {suggestion(table.rule, RULES, kind='rules')}")
    for name in ("path", "owner", "why"):
        if not getattr(table, name).strip():
            raise SetupError(f"{where}.{name}: is empty; a waiver says what it excuses, who answers for it and why")
    return Waiver(rule=table.rule, path=table.path, until=table.until, owner=table.owner, why=table.why, where=where)
