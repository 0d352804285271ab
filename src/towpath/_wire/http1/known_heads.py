"""Heads of requests that came before on a connection: what was worked out for one serves the next that equals it.

A connection that is idle keeps them, so they are bounded in bytes: a client chooses how large its heads are.
"""

from collections.abc import Iterable
from typing import Final

from towpath._wire.http.fields import Field, Section
from towpath._wire.http1.head import plain, request_head

_MOST: Final = 64
"""Heads at most."""

_MOST_BYTES: Final = 16 * 1024
"""Bytes of their targets and fields at most. What is derived from a head is about as large again."""


class KnownHeads:
    """The heads of one connection."""

    __slots__ = ("_sections", "_size")

    def __init__(self) -> None:
        self._sections: dict[tuple[bytes, bytes, str, tuple[Field, ...]], tuple[Section, bool]] = {}
        self._size = 0

    def section(self, method: bytes, target: bytes, version: str, fields: tuple[Field, ...]) -> tuple[Section, bool]:
        """The section that a request line and its fields make, which are as they came, and whether a body follows. Raises Fault as
        `request_head` does."""
        key = (method, target, version, fields)
        known = self._sections.get(key)
        if known is not None:
            return known
        section = request_head(method, target, version, plain(fields))
        made = section, section.content_length > 0 or any(name == b"transfer-encoding" for name, _ in section.fields)
        size = size_of(target, fields)
        if size <= _MOST_BYTES:
            self._size += size
            if len(self._sections) >= _MOST or self._size > _MOST_BYTES:
                self._sections.clear()
                self._size = size
            self._sections[key] = made
        return made


def size_of(target: bytes, fields: Iterable[Field]) -> int:
    """Bytes of a head with this target and these fields, about."""
    return len(target) + sum(len(name) + len(value) + len(": \r\n") for name, value in fields)
