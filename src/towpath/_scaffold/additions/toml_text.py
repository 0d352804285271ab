"""Edits of a TOML file that keep its comments and its order. Each result is read back, so that an edit is right or refused."""

import re
import tomllib
from collections.abc import Callable
from typing import Any, Final

from towpath._core.errors import SetupError

_HEADER: Final = re.compile(r"^\[{1,2}(?P<name>[^\]]+)\]{1,2}[ \t]*(?:#.*)?$", re.MULTILINE)


def with_item(text: str, table: str, key: str, item: str, where: str) -> str:
    """`text` with `item` at the end of the list `key` of `table`, which is made if need be. Raises SetupError that names `where`."""
    before = _table(_read(text, where), table).get(key, [])
    if item in before:
        return text
    start, end = _span(text, table, where)
    found = re.compile(rf"^{re.escape(key)}\s*=\s*\[(?P<items>[^\]]*)\]", re.MULTILINE).search(text, start, end)
    if found is None:
        edited = _inserted(text, start, f'{key} = ["{item}"]')
    else:
        items = found["items"].rstrip()
        comma = "" if not items or items.endswith(",") else ","
        indent = "\n    " if "\n" in found["items"] else " " if items else ""
        edited = f'{text[: found.start("items")]}{items}{comma}{indent}"{item}"{text[found.start("items") + len(items) :]}'
    return _proved(text, edited, table, where, lambda values: values.update({key: [*before, item]}))


def with_value(text: str, table: str, key: str, value: str, where: str) -> str:
    """`text` with `key = "value"` in `table`. Raises SetupError that names `where` if the key has another value already."""
    before = _table(_read(text, where), table)
    if key in before:
        if before[key] == value:
            return text
        raise SetupError(f"{where}: {table}.{key}: is {before[key]!r} already; take it out first if another is meant")
    start, _ = _span(text, table, where)
    return _proved(text, _inserted(text, start, f'{key} = "{value}"'), table, where, lambda values: values.update({key: value}))


def _read(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"{where} is no TOML: {error}; mend it first") from error


def _table(values: dict[str, Any], table: str) -> dict[str, Any]:
    for part in table.split("."):
        values = values.get(part, {})
    return values


def _span(text: str, table: str, where: str) -> tuple[int, int]:
    """Where the lines of `table` begin and end."""
    headers = list(_HEADER.finditer(text))
    for index, header in enumerate(headers):
        if header["name"].strip() == table:
            return header.end(), headers[index + 1].start() if index + 1 < len(headers) else len(text)
    raise SetupError(f"{where}: has no table [{table}] as a header of its own; add it first")


def _inserted(text: str, start: int, line: str) -> str:
    """`text` with `line` behind the last line of the table that begins at `start`, and before what stands apart below it."""
    end = text.find("\n\n", start)
    end = len(text.rstrip("\n")) if end < 0 else end
    return f"{text[:end]}\n{line}{text[end:]}"


def _proved(text: str, edited: str, table: str, where: str, change: Callable[[dict[str, Any]], None]) -> str:
    wanted = tomllib.loads(text)
    change(_table(wanted, table))
    try:
        right = tomllib.loads(edited) == wanted
    except tomllib.TOMLDecodeError:
        right = False
    if not right:
        raise SetupError(f"{where}: [{table}] is written in a way that cannot be added to; add to it by hand")
    return edited
