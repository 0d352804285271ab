"""The dynamic table as a decoder sees it (RFC 7541 2.3.2, 4): entries are found by index only.

Static and dynamic entries live in one list, so that an index of the wire is a position in it and the hottest look-up needs no case
distinction. It costs 500 bytes for each connection. An insertion shifts the dynamic entries by one place; there are at most 128 of them
with the default size of 4096 bytes.
"""

from typing import Final

from towpath._wire.hpack.static_table import FIRST_DYNAMIC_INDEX, STATIC_TABLE
from towpath._wire.http.fields import Field

INITIAL_TABLE_SIZE: Final = 4096
"""The size of both tables, in bytes, until settings and size updates say otherwise (RFC 9113 6.5.2)."""

ENTRY_OVERHEAD: Final = 32
"""The bytes that an entry or field counts beyond its name and value (RFC 7541 4.1)."""


class DecodingTable:
    """Entries by index, of which the oldest make room for new ones. Sizes are in bytes as RFC 7541 4.1 counts them."""

    __slots__ = ("entries", "max_size", "size")

    def __init__(self) -> None:
        self.entries: list[Field] = list(STATIC_TABLE)
        self.size: int = 0
        self.max_size: int = INITIAL_TABLE_SIZE

    def insert(self, field: Field, size: int) -> None:
        """Add `field`, whose `size` the caller has counted already. A field that exceeds the whole table empties it (RFC 7541 4.4)."""
        self._evict(self.max_size - size)
        if size <= self.max_size:
            self.entries.insert(FIRST_DYNAMIC_INDEX, field)
            self.size += size

    def resize(self, max_size: int) -> None:
        """Set the size that the entries may reach, and evict those beyond it (RFC 7541 4.3)."""
        self.max_size = max_size
        self._evict(max_size)

    def _evict(self, room: int) -> None:
        entries = self.entries
        while self.size > room and self.size:
            name, value = entries.pop()
            self.size -= len(name) + len(value) + ENTRY_OVERHEAD
