"""The seam between a socket and a sans-IO connection: bytes one way, bytes the other, few writes per turn of the loop.

Writes gather while the loop runs what is ready, so that several answers leave in one system call. A batch is bounded, or the two ends would
work in turns: the client would wait while the server answers all requests, then the server while the client reads all answers.
A transport that cannot keep up is left to drain. The server's side then stops reading too, so a peer that does not read its answers can
make the server hold only the answers to requests that have been read already.

Reading stops for one of three reasons, and goes on once none of them holds: the peer does not read, the connection has enough to do, or
the peer had its turn. A loop may hand over much of one socket before it looks at the next: uvloop reads one up to 32 times. So a connection
that filled one read is read again only after all others have had a turn. One that has more to do than fits in a turn (`SansIO.behind`) goes
on with it in the next one, and is read again once it has caught up.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar, cast

_HIGH_WATER: Final = 256 * 1024
"""Bytes that may wait in the transport before writing is paused."""

_BATCH: Final = 12
"""Pieces of frames that are written together, at most, for unary calls: a request is four pieces and an answer three."""

_STREAM_BATCH: Final = 96
"""Pieces of frames that are written together, at most, for the messages of a stream: a message is two pieces."""

_MAX_JOINED: Final = 256
"""Pieces of frames that are joined for one write: about 2 MB, where the frames have the size that peers take without asking for more."""

_LAST_WORDS: Final = 1.0
"""Seconds that a peer has to read the reason after it broke the protocol."""

_FULL_READ: Final = 250_000
"""Bytes in one read after which more may wait: the buffer of uvloop holds 256,000, that of asyncio 262,144."""

_FULL_READ_SECURED: Final = 8 * 1024
"""Bytes of content in one read behind TLS after which more may wait: the smallest records are 23 bytes for one byte of content."""

MAX_SEND_QUEUE: Final = 64 * 1024
"""Bytes that one call may have waiting for its peer's window before its sender has to wait too."""

UNREAD: Final = 1
"""A reason to read nothing: the peer does not read what it is sent."""

BUSY: Final = 2
"""A reason to read nothing: the connection has not yet taken what has come."""

TURN: Final = 4
"""A reason to read nothing: the other connections of the loop have their turn, or what has come in one turn is not yet done with."""


class SansIO(Protocol):
    """A connection without IO, of any protocol."""

    @property
    def behind(self) -> bool:
        """Whether more has come, or may be sent, than fits in one turn of the loop."""
        ...

    def go_on(self) -> None:
        """Take the next piece of it."""
        ...

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

    def let_go(self) -> None:
        """Forget the link, which nothing more is told to."""
        ...

    def writing_paused(self) -> None:
        """The peer does not read what it is sent."""
        ...

    def writing_resumed(self) -> None:
        """The peer reads again."""
        ...


End = TypeVar("End", bound=SansIO)


class Link(asyncio.Protocol, Generic[End]):
    """The driver of one connection, on the client and on the server."""

    connection: End
    """The subclass sets this before the transport is connected."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.closed: asyncio.Future[None] = loop.create_future()
        self.peer = ""
        self._transport: asyncio.Transport | None = None
        self._flush_scheduled = False
        self.deferrable: int = 0
        """How many of the pieces in the connection's `out` may wait for some milliseconds."""
        self._cut: asyncio.TimerHandle | None = None
        self.paused = False
        """Whether writing has to wait, since the peer does not read what it is sent."""
        self._writers: list[asyncio.Future[None]] = []
        self.heard = False
        """Whether bytes have come. The client's keepalive clears it, to see whether more come."""
        self.holds = 0
        """The reasons for which nothing is read now, one bit each; 0 while the peer is read."""
        self._full_read = _FULL_READ
        self.written = 0
        """Bytes that were handed to the transport."""
        self._turn_scheduled = False

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
        self.heard = True
        connection = self.connection
        connection.receive(data)
        if connection.out and not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self.flush)
        if connection.behind or len(data) >= self._full_read:
            self.give_way()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket was closed, by either side."""
        self._transport = None
        if self._cut is not None:
            self._cut.cancel()
        self._let_write()
        self.connection.lost(f"the connection to {self.peer} was lost" + (f": {exc}" if exc else ""))
        self.connection.let_go()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """The peer does not read what it is sent."""
        self.paused = True
        self.connection.writing_paused()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self.connection.writing_resumed()
        self._let_write()
        if self.connection.behind:
            self.give_way()

    def _let_write(self) -> None:
        self.paused = False
        writers, self._writers = self._writers, []
        for writer in writers:
            if not writer.done():
                writer.set_result(None)

    async def writable(self) -> None:
        """Wait until the peer reads what it is sent, or the connection is lost."""
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

    @property
    def unsent(self) -> int:
        """How many of the bytes that were handed to the transport still wait there, since the peer does not read them."""
        transport = self._transport
        return 0 if transport is None else transport.get_write_buffer_size()

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
        if self.connection.behind:
            self.give_way()

    def give_way(self) -> None:
        """Go on, with what is left of this turn and then with reading, only after the other connections of the loop have had theirs."""
        self.hold(TURN)
        if not self._turn_scheduled:
            self._turn_scheduled = True
            self.loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._turn_scheduled = False
        connection = self.connection
        if self._transport is None:
            return
        if connection.behind:
            if self.paused or self.holds & ~TURN:
                self._wait_for_peer()
                return  # goes on as soon as the peer reads, or what has come is taken
            connection.go_on()
            if connection.out and not self._flush_scheduled:
                self._flush_scheduled = True
                self.loop.call_soon(self.flush)
        if connection.behind:
            self.give_way()
        else:
            self.release(TURN)

    def _wait_for_peer(self) -> None:
        """More could be sent, and the peer does not read. A server reads no more meanwhile, or requests would pile up."""

    # What calls and owners use.

    def schedule_flush(self) -> None:
        """Write the connection's `out` at the end of this turn of the loop, or now if it is a batch."""
        if len(self.connection.out) >= _BATCH:
            self.flush()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self.flush)

    def gather(self) -> None:
        """Write as `schedule_flush` does, but in larger batches: many messages of a stream come one after the other."""
        if len(self.connection.out) >= _STREAM_BATCH:
            self.flush()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self.flush)

    def flush_by(self, write: Callable[[], None]) -> None:
        """Call `write` at the end of this turn of the loop. It has to call `flush`, and does so for `schedule_flush`, too."""
        self._flush_scheduled = True
        self.loop.call_soon(write)

    def flush(self) -> None:
        """Write the connection's `out` now."""
        self._flush_scheduled = False
        out, transport = self.connection.out, self._transport
        if out and transport is not None:
            if len(out) > _MAX_JOINED:
                self._write_in_parts(transport)
            else:
                data = b"".join(out)
                out.clear()  # first: what `write` tells of may flush again, and end calls by frames of their own
                self.written += len(data)
                transport.write(data)
                if self.paused:
                    self.wrote_unread(len(data))
            self.deferrable = 0

    def _write_in_parts(self, transport: asyncio.Transport) -> None:
        """Write the connection's `out`, which is much: what a peer that opens its window has waited for would take twice as much memory."""
        out = self.connection.out
        pieces = out[::-1]
        out.clear()
        while pieces:
            data = b"".join([pieces.pop() for _ in range(min(_MAX_JOINED, len(pieces)))])
            self.written += len(data)
            transport.write(data)
            if self.paused:
                self.wrote_unread(len(data))

    def wrote_unread(self, size: int) -> None:
        """So many bytes were written though the peer does not read."""

    def close(self) -> None:
        """Write the connection's `out`, then close. Bytes that the peer has not read yet still reach it."""
        self.flush()
        # asyncio's TLS transport forgets its connection when it is closed twice, and then cannot be aborted.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()

    def abort(self) -> None:
        """Close at once, without waiting for the peer to read."""
        if self._transport is not None:
            self._transport.abort()

    # What both kinds of delegates do when the connection is over.

    def failed(self, reason: str) -> None:
        """The peer broke the protocol: send the reason that waits, such as a GOAWAY, then close. A peer that does not read it is cut
        off."""
        self.close()
        self._cut = self.loop.call_later(_LAST_WORDS, self.abort)
