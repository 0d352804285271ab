"""Decoding header blocks (RFC 7541 3, 6), fastest for the blocks that RPC peers send over and over.

Such a block is a run of index bytes that recurs exactly, followed by a few short literals that are not indexed. The run is looked up whole.
A loop cuts out the literals; it knows the one representation that towpath itself sends. At the first surprise the general path decodes the
block again from its start; nothing was changed until then. That path knows every representation and every error.

This is not an intermediary's decoder: it does not report that a literal was marked "never indexed".
"""

from typing import Any, Final

from towpath._wire.hpack.block import HeaderBlock, KnownFields
from towpath._wire.hpack.decoding_table import ENTRY_OVERHEAD, DecodingTable
from towpath._wire.hpack.errors import HeaderListTooLarge, HpackError
from towpath._wire.hpack.integers import decode_integer
from towpath._wire.hpack.static_table import FIRST_DYNAMIC_INDEX, STATIC_NAMES
from towpath._wire.hpack.strings import decode_string
from towpath._wire.http.fields import Field

_INDEX_BYTES: Final = bytes(range(0x81, 0xFF))  # an indexed field in one byte; 0x80 is an error, and after 0xff the index goes on
_MAX_RUNS: Final = 64  # runs remembered for a connection, about one for each method called over it ...
_MAX_RUN_LENGTH: Final = 64  # ... and the longest of them in bytes
_MAX_RUNS_SIZE: Final = 64 * 1024  # the sizes of their lists together: what a peer can make us keep, also by a few long entries, is bounded
_MOST_RESIZED: Final = 16  # size updates in one block; an encoder has reason to send two (RFC 7541 4.2)
_FAR_TOO_LARGE: Final = 16
"""How many times as large as its limit a header list may be and still be read to its end. The smallest field has one byte in the block and
counts for 32: a block of 64 KiB could take 60 ms, and its list would be of 2 MiB."""
_RAW_LITERAL_SURPLUS: Final = ENTRY_OVERHEAD - 3  # a raw literal has 3 bytes besides name and value, and counts for 32


class Decoder:
    """The decoding side of one connection. It takes blocks whole, each once, in the order in which they arrived.

    `max_table_size` is the SETTINGS_HEADER_TABLE_SIZE that this side announces, in bytes: size updates above it are errors. The table
    itself starts at the protocol's 4096 bytes, since the peer may send blocks before it has seen the settings. `max_list_size` bounds the
    fields of one block, counted as names + values + 32 for each. The caller limits how long a block may be.
    """

    __slots__ = (
        "_max_list_size",
        "_max_table_size",
        "_nothing",
        "_run_length",
        "_runs",
        "_runs_size",
        "blocks",
        "generation",
        "stems",
        "table",
        "tail",
    )

    def __init__(self, *, max_table_size: int = 4096, max_list_size: int = 16384) -> None:
        self.table: DecodingTable = DecodingTable()
        """The dynamic table, which has to hold what the table of the peer's encoder holds."""
        self._max_table_size: int = max_table_size
        self._max_list_size: int = max_list_size
        self._nothing: KnownFields = KnownFields((), 0)
        self._runs: dict[bytes, KnownFields] = {b"": self._nothing}
        self._runs_size: int = 0
        # Where the caller remembers blocks, and the beginnings of blocks; emptied whenever `generation` grows.
        self.blocks: dict[bytes, Any] = {}
        self.stems: dict[bytes, Any] = {}
        self.tail: int = 0  # how many bytes at the end of the latest block are a value as it stands; 0 if it ends in anything else
        self.generation: int = 0  # grows whenever the meaning of a block may have changed; what was derived from one is void then
        self._run_length: int = 0  # of the latest block: the first guess for the next one

    @property
    def recurring(self) -> dict[bytes, KnownFields]:
        """The remembered runs by their bytes, for looking only. A block that is one of these runs needs no call to be decoded."""
        return self._runs

    def decode(self, block: bytes) -> HeaderBlock:
        """Decode one whole block.

        Raises HpackError if it is malformed, or its fields are of more than 16 times the limit (the decoder is then of no further use), and
        HeaderListTooLarge if they exceed the limit by less (it can go on).
        """
        # Measured with seven indexes and two literals. The end of the run: guessing its length takes half the time of stripping the index
        # bytes, and a quarter of that of a loop over them or a regular expression. The literals: splitting at the zero bytes and
        # interning the names are each a fifth slower than this loop; a struct kept for the layout gains only where the number of
        # literals is fixed as well.
        known = self._runs.get(block[: self._run_length])
        if known is None:
            self._run_length = len(block) - len(block.lstrip(_INDEX_BYTES))
            known = self._runs.get(block[: self._run_length])
            if known is None:
                return self._decode_general(block)
        extra: list[Field] = []
        start = at = self._run_length
        end = len(block)
        value_length = 0
        if at < end:
            try:
                while at < end:
                    # 0, length of the name, name, length of the value, value. Lengths below 127 are raw strings with the length in one
                    # byte; that the test also refuses some pairs of smaller lengths is as right, only slower.
                    name_length = block[at + 1]
                    name_end = at + 2 + name_length
                    value_length = block[name_end]
                    if block[at] or name_length | value_length > 126:
                        return self._decode_general(block)
                    name = block[at + 2 : name_end]
                    at = name_end + 1 + value_length
                    extra.append((name, block[name_end + 1 : at]))
            except IndexError:
                return self._decode_general(block)  # the block is cut short: the general path finds where
            if at != end:
                return self._decode_general(block)  # the block is cut short here too
            size = known.size + end - start + _RAW_LITERAL_SURPLUS * len(extra)
            if size > self._max_list_size:
                raise HeaderListTooLarge(size, self._max_list_size, (*known.fields, *extra))
        self.tail = value_length
        result = HeaderBlock()
        result.known = known
        result.extra = extra
        return result

    def _decode_general(self, block: bytes) -> HeaderBlock:
        """Decode any block from its start.

        Past the limit on the list size, fields are counted but not kept; the block is read to its end all the same, so that the table
        stays in step with the peer's.
        """
        self.tail = 0
        known, at = self._decode_run(block)
        size = known.size
        limit = self._max_list_size
        extra: list[Field] = []
        end = len(block)
        resized = 0
        while at < end:
            first = block[at]
            if first >= 0x80:
                index, at = decode_integer(block, at, 0x7F)
                field = self._entry(index)
                field_size = len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
            elif first >= 0x40:
                field, at = self._decode_literal(block, at, 0x3F)
                field_size = len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
                self._forget_runs()
                self.table.insert(field, field_size)
            elif first >= 0x20:
                if size:  # every field before this one counted
                    raise HpackError("dynamic table size update after the first field of a header block (RFC 7541 4.2)")
                at = self._decode_size_update(block, at)
                resized += 1
                if resized > _MOST_RESIZED:
                    raise HpackError(f"over {_MOST_RESIZED} dynamic table size updates in one header block (RFC 7541 4.2)")
                continue
            else:
                field, at = self._decode_literal(block, at, 0x0F)
                field_size = len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
            size += field_size
            if size <= limit:
                extra.append(field)
            elif size > _FAR_TOO_LARGE * limit:
                raise self._far_too_large()
        if size > limit:
            raise HeaderListTooLarge(size, limit, (*known.fields, *extra))
        result = HeaderBlock()
        result.known = known
        result.extra = extra
        return result

    def _decode_run(self, block: bytes) -> tuple[KnownFields, int]:
        """Decode the run of indexes that the block starts with, and remember it; returns it and the position after it."""
        at = len(block) - len(block.lstrip(_INDEX_BYTES))
        indexes = [byte & 0x7F for byte in block[:at]]
        while at < len(block) and block[at] >= 0x80:
            index, at = decode_integer(block, at, 0x7F)
            indexes.append(index)
        run = block[:at]
        known = self._runs.get(run)
        if known is None:
            if len(indexes) * ENTRY_OVERHEAD > _FAR_TOO_LARGE * self._max_list_size:
                raise self._far_too_large()
            fields = tuple([self._entry(index) for index in indexes])
            size = sum([len(name) + len(value) + ENTRY_OVERHEAD for name, value in fields])
            known = KnownFields(fields, size)
            if at <= _MAX_RUN_LENGTH and size <= self._max_list_size:
                if len(self._runs) > _MAX_RUNS or self._runs_size + size > _MAX_RUNS_SIZE:
                    self._forget_runs()
                self._runs_size += size
                self._runs[run] = known
        self._run_length = at
        return known, at

    def _far_too_large(self) -> HpackError:
        limit = self._max_list_size
        return HpackError(f"a header list of more than {_FAR_TOO_LARGE} times the limit of {limit} bytes (RFC 9113 10.5.1)")

    def _decode_literal(self, block: bytes, at: int, mask: int) -> tuple[Field, int]:
        index, at = decode_integer(block, at, mask)
        if index:
            name = self._entry(index)[0]
        else:
            name, at = decode_string(block, at)
            name = STATIC_NAMES.get(name, name)
        value, at = decode_string(block, at)
        return (name, value), at

    def _decode_size_update(self, block: bytes, at: int) -> int:
        size, at = decode_integer(block, at, 0x1F)
        if size > self._max_table_size:
            raise HpackError(f"dynamic table size update to {size} bytes exceeds the limit of {self._max_table_size} (RFC 7541 6.3)")
        self._forget_runs()
        self.table.resize(size)
        return at

    def _entry(self, index: int) -> Field:
        entries = self.table.entries
        if not 0 < index < len(entries):
            held = len(entries) - FIRST_DYNAMIC_INDEX
            raise HpackError(f"index {index} is in neither table; the dynamic one holds {held} entries (RFC 7541 2.3.3)")
        return entries[index]

    def _forget_runs(self) -> None:
        """Drop the remembered runs: once the table has changed, their bytes may mean other fields."""
        self.generation += 1
        self.blocks.clear()
        self.stems.clear()
        if len(self._runs) > 1:
            self._runs.clear()  # the same dict, since `recurring` hands it out
            self._runs[b""] = self._nothing
            self._runs_size = 0
