"""The seam between a socket and a sans-IO connection: bytes one way, bytes the other, few writes per turn of the loop.

Writes gather while the loop runs what is ready, so that several answers leave in one system call; but not all of them, or the two ends
would work in turns: the client waiting while the server answers everything that it sent, then the server while the client reads it all.
A transport that cannot keep up is left to drain: the server's side then stops reading too, so a peer that does not read its answers
cannot make us hold more than those to what it has already sent.

Reading stops for one of three reasons, and goes on once none of them holds: the peer does not read, the connection has enough to do, or
the peer had its turn. A loop may hand over much of one socket before it looks at the next: uvloop reads one up to 32 times. So whoever
sent as much as one read takes is read again only after everybody else had a turn.
"""

import asyncio
from typing import Any, Final, Generic, Protocol, TypeVar, cast

_HIGH_WATER: Final = 256 * 1024
_BATCH: Final = 12
"""Pieces of frames that leave together, four to a request and three to an answer."""

_STREAM_BATCH: Final = 96
"""Likewise for streams; a message is two pieces."""

_LAST_WORDS: Final = 1.0
"""Seconds that a peer which broke the protocol is given to read why."""


_FULL_READ: Final = 250_000
"""Bytes in one read after which more may wait: the buffer of uvloop holds 256,000, that of asyncio 262,144."""

_FULL_READ_SECURED: Final = 8 * 1024
"""What may be left of such a read behind TLS: its smallest records are 23 bytes for one byte of content."""

UNREAD: Final = 1
"""Why nothing is read: the peer does not read what it is sent."""

BUSY: Final = 2
"""The connection has not taken yet what has come."""

_TURN: Final = 4
"""It is the turn of everybody else."""


class SansIO(Protocol):
    """A connection without IO, of any protocol."""

    @property
    def out(self) -> list[Any]:
        """Bytes that wait to be written."""
        ...

    def begin(self) -> None:
        """The transport is connected."""
        ...

    def receive(self, data: bytes) -> None:
        """Bytes have come."""
        ...

    def lost(self, reason: str) -> None:
        """The transport is gone."""
        ...

    def writing_paused(self) -> None:
        """The peer does not read what it is sent."""
        ...

    def writing_resumed(self) -> None:
        """It reads again."""
        ...


End = TypeVar("End", bound=SansIO)


class Link(asyncio.Protocol, Generic[End]):
    """What both ends share. `connection` is set by the subclass before the transport is connected."""

    connection: End

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.closed: asyncio.Future[None] = loop.create_future()
        self.peer = ""
        self._transport: asyncio.Transport | None = None
        self._flush_scheduled = False
        self.unhurried: int = 0
        """How many of the pieces that wait may do so for some milliseconds."""
        self._cut: asyncio.TimerHandle | None = None
        self.paused = False
        """Whether the peer does not read what it is sent."""
        self._writers: list[asyncio.Future[None]] = []
        self.holds = 0
        """The reasons for which nothing is read now, one bit each; 0 while the peer is read."""
        self._full_read = _FULL_READ

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        transport = cast("asyncio.Transport", transport)  # uvloop's is one in shape only
        self._transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        address = transport.get_extra_info("peername")
        if transport.get_extra_info("ssl_object") is not None:
            self._full_read = _FULL_READ_SECURED
        self.peer = f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address or "")
        self.connection.begin()
        self.schedule_flush()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        connection = self.connection
        connection.receive(data)
        if connection.out and not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self.flush)
        if len(data) >= self._full_read:
            self.give_way()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, by whose doing ever."""
        self._transport = None
        if self._cut is not None:
            self._cut.cancel()
        self._let_write()
        self.connection.lost(f"the connection to {self.peer} was lost" + (f": {exc}" if exc else ""))
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """The peer does not read what it is sent."""
        self.paused = True
        self.connection.writing_paused()

    def resume_writing(self) -> None:
        """It reads again."""
        self.connection.writing_resumed()
        self._let_write()

    def _let_write(self) -> None:
        self.paused = False
        writers, self._writers = self._writers, []
        for writer in writers:
            if not writer.done():
                writer.set_result(None)

    async def writable(self) -> None:
        """Until the peer reads what it is sent, or the connection is lost."""
        while self.paused:
            writer: asyncio.Future[None] = self.loop.create_future()
            self._writers.append(writer)
            await writer

    @property
    def buffered(self) -> int:
        """Bytes that wait for the socket to take them: those of the connection and those of the transport. What a stream holds back for
        flow control is not among them."""
        transport = self._transport
        return sum(map(len, self.connection.out)) + (0 if transport is None else transport.get_write_buffer_size())

    # Whether more is read.

    def hold(self, reason: int) -> None:
        """Read nothing until `release` with the same reason."""
        if not self.holds and self._transport is not None:
            self._transport.pause_reading()
        self.holds |= reason

    def release(self, reason: int) -> None:
        """Go on reading, unless there is another reason not to."""
        held, self.holds = self.holds, self.holds & ~reason
        if held and not self.holds and self._transport is not None:
            self._transport.resume_reading()

    def give_way(self) -> None:
        """Read on only after everybody else on the loop has had a turn."""
        if not self.holds & _TURN:
            self.hold(_TURN)
            self.loop.call_soon(self.release, _TURN)

    # What calls and owners use.

    def schedule_flush(self) -> None:
        """Have what waits in the connection written at the end of this turn of the loop, or now if it is a batch."""
        if len(self.connection.out) >= _BATCH:
            self.flush()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self.flush)

    def gather(self) -> None:
        """`schedule_flush` for the messages of a stream, of which many come one after the other: larger batches, fewer writes."""
        if len(self.connection.out) >= _STREAM_BATCH:
            self.flush()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what waits, now."""
        self._flush_scheduled = False
        out = self.connection.out
        if out and self._transport is not None:
            self._transport.write(b"".join(out))
            out.clear()
            self.unhurried = 0

    def close(self) -> None:
        """Write what waits, then close; what the peer has not yet read still reaches it."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, without waiting for the peer to read."""
        if self._transport is not None:
            self._transport.abort()

    # What both kinds of owner say when the connection is over.

    def failed(self, reason: str) -> None:
        """The connection broke its protocol: say so with the GOAWAY that waits, then close. A peer that does not read it is cut off."""
        self.close()
        self._cut = self.loop.call_later(_LAST_WORDS, self.abort)
