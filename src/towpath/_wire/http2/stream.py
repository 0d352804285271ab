"""One stream, seen from above: an application protocol subclasses it to receive and calls it to send.

As with asyncio's protocols, the layer above derives from `Stream` and overrides the methods it needs; the connection calls them. A subclass
must not raise from these methods. Their arguments have been checked, and the layer above has to handle its own faults.
"""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from towpath._wire.http.fields import Field, Section
from towpath._wire.http2.errors import ErrorCode
from towpath._wire.http2.states import CLOSED, HALF_CLOSED_LOCAL, IDLE, OPEN

QueuedFrame = tuple[memoryview, bool, bytes | None]
"""Body, whether it ends the stream, and a trailer block that follows it and ends the stream instead."""


class StreamConnection(Protocol):
    """The part of its connection that a stream uses."""

    initial_window: int
    peer_initial_window: int

    def grant(self, stream_id: int, size: int) -> None:
        """Give the peer room for `size` bytes more."""
        ...

    def reset(self, stream: "Stream", code: ErrorCode) -> None:
        """End the stream at once."""
        ...


class Stream:
    """State, windows and unsent data of one stream. `id` is 0 until a client's stream is opened."""

    __slots__ = ("connection", "content_left", "head_seen", "id", "own_window", "queue", "queued", "recv_window", "state", "unconsumed")

    def __init__(self, connection: StreamConnection) -> None:
        self.connection = connection
        """The connection that carries it."""
        self.id = 0
        """The stream's number; 0 until a client's stream is opened."""
        self.state = IDLE
        """The state of RFC 9113, section 5.1."""
        self.own_window = 0
        """The difference between this stream's window and the one that the peer gives every stream: a change of the latter touches no
        stream."""
        self.recv_window = connection.initial_window
        """Bytes that the peer may still send."""
        self.unconsumed = 0
        """Bytes that were consumed and not given back to the peer's window yet."""
        self.content_left = -1
        """Bytes of the body that are still to come; -1 if the head does not say."""
        self.head_seen = False
        """Whether the head has come."""
        self.queue: deque[QueuedFrame] | None = None
        """Data that waits for the peer's window, then perhaps the trailers; None while nothing waits, as in most calls."""
        self.queued = 0
        """Bytes in `queue`."""

    @property
    def send_window(self) -> int:
        """Bytes that the peer still takes on this stream. Negative once the peer has made all windows smaller (RFC 9113, section 6.9.2)."""
        return self.connection.peer_initial_window + self.own_window

    @property
    def retained(self) -> int:
        """Bytes that are kept for data that waits. Data is kept whole, however little of it is left to send."""
        queue = self.queue
        return sum(memoryview(body.obj).nbytes for body, _, _ in queue) if queue else 0

    # Called by the connection, and overridden by a subclass.

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """A response's head (client only; a server's stream is made from its head). `extra` are the fields that vary from call to call."""

    def data_received(self, data: bytes, end_stream: bool) -> None:
        """A piece of the body. Call `consumed` once its room is free again, or the peer stops after a window's worth."""

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """The trailer section, which always ends the peer's side."""

    def reset_received(self, code: int, reason: str) -> None:
        """The stream is over before its end: the peer reset it, or broke it, or the connection ended. Nothing follows."""

    def arrived(self) -> float | None:
        """When its head was read, in seconds of the delegate's clock; None if nothing knows."""
        return None

    def drained(self) -> None:
        """All data that waited for the peer's window has gone."""

    # Called by a subclass.

    def consumed(self, size: int) -> None:
        """Give `size` bytes of the receive window back to the peer; window updates are sent once half a window has gathered."""
        self.unconsumed += size
        connection = self.connection
        if self.unconsumed >= connection.initial_window >> 1 and self.state in (OPEN, HALF_CLOSED_LOCAL):
            self.recv_window += self.unconsumed
            connection.grant(self.id, self.unconsumed)
            self.unconsumed = 0

    def reset(self, code: ErrorCode) -> None:
        """End the stream at once, with RST_STREAM if the peer knows it; unsent data is dropped. Does nothing on a closed stream."""
        if self.state != CLOSED:
            self.connection.reset(self, code)
