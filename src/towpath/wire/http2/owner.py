"""Who runs a connection, as the connection sees them: the port between sans-IO HTTP/2 and the transport that drives it."""

from collections.abc import Sequence
from typing import Protocol

from towpath.wire.http.fields import Field, Section
from towpath.wire.http2.stream import Stream


class Owner(Protocol):
    """Is told of what concerns no single stream. Its methods are called from within `receive` and must not raise."""

    def ready(self) -> None:
        """The peer's SETTINGS have arrived: its limits are known, or have changed."""
        ...

    def going_away(self, reason: str) -> None:
        """The peer sent GOAWAY: streams that it will still answer go on, new ones belong on another connection."""
        ...

    def pinged(self, payload: bytes) -> None:
        """The peer acknowledged a PING of ours."""
        ...

    def now(self) -> float:
        """The time in seconds, of a clock that does not jump. Asked when the peer does what it may do only so often."""
        ...

    def failed(self, reason: str) -> None:
        """The connection is over; flush what is in `out`, then close the transport."""
        ...


class ServerOwner(Owner, Protocol):
    """The owner of a server's end, which also decides what becomes of a request."""

    def accept(self, head: Section, extra: Sequence[Field]) -> Stream | bytes:
        """A new stream for a request with this head and the fields that vary; its `head_received` is called next. Or the block of a
        response that consists of its head alone, where there is to be no stream: what still comes of the request is then dropped."""
        ...
