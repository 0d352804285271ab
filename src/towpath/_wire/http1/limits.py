"""What a client of HTTP/1.1 may ask of a server's connection."""

from collections.abc import Iterable
from dataclasses import dataclass

from towpath._wire.http.fields import Field
from towpath._wire.http1.known_heads import size_of


@dataclass(frozen=True, kw_only=True)
class Http1Limits:
    """What a connection allows its client. Sizes are in bytes."""

    max_head: int = 16 * 1024
    """The request line and the fields together."""
    max_fields: int = 100
    """The number of fields."""
    max_unread: int = 256 * 1024
    """Body bytes that may have come and not been taken before reading stops."""
    max_discarded: int = 256 * 1024 * 1024
    """Bytes that are read and dropped after a response that ends the connection, so that its client, which still sends, gets to read it."""
    overhead_burst: int = 10_000
    """Requests for which there is nothing here, and pieces of bodies with less than 5 bytes in a row, that a client may send at once."""
    overhead_per_second: float = 1000.0
    """The same per second, on average."""

    def __post_init__(self) -> None:
        """Raises ValueError for rates that cannot be counted."""
        if self.overhead_burst < 1 or not self.overhead_per_second >= 0:
            raise ValueError(
                f"overhead_burst is {self.overhead_burst} and overhead_per_second {self.overhead_per_second}; give 1 and 0 or more"
            )

    def has_room_for(self, target: bytes, fields: Iterable[Field]) -> bool:
        """Whether a head with this target and these fields is no larger than `max_head`. It may have come in one read with a body."""
        return size_of(target, fields) <= self.max_head
