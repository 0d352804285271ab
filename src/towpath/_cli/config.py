"""`towpath config`: every setting that is in force, and where it comes from, as a process started here would read them."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, cast

from cyclopts import Parameter

from towpath._app.vocabulary import variables

if TYPE_CHECKING:
    from towpath._app.settings.service_file import ServiceConfig

DEFAULT: Final = "default"

VARIABLES: Final = {
    variable.setting.removeprefix("service."): variable.name
    for variable in variables.VARIABLES
    if variable.setting.startswith("service.") and variable.setting != "service.insecure"  # which wins only if it is not 0
}
"""The variables that win over a setting of `[service]` where they are not empty."""


class Shown(NamedTuple):
    """One line of the output."""

    key: str
    value: Any
    source: str


def config(
    *,
    config: Annotated[Path | None, Parameter(negative="")] = None,
    changed: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Print every setting that is in force, with its source; secrets are hidden.

    Parameters
    ----------
    config
        The service file; without it, TOWPATH_CONFIG, else towpath.toml in this folder.
    changed
        Leave out what has its default value.
    json
        One JSON object a line, with key, value and source.
    """
    environ = environment(config)
    from towpath._app.settings.service_file import load

    settings = load(config, environ)
    rows = [row for row in in_force(settings, environ) if not (changed and row.source == DEFAULT)]
    print(_as_json(rows) if json else _as_text(rows, settings))
    return 0


def environment(config: Path | None) -> dict[str, str]:
    """The environment in which `config` is read: a file named in the command wins over TOWPATH_CONFIG, which is for another service."""
    return {name: value for name, value in os.environ.items() if config is None or name != "TOWPATH_CONFIG"}


def in_force(settings: "ServiceConfig", environ: Mapping[str, str]) -> Iterator[Shown]:
    """Each setting of `settings`, which were read from their file and from `environ`. Raises SetupError for a class of own settings that
    does not fit."""
    from towpath._app.settings import toml

    file = {} if settings.source is None else toml.tables(settings.source)
    yield Shown("file", str(settings.source or "none"), "TOWPATH_CONFIG" if environ.get("TOWPATH_CONFIG") else DEFAULT)
    yield from _of_service(settings, _table(file, "service"), environ)
    yield from _of_targets(settings, _table(file, "targets"), environ)
    yield from _of_telemetry(settings, _table(file, "telemetry"), environ)
    for name in ("tls", "methodConfig", "quotas", "bulkheads", "calls", "waivers"):
        if name in file:
            yield from _flat(name, file[name], str(settings.source))
    yield from _own(settings)


def _of_service(settings: "ServiceConfig", given: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Shown]:
    """The settings of `[service]`: those of the process, those of the limits, then the tables that have no default."""
    from towpath._app.settings.own.own_settings import without_password
    from towpath._cli.explained.limits import server_limits

    values: dict[str, Any] = {
        "name": settings.name,
        "listen": str(settings.listen),
        "admin": "none" if settings.admin is None else str(settings.admin),
        "workers": settings.workers,
        "settle": f"{settings.settle:g}s",
        "grace": f"{settings.grace:g}s",
        "unknown_query": settings.unknown_query,
        "admission": settings.admission,
        "idempotency": without_password(settings.idempotency),
        "quota_store": without_password(settings.quota_store),
        "insecure": settings.insecure,
        "contracts": list(settings.contracts),
        "settings": settings.own_class or "none",
    }
    for key, value in values.items():
        yield Shown(f"service.{key}", value, _source(settings, key, given, environ))
    for key, value, _ in server_limits(settings):
        table, _, inner = key.partition(".")
        there = given.get(table)
        written = inner in there if inner and isinstance(there, dict) else there is not None
        source = _source(settings, table, given, environ) if written or table in VARIABLES else DEFAULT
        yield Shown(f"service.{key}", value.partition("; default ")[0], f"{source}.{inner}" if inner and source != DEFAULT else source)
    for key in ("owns", "serves", "tls"):
        if key in given:
            yield from _flat(f"service.{key}", given[key], str(settings.source))


def _of_telemetry(settings: "ServiceConfig", given: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Shown]:
    from towpath._app.settings.telemetry.logs import FORMAT_VARIABLE, LEVEL_VARIABLE
    from towpath._app.settings.telemetry.otlp import variable_of
    from towpath._app.settings.telemetry.telemetry import told

    for key, value in told(settings.telemetry):
        variable = {"logs.format": FORMAT_VARIABLE, "logs.level": LEVEL_VARIABLE}.get(key)
        source = variable if variable is not None and environ.get(variable) else variable_of(key, environ)
        yield Shown(f"telemetry.{key}", value, source or (f"{settings.source}: telemetry.{key}" if _has(given, key) else DEFAULT))


def _has(table: Mapping[str, Any], key: str) -> bool:
    """Whether `table` has `key`, which names tables within it by dots."""
    first, _, rest = key.partition(".")
    return first in table and (not rest or _has(table[first], rest))


def _source(settings: "ServiceConfig", key: str, given: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    variable = VARIABLES.get(key)
    if variable is not None and environ.get(variable):
        return variable
    if key == "insecure" and environ.get("TOWPATH_INSECURE", "") not in ("", "0") and not given.get("insecure"):
        return "TOWPATH_INSECURE"
    return f"{settings.source}: service.{key}" if key in given else DEFAULT


def _of_targets(settings: "ServiceConfig", file: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Shown]:
    from towpath._app.settings.targets import VARIABLE, normal_name

    written = {normal_name(name): (name, value) for name, value in file.items()}
    variables = {normal_name(name.removeprefix(VARIABLE)): name for name in environ if name.startswith(VARIABLE)}
    for name in settings.targets:
        address = settings.target(name).address
        own_name, table = written.get(name, (name, None))
        source = variables.get(name, f"{settings.source}: targets.{own_name}")
        yield Shown(f"targets.{own_name}", address, source)
        given = cast("dict[str, Any]", table) if isinstance(table, dict) else {}
        rest = {key: value for key, value in given.items() if key != "address"}
        rows = list(_flat(f"targets.{own_name}", rest, str(settings.source)))
        yield from rows
        yield from _defaults(settings, name, f"targets.{own_name}", {row.key for row in rows})


def _defaults(settings: "ServiceConfig", name: str, where: str, written: set[str]) -> Iterator[Shown]:
    """What holds for the target `name` and is not among `written`. If it is no default, one value of the file has decided another: then the
    table is the source."""
    from towpath._cli.explained.limits import target_limits

    for inner, value, usual in target_limits(settings.target(name)):
        key = f"{where}.{inner}"
        if key not in written:
            above = key.rpartition(".")[0]
            from_file = f"{settings.source}: {above if above in written else where}"
            yield Shown(key, value, DEFAULT if usual is None else from_file)


def _own(settings: "ServiceConfig") -> Iterator[Shown]:
    """The service's own settings: those of their class, if the file names it, else what file and environment have."""
    from towpath._app.own_class import own_class
    from towpath._app.settings.own.classes import is_secret
    from towpath._app.settings.own.own_settings import HIDDEN, VARIABLE, shown

    kind = own_class(settings)
    if kind is not None:
        yield from (Shown(row.key, shown(row), row.source) for row in settings.own.read_rows(kind)[1])
        return
    for row in _flat("settings", settings.own.table, str(settings.source)):
        if f"{VARIABLE}_{row.key.partition('.')[2]}".upper().replace(".", "_").replace("-", "_") not in settings.own.variables:
            yield row
    for name, text in settings.own.variables.items():
        key = name.removeprefix(f"{VARIABLE}_").lower()
        yield Shown(f"settings.{key}", HIDDEN if is_secret(key) else _plain(text), name)


def _flat(where: str, value: Any, source: str) -> Iterator[Shown]:
    """A table of the file, one row for each value in it."""
    from towpath._app.settings.own.classes import is_secret
    from towpath._app.settings.own.own_settings import HIDDEN

    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, Any]", value).items():
            yield from _flat(f"{where}.{key}", inner, source)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in cast("list[Any]", value)):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _flat(f"{where}[{index}]", item, source)
    else:
        hidden = where.startswith("settings.") and is_secret(where.rpartition(".")[2])
        yield Shown(where, HIDDEN if hidden else _plain(value), f"{source}: {where}")


def _plain(value: Any) -> Any:
    from towpath._app.settings.own.own_settings import without_password

    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    return without_password(value) if isinstance(value, str) else value


def _table(file: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", file.get(name, {}))


def _as_text(rows: Iterable[Shown], settings: "ServiceConfig") -> str:
    """A row a line, in columns; on a terminal, a table as wide as it is. A source in the file is told by its place there, since the first
    row names the file."""
    from towpath._cli import screen
    from towpath._core.disclosure.printable import printable

    told = [(row.key, _value(row.value), row.source.removeprefix(f"{settings.source}: ")) for row in rows]
    lines = [(printable(key), printable(value), "file" if source == key else printable(source)) for key, value, source in told]
    columns = screen.width()
    if columns is not None:
        return "\n".join(_table_of(lines, columns, colour=screen.coloured()))
    widest = [max((len(line[column]) for line in lines), default=0) for column in (0, 1)]
    widths = [min(widest[0], 44), min(widest[1], 32)]
    return "\n".join(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}" for key, value, source in lines)


def _table_of(lines: Sequence[tuple[str, str, str]], columns: int, *, colour: bool) -> Iterator[str]:
    """The lines of a table of `columns`. What is no default has its source in colour."""
    from towpath._cli import screen

    widest = [max((len(line[column]) for line in lines), default=1) for column in range(3)]
    key, source = min(widest[0], columns * 45 // 100), min(widest[2], columns * 25 // 100)
    widths = (key, max(min(widest[1], columns - key - source - 4), 1), source)
    for line in lines:
        for name, value, place in screen.cells(line, widths):
            shown = place.rstrip() if line[2] == DEFAULT else screen.painted(place.rstrip(), screen.YELLOW, colour=colour)
            yield f"{name}  {value}  {shown}".rstrip()


def _as_json(rows: Iterable[Shown]) -> str:
    return "\n".join(json.dumps(row._asdict(), ensure_ascii=False, default=str) for row in rows)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, cast("list[Any]", value))) or "none"
    return "none" if value is None else str(value) or '""'
