"""The dynamic table as an encoder sees it (RFC 7541 2.3.2, 4): indexes are found by field or by name.

Entries are numbered in the order of their insertion and never renumbered; an index is how far an entry is behind the newest one. So
inserting and evicting touch one entry each, whatever the size of the table.
"""

from collections import deque

from towpath._wire.hpack.decoding_table import ENTRY_OVERHEAD, INITIAL_TABLE_SIZE
from towpath._wire.hpack.static_table import FIRST_DYNAMIC_INDEX
from towpath._wire.http.fields import Field


class EncodingTable:
    """Indexes by field and by name. No field is in it twice, since the encoder inserts only what it did not find."""

    __slots__ = ("_inserted", "_names", "_numbers", "entries", "max_size", "size")

    def __init__(self) -> None:
        self.entries: deque[Field] = deque()
        """The fields in the order of their insertion, the oldest first."""
        self._numbers: dict[Field, int] = {}
        self._names: dict[bytes, int] = {}  # the newest entry with the name
        self._inserted: int = 0
        self.size: int = 0
        self.max_size: int = INITIAL_TABLE_SIZE

    def index(self, field: Field) -> int:
        """Index of `field`, or 0."""
        number = self._numbers.get(field)
        return 0 if number is None else FIRST_DYNAMIC_INDEX + self._inserted - number

    def name_index(self, name: bytes) -> int:
        """Index of an entry named `name`, or 0."""
        number = self._names.get(name)
        return 0 if number is None else FIRST_DYNAMIC_INDEX + self._inserted - number

    def insert(self, field: Field) -> None:
        """Add `field`, which has to fit (`fits`), evicting the oldest entries as needed."""
        size = len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
        self._evict(self.max_size - size)
        self._inserted += 1
        self.entries.append(field)
        self._numbers[field] = self._inserted
        self._names[field[0]] = self._inserted
        self.size += size

    def fits(self, field: Field) -> bool:
        """Whether `field` fits into the table, be it after evicting everything else."""
        return len(field[0]) + len(field[1]) + ENTRY_OVERHEAD <= self.max_size

    def resize(self, max_size: int) -> None:
        """Set the size in bytes that the entries may reach, evicting those beyond it."""
        self.max_size = max_size
        self._evict(max_size)

    def _evict(self, room: int) -> None:
        while self.size > room:
            field = self.entries.popleft()
            number = self._numbers.pop(field)
            name = field[0]
            if self._names[name] == number:
                del self._names[name]
            self.size -= len(name) + len(field[1]) + ENTRY_OVERHEAD
