"""Encoding header blocks (RFC 7541 6) so that the next block can be sent from memory.

The caller says which fields are worth the dynamic table, because it knows which recur. An encoder that guesses fills the table with
timeouts and trace ids, and evicts fields that would have been sent as one byte. After a first block, `encode_indexed` gives the bytes that
stand for the same fields, and they stay good until `generation` changes.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from towpath._wire.hpack.encoding_table import EncodingTable
from towpath._wire.hpack.integers import encode_integer
from towpath._wire.hpack.static_table import STATIC_INDEX, STATIC_NAME_INDEX
from towpath._wire.hpack.strings import encode_raw, encode_shortest
from towpath._wire.http.fields import Field


class Encoder:
    """The encoding side of one connection. Blocks have to be sent in the order in which they were encoded, none left out.

    `max_table_size` is our own cap in bytes; the table is as large as it and the peer allow, and starts at the protocol's 4096.
    `generation` (read only) grows whenever the table changes, by insertion, eviction or resizing. Index bytes from before must then not be
    sent again. `recurring` is a place for the caller to keep such bytes and things derived from them, under keys of its own. It is emptied
    when `generation` grows.
    """

    __slots__ = ("_least_size", "_max_table_size", "_resized", "generation", "recurring", "table")

    def __init__(self, *, max_table_size: int = 4096) -> None:
        self.table: EncodingTable = EncodingTable()
        """The dynamic table, which the peer's decoder has to keep in step with."""
        self._max_table_size: int = max_table_size
        self._resized: bool = False
        self._least_size: int = 0
        self.generation: int = 0
        self.recurring: dict[object, Any] = {}
        self.set_peer_max_table_size(self.table.max_size)

    def set_peer_max_table_size(self, size: int) -> None:
        """Obey the peer's SETTINGS_HEADER_TABLE_SIZE, in bytes.

        The next block starts by announcing what changes: the smallest size in between, then the final one (RFC 7541 4.2).
        """
        size = min(size, self._max_table_size)
        if size == self.table.max_size:
            return
        self._least_size = min(size, self._least_size) if self._resized else size
        self._resized = True
        self.table.resize(size)
        self._table_changed()

    def encode(self, indexed: Sequence[Field], literals: Iterable[Field] = (), never: Iterable[Field] = ()) -> bytes:
        """Encode one block: first `indexed`, then `literals`, then `never`. Names have to be in lower case (RFC 9113 8.2).

        `indexed` are fields that will recur: they are sent as an index if a table has them, and entered into the dynamic one if they fit.
        `literals` vary from call to call and stay out of the table. `never` are short or guessable secrets: they stay out of it too, and
        intermediaries are told to keep them out of theirs (RFC 7541 7.1.3).
        """
        parts: list[bytes] = []
        if self._resized:
            self._resized = False
            if self._least_size < self.table.max_size:
                parts.append(encode_integer(self._least_size, 0x1F, 0x20))
            parts.append(encode_integer(self.table.max_size, 0x1F, 0x20))
        for field in indexed:
            index = STATIC_INDEX.get(field, 0) or self.table.index(field)
            if index:
                parts.append(encode_integer(index, 0x7F, 0x80))
                continue
            name_index = STATIC_NAME_INDEX.get(field[0], 0) or self.table.name_index(field[0])
            if self.table.fits(field):
                _add_literal(parts, field, name_index, 0x3F, 0x40, encode_shortest)
                self.table.insert(field)
                self._table_changed()
            else:
                _add_literal(parts, field, name_index, 0x0F, 0x00, encode_shortest)
        for field in literals:
            _add_literal(parts, field, STATIC_NAME_INDEX.get(field[0], 0), 0x0F, 0x00, encode_raw)
        for field in never:
            _add_literal(parts, field, STATIC_NAME_INDEX.get(field[0], 0), 0x0F, 0x10, encode_raw)
        return b"".join(parts)

    def _table_changed(self) -> None:
        self.generation += 1
        self.recurring.clear()

    def encode_indexed(self, fields: Sequence[Field]) -> bytes | None:
        """The bytes for a block, or its start, that names `fields` by index; None if one is in no table or a size update is due.

        They may be sent again and again, with literals appended, for as long as `generation` stays what it is now.
        """
        if self._resized:
            return None
        parts: list[bytes] = []
        for field in fields:
            index = STATIC_INDEX.get(field, 0) or self.table.index(field)
            if not index:
                return None
            parts.append(encode_integer(index, 0x7F, 0x80))
        return b"".join(parts)


def _add_literal(parts: list[bytes], field: Field, name_index: int, mask: int, flags: int, encode_string: Callable[[bytes], bytes]) -> None:
    """Append a literal, whose kind is told by `flags` in front of the prefix of `mask` (RFC 7541 6.2)."""
    parts.append(encode_integer(name_index, mask, flags))
    if not name_index:
        parts.append(encode_string(field[0]))
    parts.append(encode_string(field[1]))
