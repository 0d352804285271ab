"""TOML into typed, frozen structs, with errors that a person can act on: every error names the file and the field.

msgspec converts the values. This module walks the tables, because msgspec says neither which of several tables is wrong nor which known key
resembles an unknown one. An unknown key is an error: a misspelt setting that has silently no effect is worse than a service that does not
start.
"""

import logging
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin

import msgspec

from towpath._app.settings.suggest import suggestion
from towpath._core.errors import SetupError
from towpath._core.policies import InvalidField

Table = TypeVar("Table", bound=msgspec.Struct)
Policy = TypeVar("Policy")

_log = logging.getLogger("towpath.app")

_KINDS: Final = {"str": "a string", "int": "an integer", "bool": "a boolean", "list": "an array", "float": "a number"}

_UNIONS: Final = (UnionType, Union)
"""What `A | B` is, and what it is with a Literal in it."""

_NUMBER_FOR_TEXT: Final = ("expected `str`, got `int`", "expected `str`, got `float`")
"""What msgspec says of `timeout = 1`, where `"1s"` is meant."""


def read(path: Path, into: type[Table]) -> Table:
    """The file at `path` as an object of the class `into`. Raises SetupError for a file that is missing, unreadable, not TOML, or not of
    that shape."""
    return _struct(tables(path), into, path, "")


def has_table(path: Path, name: str) -> bool:
    """Whether the file at `path` has a table `name`. Kinds of files are told apart by this. Raises SetupError for a file that is missing,
    unreadable or not TOML."""
    return name in tables(path)


def policy(into: Callable[..., Policy], given: Mapping[str, Any], written: msgspec.Struct, where: str) -> Policy:
    """An `into` with the values of `given` that are not None. Raises SetupError that names the place `where`, and the field as the table
    `written` spells it."""
    try:
        return into(**{name: value for name, value in given.items() if value is not None})
    except InvalidField as error:
        spelling = {field.name: field.encode_name for field in msgspec.structs.fields(type(written))}
        raise SetupError(f"{where}: {spelling[error.field]} {error.reason}") from None


def tables(path: Path) -> dict[str, Any]:
    """The file at `path` as TOML has it. Raises SetupError for a file that is missing, unreadable or not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SetupError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SetupError(f"{path}: is not UTF-8 text (byte {error.start}); TOML files are") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"{path}: is not valid TOML: {error}") from error


def _struct(value: object, into: type[Table], path: Path, where: str) -> Table:
    if not isinstance(value, dict):
        raise SetupError(f"{path}: {where} must be a table, not {_kind(value)}")
    table = cast("dict[str, object]", value)
    fields = {field.encode_name: field for field in msgspec.structs.fields(into)}
    table = _with_new_names(table, getattr(into, "RENAMED", {}), path, where)
    for key in table:
        if key not in fields:
            raise SetupError(f"{path}: unknown key {_join(where, key)}; {suggestion(key, fields, kind='keys here')}")
    given: dict[str, Any] = {}
    for key, field in fields.items():
        if key in table:
            given[field.name] = _convert(table[key], field.type, path, _join(where, key))
        elif field.required:
            raise SetupError(f"{path}: {_join(where, key)} is missing; add it")
    return into(**given)


def _with_new_names(table: dict[str, object], renamed: Mapping[str, str], path: Path, where: str) -> dict[str, object]:
    """`table` with today's names of the keys in `renamed`, each of which the log tells once per reading."""
    for old, new in renamed.items():
        if old in table:
            if new in table:
                raise SetupError(f"{path}: {_join(where, old)} is the former name of {_join(where, new)}; leave it out")
            _log.warning("%s: %s is called %s now; the former name goes with one of the next releases", path, _join(where, old), new)
            table = {new if key == old else key: value for key, value in table.items()}
    return table


def _convert(value: object, into: Any, path: Path, where: str) -> Any:
    if _is_struct(into):
        return _struct(value, into, path, where)
    origin, arguments = get_origin(into), get_args(into)
    if origin in _UNIONS and isinstance(value, dict) and (struct := next(filter(_is_struct, arguments), None)):
        return _struct(cast("object", value), struct, path, where)
    if origin is dict and isinstance(value, dict):
        return {key: _convert(item, arguments[1], path, _join(where, key)) for key, item in cast("dict[str, object]", value).items()}
    if origin is tuple and _is_struct(arguments[0]) and isinstance(value, list):
        items = cast("list[object]", value)
        return tuple(_struct(item, arguments[0], path, f"{where}[{index}]") for index, item in enumerate(items))
    return plain(cast("object", value), into, f"{path}: {where}")


def plain(value: object, into: Any, where: str, *, strict: bool = True) -> Any:
    """A value that is no table, in the type `into`. Without `strict` texts become numbers, as those of variables have to. Raises SetupError
    that names the place `where`."""
    try:
        return msgspec.convert(value, into, strict=strict)
    except msgspec.ValidationError as error:
        if isinstance(value, str) and (words := _words(into)):
            raise SetupError(f"{where}: {value!r} is none of its values; {suggestion(value, words, kind='values')}") from error
        reason, _, inside = str(error).partition(" - at `$")
        reason = f"{reason[0].lower()}{reason[1:]}".replace("object", "table").replace(" | null", "")  # TOML has no null
        if not strict and not inside:
            reason = f"{value!r} cannot be read as {reason.partition(',')[0].removeprefix('expected ')}"
        if not inside and reason in _NUMBER_FOR_TEXT:
            reason = f'{reason}; write "{value}", or "{value}s" if it is a duration'
        raise SetupError(f"{where}{inside.rstrip('`')}: {reason}") from error


def _words(into: Any) -> tuple[str, ...]:
    """The words that a setting of the type `into` may have."""
    if get_origin(into) is Literal:
        return get_args(into)
    return tuple(word for kind in get_args(into) for word in _words(kind)) if get_origin(into) in _UNIONS else ()


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _kind(value: object) -> str:
    return _KINDS.get(type(value).__name__, type(value).__name__)
