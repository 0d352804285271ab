"""`[settings]` of the service file, and the variables TOWPATH_SETTINGS_... that override it, as an object of the team's class.

    [settings]
    currency = "EUR"                     # TOWPATH_SETTINGS_CURRENCY wins

    [settings.database]
    url = "postgresql://shop@db/shop"    # TOWPATH_SETTINGS_DATABASE_URL wins

A variable wins over the file, and the file over the default of the class, as for all settings. An unknown key and an unknown variable are
errors. No message shows the value of a secret.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast, get_args, get_origin

from towpath._app.settings import toml
from towpath._app.settings.duration import parse_duration
from towpath._app.settings.own.classes import Field, bare, fields, is_secret, is_settings_class
from towpath._app.settings.suggest import suggestion
from towpath._core.errors import SetupError

VARIABLE: Final = "TOWPATH_SETTINGS"
"""The beginning of the names of the variables that override `[settings]`."""

DEFAULT: Final = "default"

HIDDEN: Final = "***"

_PASSWORD: Final = re.compile(r"(://[^/@:\s]*:)[^/\s]*@")
"""The user and the password of an address."""

_LISTS: Final = (list, tuple, set, frozenset)

T = TypeVar("T")

log = logging.getLogger("towpath.app")


class Row(NamedTuple):
    """A setting in force."""

    key: str
    value: Any
    source: str
    secret: bool


@dataclass(frozen=True)
class OwnSettings:
    """What file and environment say of the service's own settings. The class that gives them types comes with `read`."""

    table: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """The table `[settings]`."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The variables of the environment whose names begin with TOWPATH_SETTINGS_."""
    source: Path | None = None
    """The file; None for no file."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.table or self.variables)

    def read(self, into: type[T]) -> T:
        """The settings as an object of the class `into`. Raises SetupError that names the file and the field, or the variable, and says
        what to do."""
        return self.read_rows(into)[0]

    def read_rows(self, into: type[T]) -> tuple[T, list[Row]]:
        """The settings as an object of the class `into`, and each of them with its source. Raises SetupError."""
        _check_class(into)
        reader = _Reader(f"{self.source or 'towpath.toml'}: ", self.variables)
        made = reader.made(into, self.table, "settings", VARIABLE)
        for variable in self.variables:
            if variable not in reader.known:
                raise SetupError(f"unknown variable {variable}; {suggestion(variable, reader.known, kind='variables')}")
        return made, reader.rows


def tell_unread(own: OwnSettings, source: Path | None) -> None:
    """Settings of the service's own that nobody reads have no effect, which should not go unnoticed. `source` is the file, if there is
    one."""
    if own:
        where = source or "the environment"
        log.warning("%s has settings of the service's own, and main reads none of them: call app.settings_of(...)", where)


def _check_class(into: object) -> None:
    if not isinstance(into, type):
        raise SetupError(f"app.settings_of was given an object of {type(into).__name__}; give the class itself")


def variables_of(env: Mapping[str, str]) -> dict[str, str]:
    """The variables in `env` that are for the service's own settings. An empty one counts as none."""
    return {name: text for name, text in env.items() if name.startswith(f"{VARIABLE}_") and text}


class _Reader:
    """Reads tables of one file. `place` begins its messages. Without `variables` no variable is looked at, as within an array of tables."""

    def __init__(self, place: str, variables: Mapping[str, str] | None) -> None:
        self.known: dict[str, str] = {}
        """The variables that there may be, each with the setting that it sets."""
        self.rows: list[Row] = []
        self._variables: Mapping[str, str] = variables or {}
        self._overridden = variables is not None
        self._place = place

    def made(self, kind: type[T], table: object, where: str, variable: str) -> T:
        """An object of `kind` from a table and from the variables whose names begin with `variable`."""
        if not isinstance(table, Mapping):
            raise SetupError(f"{self._place}{where} must be a table, not {type(table).__name__}")
        values = cast("Mapping[str, object]", table)
        known = {one.key: one for one in fields(kind)}
        for key in values:
            if key not in known:
                raise SetupError(f"{self._place}unknown key {where}.{key}; {suggestion(key, known, kind='keys here')}")
        given: dict[str, Any] = {}
        defaults: list[Field] = []
        for one in known.values():
            there, value = self._value(one, values, f"{where}.{one.key}", f"{variable}_{one.key.upper().replace('-', '_')}")
            if there:
                given[one.name] = value
            elif one.required:
                raise self._missing(one, f"{where}.{one.key}")
            else:
                defaults.append(one)
        try:
            made = kind(**given)
        except (TypeError, ValueError, SetupError) as error:
            raise SetupError(f"{self._place}{where}: {error}") from error
        for one in defaults:
            self._defaults(one, getattr(made, one.name), f"{where}.{one.key}")
        return made

    def _value(self, one: Field, table: Mapping[str, object], where: str, variable: str) -> tuple[bool, Any]:
        """Whether file or environment have the field, and its value."""
        inner = bare(one.kind)
        if is_settings_class(inner):
            if one.key not in table and not any(name.startswith(f"{variable}_") for name in self._variables):
                self._know(inner, where, variable)
                return False, None
            return True, self.made(inner, table.get(one.key, {}), where, variable)
        self._add(variable, where)
        text = self._variables.get(variable)
        if text is not None:
            value = _from_text(one, text, variable, where)
            self.rows.append(Row(where, value, variable, one.secret))
            return True, value
        if one.key not in table:
            return False, None
        value = _converted(one, table[one.key], _Place(self._place, where))
        self.rows.append(Row(where, value, f"{self._place}{where}", one.secret))
        return True, value

    def _know(self, kind: type, where: str, variable: str) -> None:
        """Take the names of the variables of a table that is not there."""
        for one in fields(kind):
            name, key = f"{variable}_{one.key.upper().replace('-', '_')}", f"{where}.{one.key}"
            if is_settings_class(bare(one.kind)):
                self._know(bare(one.kind), key, name)
            else:
                self._add(name, key)

    def _add(self, variable: str, where: str) -> None:
        other = self.known.setdefault(variable, where)
        if other != where:
            raise SetupError(f"{other} and {where} would both be set by {variable}; rename one of them")

    def _missing(self, one: Field, where: str) -> SetupError:
        if is_settings_class(bare(one.kind)):
            return SetupError(f"{self._place}{where} is missing; add the table [{where}]")
        variable = next(name for name, setting in self.known.items() if setting == where)
        return SetupError(f"{self._place}{where} is missing; add it{f', or set {variable}' if self._overridden else ''}")

    def _defaults(self, one: Field, value: Any, where: str) -> None:
        if is_settings_class(type(value)):
            for inner in fields(cast("type[Any]", type(value))):
                self._defaults(inner, getattr(value, inner.name), f"{where}.{inner.key}")
        else:
            self.rows.append(Row(where, value, DEFAULT, one.secret))


def _from_text(one: Field, text: str, variable: str, where: str) -> Any:
    kind = bare(one.kind)
    origin = get_origin(kind) or kind
    if origin is dict or any(is_settings_class(bare(inner)) for inner in get_args(kind)):
        raise SetupError(f"{variable}: {where} is a table, which no variable can hold; set it in the file")
    if one.duration:
        return _converted(one, text, _Place("", variable))
    value: str | list[str] = [part.strip() for part in text.split(",")] if origin in _LISTS else text
    return _converted(one, value, _Place("", variable), strict=False)


class _Place(NamedTuple):
    file: str
    where: str

    def __str__(self) -> str:
        return self.file + self.where


def _converted(one: Field, value: object, where: _Place, *, strict: bool = True) -> Any:
    """`value` in the type of the field. Raises SetupError that names the place, and shows no secret."""
    if one.duration:
        if not isinstance(value, str):
            raise SetupError(f'{where}: expected a duration such as "0.5s", got {type(value).__name__}; write "{value}s"')
        return parse_duration(value, str(where), zero=True)
    try:
        return _nested(one.kind, value, where, strict)
    except (TypeError, NameError) as error:  # of msgspec, for a type that it cannot convert to
        raise SetupError(f"{where}: its type is none that a file can hold: {error}") from error
    except SetupError:
        if one.secret:
            kind = getattr(bare(one.kind), "__name__", "value of its type")
            raise SetupError(f"{where}: the value, which is a secret and not shown, is no {kind}") from None
        raise


def _nested(kind: Any, value: object, where: _Place, strict: bool) -> Any:
    """`value`, with each table in it as an object of its class, so that an unknown key in it is an error."""
    inner = bare(kind)
    origin, arguments = get_origin(inner), get_args(inner)
    if is_settings_class(inner):
        return _Reader(where.file, None).made(inner, value, where.where, "")
    if origin in (list, tuple) and isinstance(value, list) and arguments and is_settings_class(bare(arguments[0])):
        make = cast("Callable[[Sequence[Any]], Any]", origin)
        items = cast("list[object]", value)
        return make(
            [_nested(arguments[0], item, _Place(where.file, f"{where.where}[{index}]"), strict) for index, item in enumerate(items)]
        )
    if origin is dict and isinstance(value, dict) and is_settings_class(bare(arguments[1])):
        tables = cast("dict[str, object]", value)
        return {key: _nested(arguments[1], item, _Place(where.file, f"{where.where}.{key}"), strict) for key, item in tables.items()}
    return toml.plain(cast("object", value), kind, str(where), strict=strict)


def shown(row: Row) -> Any:
    """The value of a setting as it may be printed."""
    return HIDDEN if row.secret and row.value not in ("", None) else _shown(row.value)


def _shown(value: Any) -> Any:
    if is_settings_class(type(value)):
        kind = cast("type[Any]", type(value))
        return {one.key: HIDDEN if one.secret else _shown(getattr(value, one.name)) for one in fields(kind)}
    if isinstance(value, dict):
        return {key: HIDDEN if is_secret(str(key)) else _shown(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, _LISTS):
        return [_shown(item) for item in cast("Sequence[Any]", value)]
    return without_password(value) if isinstance(value, str) else value


def without_password(text: str) -> str:
    """`text`, with stars in place of the password of an address in it."""
    return _PASSWORD.sub(rf"\1{HIDDEN}@", text)
