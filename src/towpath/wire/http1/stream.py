"""What a connection of HTTP/1.1 has around it: one request and its response from above, the transport from below, and the limits."""

from dataclasses import dataclass
from typing import Protocol

from towpath.wire.http.fields import Section


@dataclass(frozen=True, kw_only=True)
class Http1Limits:
    """Sizes are in bytes. `max_head` (16 KiB) bounds the request line and the fields together, `max_fields` (100) their number, and
    `max_unread` (256 KiB) what of a body may have come and not been taken before reading stops."""

    max_head: int = 16 * 1024
    max_fields: int = 100
    max_unread: int = 256 * 1024


class Http1Stream(Protocol):
    """One request, as the layer above hears of it."""

    def head_received(self, head: Section, *, end: bool) -> None:
        """The request's head; with `end` it has no body."""
        ...

    def data_received(self, data: bytes, end: bool) -> None:
        """A piece of the body."""
        ...

    def reset_received(self, reason: str) -> None:
        """The client is gone, or has broken the protocol: nobody waits for the response."""
        ...


class Http1Owner(Protocol):
    """Who runs a connection."""

    def accept(self, head: Section) -> Http1Stream:
        """A new request; its `head_received` is called next."""
        ...

    def pause_reading(self) -> None:
        """More has come than is taken: read nothing until `resume_reading`."""
        ...

    def resume_reading(self) -> None:
        """Go on reading."""
        ...

    def finished(self) -> None:
        """The connection is over in good order: flush what is in `out`, then close."""
        ...

    def failed(self, reason: str) -> None:
        """The connection is over because of a fault: likewise."""
        ...
