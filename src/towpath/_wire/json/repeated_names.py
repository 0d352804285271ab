"""Objects that have two members of one name: protobuf's own parsers refuse them, and msgspec keeps the last member without a word.

Each member of an object has one colon outside strings, so a document repeats a name exactly if it has more of these colons than what was
read of it has members. The extension in C counts them in a small part of the time of reading, where it is built. The names are looked at
only if the numbers differ.
"""

import json
from collections.abc import Callable
from typing import Any, Final, cast

from towpath._wire.json.elements import outside_strings
from towpath._wire.json.errors import JsonError, shown

_SHORT: Final = 64 * 1024
"""Bytes of a document that is read again in some milliseconds."""

RepeatsAName = Callable[[bytes, Any], bool]
"""The type of `repeats_a_name`."""


def repeats_a_name(data: bytes, value: Any) -> bool:
    """Whether an object in the document `data`, which was read as `value`, has two members of one name."""
    members = _members(value)
    if data.count(b":") == members:  # no string has a colon either
        return False
    return outside_strings(data, b":") != [members]


def refuse_repeated_name(data: bytes) -> None:
    """Raises JsonError for a document that repeats a name, and says which in a short one: it is read again for that."""
    if len(data) > _SHORT:
        raise JsonError("an object has two members of one name")
    json.loads(data.decode(), object_pairs_hook=_check)


def _members(value: Any) -> int:
    found = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if type(one) is dict:
            found += len(cast("dict[str, Any]", one))
            waiting += [inner for inner in cast("dict[str, Any]", one).values() if type(inner) in _HOLDERS]
        elif type(one) is list:
            waiting += [inner for inner in cast("list[Any]", one) if type(inner) in _HOLDERS]
    return found


def _check(members: list[tuple[str, Any]]) -> None:
    names: set[str] = set()
    for name, _ in members:
        if name in names:
            raise JsonError(f"{shown(name)} is there twice in one object")
        names.add(name)


_HOLDERS: Final = frozenset({dict, list})
