"""The neighbours of an HTTP/1.1 connection: one request and its response above, the transport below."""

from typing import Final, Protocol

from towpath._wire.http.fields import Section


class Http1Stream(Protocol):
    """One request, as the layer above sees it."""

    def head_received(self, head: Section, *, end: bool) -> None:
        """The request's head; with `end` it has no body."""
        ...

    def data_received(self, data: bytes, end: bool) -> None:
        """A piece of the body."""
        ...

    def reset_received(self, reason: str) -> None:
        """The client is gone, or has broken the protocol: nobody waits for the response."""
        ...


class Http1ConnectionDelegate(Protocol):
    """What a connection reports to and asks: the transport that drives it."""

    def accept(self, head: Section) -> Http1Stream:
        """A new request; the connection calls its `head_received` next."""
        ...

    def now(self) -> float:
        """The time in seconds, of a clock that does not jump."""
        ...

    def flooded(self) -> None:
        """The client has done more than it may of what costs a server and asks for nothing. The connection ends soon."""
        ...

    def pause_reading(self) -> None:
        """Read nothing until `resume_reading`, since more has come than is taken."""
        ...

    def resume_reading(self) -> None:
        """Read from the socket again."""
        ...

    def linger(self) -> None:
        """The response has ended, and nothing is sent after it: flush what is in `out`. The client still sends, and what it sends is read
        and dropped. Close after some time all the same."""
        ...

    def finished(self) -> None:
        """The connection is over in good order: flush what is in `out`, then close."""
        ...

    def failed(self, reason: str) -> None:
        """The connection is over because of a fault: flush what is in `out`, then close. The client may still be sending, so give it time
        to read."""
        ...

    def reset(self, reason: str) -> None:
        """The connection is over within a response whose end would be that of the connection: reset it, so that its client does not take
        what it has for the whole."""
        ...


class _Nobody(Http1ConnectionDelegate):
    """The delegate of a connection that has ended."""

    def accept(self, head: Section) -> Http1Stream:
        raise AssertionError("a connection that has ended accepts nothing")

    def now(self) -> float:
        raise AssertionError("a connection that has ended counts nothing")

    def flooded(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def linger(self) -> None: ...

    def finished(self) -> None: ...

    def failed(self, reason: str) -> None: ...

    def reset(self, reason: str) -> None: ...


NOBODY: Final[Http1ConnectionDelegate] = _Nobody()
"""The delegate of a connection that has ended, which hears of nothing more."""
