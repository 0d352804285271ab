"""What a client of HTTP/1.1 may ask of a server's connection."""

from dataclasses import dataclass


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
