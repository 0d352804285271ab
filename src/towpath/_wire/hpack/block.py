"""The result of decoding a header block: the fields that were pure references to a table, and the rest.

The two are kept apart because of how RPC uses HPACK. The fields that describe a method (`:path`, `te`, `content-type`) recur call after
call as the same few index bytes, and the few that differ (timeout, trace) follow as literals. HTTP/2 checks the recurring part once and
leaves the section that it is in `KnownFields.section`.
"""

from towpath._wire.http.fields import Field, Section


class KnownFields:
    """The fields named by one run of index bytes at the start of a block. `size` is their share of the header list size, in bytes.

    As long as the dynamic table does not change, a decoder returns the same object for the same index bytes. Once the table changes the
    object is dropped, with the section that was left on it.
    """

    __slots__ = ("fields", "section", "size")

    def __init__(self, fields: tuple[Field, ...], size: int) -> None:
        self.fields: tuple[Field, ...] = fields
        self.size: int = size
        """What the fields count towards the header list size, in bytes."""
        self.section: Section | None = None
        """What HTTP/2 has made of the fields. HPACK never looks at it."""


class HeaderBlock:
    """A decoded block: `known` holds its leading fields, `extra` those after them, both in the order of the wire.

    Only a decoder makes one, and sets the attributes itself: calling an `__init__` would take a quarter of the time of a block of indexes.
    """

    __slots__ = ("extra", "known")

    known: KnownFields
    extra: list[Field]
