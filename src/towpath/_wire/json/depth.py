"""How deeply the messages of a JSON document may be nested: as deeply as protobuf's own form allows, since what is nested more deeply could
be read as JSON, and then neither passed on nor stored."""

from collections.abc import Iterator
from typing import Any, Final, cast

MAX_DEPTH: Final = 101
"""Messages within each other: one, and the 100 within it that protobuf's parsers allow."""

MAX_STRUCT_DEPTH: Final = 32
"""Objects and arrays within each other in a `google.protobuf.Struct` or its like: each is up to three messages within each other."""


def is_deeper(value: Any, most: int = MAX_DEPTH) -> bool:
    """Whether there are more than `most` objects within each other in what was read of a document."""
    level = [value]
    for _ in range(most):
        within: list[Any] = []
        for one in _flat(level):
            within += [inner for inner in one.values() if type(inner) in _HOLDERS]
        if not within:
            return False
        level = within
    return any(True for _ in _flat(level))


def _flat(level: list[Any]) -> Iterator[dict[str, Any]]:
    """The objects of a level; an array has its own on the same one. The level grows by what the arrays hold."""
    for one in level:
        if type(one) is dict:
            yield cast("dict[str, Any]", one)
        elif type(one) is list:
            level += [inner for inner in cast("list[Any]", one) if type(inner) in _HOLDERS]


_HOLDERS: Final = frozenset({dict, list})
