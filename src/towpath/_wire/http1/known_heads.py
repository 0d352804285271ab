"""Heads of requests that came before on a connection: what was worked out for one serves the next that equals it, and much of it the next
that differs in its target alone.

A request that comes whole, in one read, is known by its bytes, and llhttp does not see it: its fields are those bytes that llhttp has read
before, and so is its target, or it is of characters that every reader of HTTP takes for a path. What came in another way is known by its
fields, once llhttp has read them.

A connection that is idle keeps them, so they are bounded in bytes: a client chooses how large its heads are.
"""

import re
from collections.abc import Iterable
from typing import Final

from towpath._wire.http.fields import Field, Section
from towpath._wire.http1.head import HeadsAlike

_MOST: Final = 64
"""Heads at most."""

_MOST_BYTES: Final = 16 * 1024
"""Bytes of their targets and fields at most. What is derived from a head is about as large again."""

_PATH: Final = re.compile(rb"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*")
"""A path with its query (RFC 3986, sections 3.3 and 3.4)."""

_VERSION: Final = b" HTTP/1.1"
_LINE_END: Final = b"\r\n"
_HEAD_END: Final = b"\r\n\r\n"


class KnownHeads:
    """The heads of one connection. `max_head` is the size in bytes beyond which no head is served."""

    __slots__ = ("_alike", "_by_bytes", "_count", "_last", "_max_head", "_size")

    _last: HeadsAlike
    """Those to which the last head belongs that llhttp has read."""

    def __init__(self, max_head: int) -> None:
        self._max_head = max_head
        self._alike: dict[tuple[bytes, str, tuple[Field, ...]], HeadsAlike] = {}
        self._by_bytes: dict[bytes, HeadsAlike] = {}
        """By all that stands behind the request line."""
        self._count = self._size = 0

    def recall(self, data: bytes) -> Section | None:
        """The head of the request that `data` is; None if it is not one whole request whose head is known by its bytes."""
        end = data.find(_LINE_END)
        behind = data.find(_HEAD_END, end) + len(_HEAD_END)
        alike = self._by_bytes.get(data[end:behind])
        if alike is None or len(data) - behind != alike.body or data[end - len(_VERSION) : end] != _VERSION:
            return None
        method = alike.method_and_space
        if not data.startswith(method):
            return None
        target = data[len(method) : end - len(_VERSION)]
        section = alike.sections.get(target)
        if section is None and _PATH.fullmatch(target) and behind <= self._max_head:
            section = alike.section(target)
            self._add(alike, target, section, len(target))
        return section

    def remember(self, data: bytes, target: bytes) -> None:
        """`data` is a request that llhttp has read, and its head was the last. Know the next one that is like it by its bytes."""
        alike = self._last
        end = data.find(_LINE_END)
        behind = data.find(_HEAD_END, end) + len(_HEAD_END)
        if data[:end] != alike.method_and_space + target + _VERSION or len(data) - behind != alike.body:
            return
        fields = data[end:behind]
        if fields not in self._by_bytes and alike.size + len(fields) <= _MOST_BYTES:
            alike.raw_fields = fields
            self._by_bytes[fields] = alike
            self._grow(alike, len(fields))

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
                self._last = alike
                return known, alike.has_body
        self._last = alike
        section = alike.section(target)
        size = len(target) + alike.size
        if size <= _MOST_BYTES:
            self._alike[key] = alike
            self._add(alike, target, section, len(target) if alike.sections else size)
        return section, alike.has_body

    def _add(self, alike: HeadsAlike, target: bytes, section: Section, size: int) -> None:
        self._grow(alike, size)
        alike.sections[target] = section

    def _grow(self, alike: HeadsAlike, size: int) -> None:
        """So many bytes more are kept for `alike`. If that is too much, forget all but what these have in common."""
        self._count += 1
        self._size += size
        if self._count > _MOST or self._size > _MOST_BYTES:
            raw = alike.raw_fields
            alike.sections.clear()
            self._alike.clear()
            self._by_bytes.clear()
            self._alike[alike.key] = alike
            if raw:
                self._by_bytes[raw] = alike
            self._count, self._size = 1, alike.size + len(raw)


def size_of(target: bytes, fields: Iterable[Field]) -> int:
    """Bytes of a head with this target and these fields, about."""
    return len(target) + sum(len(name) + len(value) + len(": \r\n") for name, value in fields)
