"""`[telemetry.logs]` of the service file: what the log of a process looks like, and which calls have a line in it.

[telemetry.logs]
format = "json"                      # or "console"; "auto", the default, is "console" on a terminal and "json" elsewhere
level = "DEBUG"                      # the least level that is logged: DEBUG, INFO (the default), WARNING, ERROR or CRITICAL
levels = { "shop.stock" = "DEBUG" }  # the same for single loggers

[telemetry.logs.access]
server = true                        # whether received calls have lines
client = false                       # whether calls to others have lines
rate = 0.01                          # the share of calls that have a line though they succeeded and were quick
slow = "1s"                          # a call that took as long has a line in any case; "off" for never
max_per_second = 50                  # lines a second for calls that failed or were slow, and as many for all others
metadata = ["x-client-version"]      # the metadata that lines show

TOWPATH_LOG_FORMAT and TOWPATH_LOG_LEVEL win over `format` and `level`. All of the table is taken over by a reload.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

import msgspec

from towpath._app.settings.option_tables import Keys, Number, Seconds, options
from towpath._app.settings.suggest import suggestion
from towpath._core.disclosure.redaction import is_secret
from towpath._core.errors import SetupError
from towpath._telemetry.logs.access_log import AccessOptions

LogFormat = Literal["auto", "json", "console"]
"""How records are written: "auto" is "console" on a terminal, and "json" elsewhere."""

FORMATS: Final[tuple[LogFormat, ...]] = ("auto", "json", "console")
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

FORMAT_VARIABLE: Final = "TOWPATH_LOG_FORMAT"
LEVEL_VARIABLE: Final = "TOWPATH_LOG_LEVEL"

ACCESS: Final[Keys] = {
    "rate": Number("rate", 0, 1),
    "slow": Seconds("slow", can_be_off=True),
    "max_per_second": Number("max_per_second", 0, 100_000, "lines"),
}
"""The keys of `[telemetry.logs.access]` that have a range."""


class AccessTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[telemetry.logs.access]`, as the file has it."""

    server: bool | None = None
    client: bool | None = None
    rate: float | None = None
    slow: str | None = None
    max_per_second: int | None = None
    metadata: tuple[str, ...] | None = None


class LogsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[telemetry.logs]`, as the file has it."""

    format: str | None = None
    level: str | None = None
    levels: dict[str, str] = {}
    access: AccessTable = AccessTable()
    """Which calls have a line in the log."""


@dataclass(frozen=True, kw_only=True)
class LogsOptions:
    """The log of a process."""

    format: LogFormat = "auto"
    """How records are written."""
    level: str = "INFO"
    """The least level that is logged."""
    levels: Mapping[str, str] = field(default_factory=dict[str, str])
    """The least level that is logged by single loggers, by name."""
    access: AccessOptions = field(default_factory=AccessOptions)
    """Which calls have a line."""


def read_logs(table: LogsTable, where: str, environ: Mapping[str, str]) -> LogsOptions:
    """The options of the log. Raises SetupError that names the variable, or the place below `where`."""
    usual = LogsOptions()
    return LogsOptions(
        format=cast("LogFormat", _chosen(FORMAT_VARIABLE, environ, table.format, f"{where}.format", FORMATS, usual.format)),
        level=_chosen(LEVEL_VARIABLE, environ, table.level, f"{where}.level", LEVELS, usual.level),
        levels={name: _one_of(level, f"{where}.levels.{name}", LEVELS) for name, level in table.levels.items()},
        access=_access(table.access, f"{where}.access"),
    )


def format_of(environ: Mapping[str, str]) -> LogFormat:
    """How records are written before the service file was read. A variable that says nothing known is complained of with the file."""
    given = environ.get(FORMAT_VARIABLE)
    return given if given in FORMATS else "auto"


def told_logs(logs: LogsOptions) -> dict[str, Any]:
    """Each key of the tables below `[telemetry]`, and its value as the file would have it."""
    access = logs.access
    return {
        "logs.format": logs.format,
        "logs.level": logs.level,
        "logs.levels": dict(logs.levels),
        "logs.access.server": access.server,
        "logs.access.client": access.client,
        **{f"logs.access.{name}": key.told(getattr(access, key.option)) for name, key in ACCESS.items()},
        "logs.access.metadata": list(access.metadata),
    }


def _access(table: AccessTable, where: str) -> AccessOptions:
    ranged = options(AccessOptions, table, ACCESS, where)
    metadata = tuple(name.lower() for name in table.metadata or ())
    for name in metadata:
        if is_secret(name):
            raise SetupError(f"{where}.metadata: {name!r} is the name of a credential, and no log shows those; take it out")
    return AccessOptions(
        server=table.server is not False,
        client=table.client is True,
        rate=ranged.rate,
        slow=ranged.slow,
        max_per_second=ranged.max_per_second,
        metadata=metadata,
    )


def _chosen(variable: str, environ: Mapping[str, str], given: str | None, where: str, known: tuple[str, ...], usual: str) -> str:
    if environ.get(variable):
        return _one_of(environ[variable], variable, known)
    return usual if given is None else _one_of(given, where, known)


def _one_of(text: str, where: str, known: tuple[str, ...]) -> str:
    for word in known:
        if text.lower() == word.lower():
            return word
    raise SetupError(f"{where}: unknown value {text!r}; {suggestion(text, known, kind='values')}")
