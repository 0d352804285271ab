"""The two ways in which a header block can be refused: it is malformed, or it is well formed and too large.

They are kept apart because their reach differs. A malformed block leaves both sides with different dynamic tables, so the whole connection
has to end. A block that is too large was decoded to its end, so only its stream is refused.
"""

from collections.abc import Sequence

from towpath._wire.http.fields import Field


class HpackError(Exception):
    """A malformed header block: the connection must end with COMPRESSION_ERROR (RFC 9113 4.3).

    The text says what was wrong and names the section of RFC 7541. The decoder that raised it must not be used again.
    """


class HeaderListTooLarge(Exception):
    """A well-formed block whose fields exceed the limit on header list size (RFC 9113 10.5.1).

    The block was decoded to its end and the dynamic table is in step with the peer's: the connection can go on and only the stream that
    carried the block needs an answer. `size` and `limit` are in bytes, counted as names + values + 32 for each field. `fields` are the
    first fields of the block.
    """

    def __init__(self, size: int, limit: int, fields: Sequence[Field] = ()) -> None:
        super().__init__(f"header list of {size} bytes exceeds the limit of {limit} bytes (RFC 9113 10.5.1)")
        self.size = size
        self.limit = limit
        self.fields = fields
