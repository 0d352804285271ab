"""Heads of requests that came before on a connection: what was worked out for one serves the next that equals it, and much of it the next
that differs in its target alone.

A connection that is idle keeps them, so they are bounded in bytes: a client chooses how large its heads are.
"""

from collections.abc import Iterable
from typing import Final

from towpath._wire.http.fields import Field, Section
from towpath._wire.http1.head import HeadsAlike

_MOST: Final = 64
"""Heads at most."""

_MOST_BYTES: Final = 16 * 1024
"""Bytes of their targets and fields at most. What is derived from a head is about as large again."""


class KnownHeads:
    """The heads of one connection."""

    __slots__ = ("_alike", "_count", "_size")

    def __init__(self) -> None:
        self._alike: dict[tuple[bytes, str, tuple[Field, ...]], HeadsAlike] = {}
        self._count = self._size = 0

    def section(self, method: bytes, target: bytes, version: str, fields: tuple[Field, ...]) -> tuple[Section, bool]:
        """The section that a request line and its fields make, which are as they came, and whether a body follows. Raises Fault for those
        that are no request that is served here."""
        key = (method, version, fields)
        alike = self._alike.get(key)
        if alike is None:
            alike = HeadsAlike(method, version, fields, size_of(b"", fields))
        else:
            known = alike.sections.get(target)
            if known is not None:
                return known, alike.has_body
        section = alike.section(target)
        size = len(target) + alike.size
        if size <= _MOST_BYTES:
            self._count += 1
            self._size += len(target) if alike.sections else size
            if self._count > _MOST or self._size > _MOST_BYTES:
                self._alike.clear()
                alike.sections.clear()
                self._count, self._size = 1, size
            self._alike[key] = alike
            alike.sections[target] = section
        return section, alike.has_body


def size_of(target: bytes, fields: Iterable[Field]) -> int:
    """Bytes of a head with this target and these fields, about."""
    return len(target) + sum(len(name) + len(value) + len(": \r\n") for name, value in fields)
