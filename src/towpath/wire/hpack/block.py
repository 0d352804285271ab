"""What decoding a header block yields: the fields that were pure references to a table, and the rest.

The two are kept apart because of how RPC uses HPACK. The fields that describe a method (`:path`, `te`, `content-type`) recur call after
call as the same few index bytes, and the few that differ (timeout, trace) follow as literals. A layer that derives something from the
recurring part, such as the method called, does it once and leaves it in `KnownFields.memo`.
"""

Field = tuple[bytes, bytes]
"""Name and value."""


class KnownFields:
    """The fields named by one run of index bytes at the start of a block.

    As long as the dynamic table does not change, a decoder returns the same object for the same index bytes, so what is left in `memo` is
    found again on the next call. `size` is what the fields count towards the header list size, in bytes. `memo` belongs to whoever reads
    the blocks; it starts as None, this package never looks at it, and it is dropped together with the object once the table changes.
    """

    __slots__ = ("fields", "memo", "size")

    def __init__(self, fields: tuple[Field, ...], size: int) -> None:
        self.fields: tuple[Field, ...] = fields
        self.size: int = size
        self.memo: object | None = None


class HeaderBlock:
    """A decoded block: `known` holds its leading fields, `extra` those after them, both in the order in which they were sent.

    Made by a decoder only, which sets the attributes itself: calling an `__init__` would be a quarter of the time of a block of indexes.
    """

    __slots__ = ("extra", "known")

    known: KnownFields
    extra: list[Field]
