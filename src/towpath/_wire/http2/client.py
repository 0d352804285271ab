"""A client's end of a connection: opens streams, and understands when the server wants no more of them."""

from itertools import takewhile

from towpath._wire.hpack import HeaderBlock
from towpath._wire.http.fields import TRAILERS, MalformedSection
from towpath._wire.http2 import fields
from towpath._wire.http2.connection import Connection
from towpath._wire.http2.delegate import ConnectionDelegate
from towpath._wire.http2.errors import ConnectionFault, ErrorCode
from towpath._wire.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER_SIZE,
    HEADERS,
    MAX_STREAM_ID,
    PREFACE,
    Setting,
    pack_frame_header,
    unpack_frame_header,
)
from towpath._wire.http2.limits import DEFAULT_LIMITS, Limits
from towpath._wire.http2.sending import Template
from towpath._wire.http2.states import (
    AFTER_RECV_END,
    CLOSED,
    CONNECTION_CLOSED,
    CONNECTION_OPEN,
    DRAINING,
    HALF_CLOSED_LOCAL,
    ILLEGAL,
    ConnectionEvent,
)
from towpath._wire.http2.stream import Stream


class ClientConnection(Connection):
    """A connection that opens streams, which have odd ids. `can_open` says whether one more fits; the channel queues streams that do
    not."""

    __slots__ = ("next_stream",)

    most_enable_push = 0
    """The largest SETTINGS_ENABLE_PUSH that a server may send: none, since a server pushes to clients and not to itself."""

    def __init__(self, delegate: ConnectionDelegate, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(delegate, limits)
        self.next_stream = 1
        """The id of the stream that `open` opens next; beyond the largest id once all are used up."""

    def own_settings(self) -> list[tuple[Setting, int]]:
        """The limits without the one on streams, since a server opens none, and with push disabled."""
        own = [(key, value) for key, value in self.limits.settings() if key is not Setting.MAX_CONCURRENT_STREAMS]
        return [*own, (Setting.ENABLE_PUSH, 0)]

    def is_idle(self, stream_id: int) -> bool:
        """Whether this end has not opened the stream; a server opens none."""
        return stream_id >= self.next_stream or stream_id % 2 == 0

    def begin(self) -> None:
        """Send the preface, then what either side sends first."""
        self.out.append(PREFACE)
        self._advance(ConnectionEvent.PREFACE)
        super().begin()

    def can_open(self) -> bool:
        """Whether the server takes one more stream now: its settings are known, it is not going away, and it has room."""
        return self.state is CONNECTION_OPEN and len(self.streams) < self.peer_max_streams and self.next_stream <= MAX_STREAM_ID

    def exhausted(self) -> bool:
        """Whether no stream can be opened ever again, so that the channel needs another connection."""
        return self.next_stream > MAX_STREAM_ID or self.state in (DRAINING, CONNECTION_CLOSED)

    def opened(self) -> int:
        """The number of streams that were ever opened."""
        return self.next_stream >> 1

    def open(self, stream: Stream) -> None:
        """Give the stream its id; the next frame sent has to be its head."""
        stream.id = self.next_stream
        self.next_stream += 2
        self.streams[stream.id] = stream

    def request(self, stream: Stream, head: Template, literals: bytes, body: bytes) -> None:
        """Open the stream and send a whole request: `open`, `encode` and `send_whole` in one. The hot path."""
        block = (self._blocks.get(head) or self.encode(head)) + literals
        size = len(body)
        left = self.send_window - size
        # INLINED: ClientConnection.open
        # INLINED: Sender.send_whole
        if left >= 0 and size <= self.peer_initial_window and size + len(block) <= self.peer_max_frame:
            stream_id = stream.id = self.next_stream
            self.next_stream = stream_id + 2
            stream.own_window = -size
            self.send_window = left
            stream.state = HALF_CLOSED_LOCAL
            self.streams[stream_id] = stream
            self.out += (
                pack_frame_header(len(block) << 8 | HEADERS, END_HEADERS, stream_id),
                block,
                pack_frame_header(size << 8 | DATA, END_STREAM, stream_id),
                body,
            )
            return
        self.open(stream)
        self.send_whole(stream, block, body, None)

    def going_away(self, last_stream_id: int, reason: str) -> None:
        """End the streams that the server will not process as refused, so that they may be sent elsewhere."""
        super().going_away(last_stream_id, reason)
        # The newest come last, so the loop sees no stream that goes on, however many GOAWAYs a server sends.
        refused = list(takewhile(lambda stream: stream.id > last_stream_id, reversed(self.streams.values())))
        for stream in reversed(refused):
            self.forget(stream)
            stream.reset_received(ErrorCode.REFUSED_STREAM, reason)

    def lost(self, reason: str) -> None:
        """End the streams whose head still waits in `out` as refused, since no server has seen them. The others may have been processed."""
        streams = self.streams
        for stream in [streams[stream_id] for stream_id in self._unsent() if stream_id in streams]:
            self.forget(stream)
            stream.reset_received(ErrorCode.REFUSED_STREAM, reason)
        super().lost(reason)

    def _unsent(self) -> list[int]:
        # `out` holds whole frames, perhaps behind the preface. A client's HEADERS are heads: requests of RPC have no trailers.
        waiting = b"".join(self.out).removeprefix(PREFACE)
        found: list[int] = []
        position = 0
        while position < len(waiting):
            word, _, stream_id = unpack_frame_header(waiting, position)
            if word & 0xFF == HEADERS:
                found.append(stream_id)
            position += FRAME_HEADER_SIZE + (word >> 8)
        return found

    def _header_block(self, stream_id: int, payload: bytes, end_stream: bool) -> None:
        # INLINED: Connection._further_block, for both header blocks of a plain answer: a few index bytes that were decoded and checked
        # before. This spares seven calls a block.
        stream = self.streams.get(stream_id)
        if stream is None:
            self._ended_block(stream_id, payload)
            return
        known = self._recurring.get(payload)
        if known is not None and stream.content_left < 0:
            section = known.section
            if section is not None:
                if not end_stream:
                    if section.plain_response and not stream.head_seen:
                        stream.head_seen = True
                        stream.head_received(section, (), end_stream)
                        return
                elif section.kind is TRAILERS and stream.head_seen and (after := AFTER_RECV_END[stream.state]) != ILLEGAL:
                    stream.state = after
                    if after == CLOSED:
                        del self.streams[stream_id]
                    stream.trailers_received(section, ())
                    return
        self._further_block(stream, payload, end_stream)

    def _preface(self, buffer: bytes) -> int:
        raise ConnectionFault(ErrorCode.INTERNAL_ERROR, "bytes before begin()")

    def _ended_block(self, stream_id: int, payload: bytes) -> None:
        if self.is_idle(stream_id):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"HEADERS on stream {stream_id}, which is idle")
        if stream_id not in self.reset_here:
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"HEADERS on stream {stream_id}, which has ended")
        self._count_overhead(HEADERS)
        self._decode(stream_id, payload)  # keeps the dynamic table in step; the stream itself is over

    def _continue(self, stream: Stream, block: HeaderBlock, end_stream: bool) -> None:
        if stream.head_seen:
            if not end_stream:
                raise MalformedSection("a second head, or trailers that do not end the stream")
            trailers, extra = fields.trailers(block)
            stream.trailers_received(trailers, extra)
            return
        head, extra = fields.response(block)
        if head.status[:1] == b"1":
            if end_stream:
                raise MalformedSection("an informational response that ends the stream")
            self._count_overhead(HEADERS)
            return  # 100 to 199 announce; the head is still to come (section 8.1)
        stream.head_seen = True
        if not end_stream:
            stream.content_left = head.content_length
        stream.head_received(head, extra, end_stream)
