"""What a client of HTTP/1.1 may ask of a server's connection."""

from collections.abc import Iterable
from dataclasses import dataclass

from towpath._wire.http.fields import Field


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

    def has_room_for(self, target: bytes, fields: Iterable[Field]) -> bool:
        """Whether a head with this target and these fields is no larger than `max_head`. It may have come in one read with a body."""
        return len(target) + sum(len(name) + len(value) + len(": \r\n") for name, value in fields) <= self.max_head
