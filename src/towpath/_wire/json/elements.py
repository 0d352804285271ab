"""How many messages a JSON document may become. This bounds the time and the memory that reading one takes, whatever its size.

An empty object takes three bytes of a document and a hundred times as many of memory, so the limit of a message's size says little of its
cost. The size of most documents, or their commas and brackets, show that they are far from the limit, which costs next to nothing. The
messages of other documents are counted while they are read.
"""

from typing import Any, Final, cast

from towpath._wire.json.errors import JsonError

UNCHECKED: Final = 64 * 1024
"""Bytes of a document whose maps cannot take long to read."""
UNSUSPECTED: Final = 8
"""A document with fewer bytes than this fraction of the elements that it may have has less, whatever they weigh."""
_LEAST: Final = 2
"""Bytes that an element takes at the least, but for the last one."""
_LISTS: Final = 2
"""Arrays that a document may have for each element."""
_READ_BY_ONE: Final = 4
"""Values of a list that are read one by one in the time of one element."""
_QUOTES: Final = 1 << 16
"""Quotes that are looked at together; even, so that each lot begins outside a string."""


class TooManyElementsError(JsonError):
    """The document is right as far as it was read, and has too many elements to be read further."""


class Budget:
    """The elements that one document may still have: messages, also those that are plain values in JSON, and entries of maps."""

    __slots__ = ("_limit", "left")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.left = limit

    def spend(self, count: int) -> None:
        """Raises TooManyElementsError once no element is left."""
        self.left -= count
        if self.left < 0:
            raise _too_many("messages and entries of maps", self._limit)

    def listed(self, values: list[Any]) -> list[Any]:
        """Count the values of a list that are about to be read one by one."""
        self.spend(len(values) // _READ_BY_ONE)
        return values

    def spend_on(self, value: Any) -> None:
        """Count the values within a `google.protobuf.Struct` or its like, each of which is a message."""
        waiting = [value] if type(value) in (dict, list) else []
        while waiting:
            one = waiting.pop()
            if type(one) is dict:
                entries = cast("dict[str, Any]", one)
                self.spend(len(entries))
                waiting.extend(entries.values())
            elif type(one) is list:
                items = cast("list[Any]", one)
                self.spend(len(items))
                waiting.extend(items)


def needs_budget(data: bytes, limit: int, heaviest: int = 1) -> bool:
    """Whether a document may have over `limit` elements, so that they have to be counted; a message in it counts as up to `heaviest` of
    them. Raises TooManyElementsError for a document whose brackets alone are too many; nothing of it should be read."""
    few = limit // heaviest
    if len(data) <= _LEAST * few or data.count(b",") + data.count(b"{") + data.count(b"[") < few:
        return False
    objects, arrays, commas = outside_strings(data, b"{", b"[", b",")
    if objects > limit:
        raise _too_many("objects", limit)
    if arrays > _LISTS * limit:
        raise _too_many("arrays", _LISTS * limit)
    return objects + arrays + commas >= few


def outside_strings(data: bytes, *marks: bytes) -> list[int]:
    """How often each of `marks` stands in a document outside strings."""
    found = [0] * len(marks)
    rest = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    while rest:
        pieces = rest.split(b'"', _QUOTES)  # not all at once, which could take thirty times the document's size
        rest = pieces.pop() if len(pieces) > _QUOTES else b""
        bare = b"".join(pieces[::2])
        for index, mark in enumerate(marks):
            found[index] += bare.count(mark)
    return found


def _too_many(what: str, limit: int) -> TooManyElementsError:
    return TooManyElementsError(f"there are more than {limit} {what}")
