"""What a connection reports to and asks: the port between sans-IO HTTP/2 and the transport that drives it."""

from collections.abc import Sequence
from typing import Final, Protocol

from towpath._wire.http.fields import REQUEST, Field, Section
from towpath._wire.http2.stream import Stream


class ConnectionDelegate(Protocol):
    """Hears of events that concern no single stream. A connection calls its methods from within `receive`, and they must not raise."""

    def ready(self) -> None:
        """The peer's SETTINGS have arrived: its limits are known, or have changed."""
        ...

    def going_away(self, reason: str) -> None:
        """The peer sent GOAWAY: it will still answer some streams, and new ones belong on another connection."""
        ...

    def pinged(self, payload: bytes) -> None:
        """The peer acknowledged a PING of ours."""
        ...

    def now(self) -> float:
        """The time in seconds, of a clock that does not jump. A connection asks for it when the peer does something whose rate is
        limited."""
        ...

    def failed(self, reason: str) -> None:
        """The connection is over; flush what is in `out`, then close the transport."""
        ...


class ServerConnectionDelegate(ConnectionDelegate, Protocol):
    """The delegate of a server's end, which also decides how a request is served."""

    def accept(self, head: Section, extra: Sequence[Field]) -> Stream | bytes:
        """A request came with this head and the fields that vary. Returns its stream, whose `head_received` is called next. Or returns the
        block of a response that is its head alone; then there is no stream, and the rest of the request is dropped."""
        ...

    def oversized(self, fields: Sequence[Field], reason: str) -> Section:
        """A request came whose fields exceed the limit on their size; `fields` are the first of them. Returns the head that is accepted in
        its place, of which no call may come."""
        ...


class _Nobody(ServerConnectionDelegate):
    """The delegate of a connection that has ended."""

    def ready(self) -> None: ...

    def going_away(self, reason: str) -> None: ...

    def pinged(self, payload: bytes) -> None: ...

    def now(self) -> float:
        return 0.0

    def failed(self, reason: str) -> None: ...

    def accept(self, head: Section, extra: Sequence[Field]) -> Stream | bytes:
        return b""

    def oversized(self, fields: Sequence[Field], reason: str) -> Section:
        return Section(REQUEST, {}, (), -1)


NOBODY: Final[ServerConnectionDelegate] = _Nobody()
"""The delegate of a connection that has ended, which hears of nothing more."""
