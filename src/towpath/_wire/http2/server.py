"""A server's end of a connection: checks the preface, takes requests, and says goodbye without losing one."""

import struct
from collections.abc import Sequence
from typing import Final

from towpath._wire.hpack import HeaderBlock, HeaderListTooLarge, HpackError
from towpath._wire.http.fields import Field, MalformedSection, Section, is_good
from towpath._wire.http2 import fields, frames
from towpath._wire.http2.connection import Connection
from towpath._wire.http2.control import LOST
from towpath._wire.http2.delegate import NOBODY, ServerConnectionDelegate
from towpath._wire.http2.errors import ConnectionFault, ErrorCode, StreamFault
from towpath._wire.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER,
    HEADERS,
    MAX_STREAM_ID,
    PREFACE,
    RST_STREAM,
    Setting,
    pack_frame_header,
)
from towpath._wire.http2.limits import DEFAULT_LIMITS, Limits
from towpath._wire.http2.overhead import UNWANTED
from towpath._wire.http2.resets import ResetBudget
from towpath._wire.http2.sending import ResponseTemplate
from towpath._wire.http2.states import (
    AFTER_RECV_END,
    AFTER_RECV_FRAME,
    AFTER_SEND_END,
    CLOSED,
    CONNECTION_CLOSED,
    IDLE,
    ILLEGAL,
    ConnectionEvent,
)
from towpath._wire.http2.stream import Stream

_MOST_GAPS: Final = 64
_LONGEST_REMEMBERED: Final = 48
_MOST_REMEMBERED: Final = 128
_MOST_ANSWERED: Final = 256
"""Requests that are answered before their bodies have come. A client that leaves more of them open is told to stop the first."""


class ServerConnection(Connection):
    """A connection whose streams come from the peer and have odd ids; `delegate.accept` decides about each."""

    __slots__ = ("_gaps", "_most_streams", "_resets", "_skipped", "_tail", "delegate", "heads", "stems")

    def __init__(self, delegate: ServerConnectionDelegate, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(delegate, limits)
        self.delegate = delegate
        """What decides about the streams that clients open."""
        self.heads: dict[bytes, tuple[Section, Sequence[Field]]] = self._decoder.blocks
        """Blocks that were decoded and checked before: a method's head with the timeout that its caller always gives. At most
        `_MOST_REMEMBERED`, since a peer chooses them. Measured, receiving a plain call took 15.7 us without this and 14.4 with it."""
        self.stems: dict[bytes, tuple[Section, Sequence[Field], bytes]] = self._decoder.stems
        """The same blocks up to their last value, which alone changes when it is a trace: with head and other literals, its name. The
        length of the value is the stem's last byte, so the bytes behind it can only be the value. At most `_MOST_REMEMBERED`."""
        self._tail = 0
        self._most_streams = limits.max_concurrent_streams
        self._resets = ResetBudget(limits.reset_burst, limits.resets_per_second)
        # Ranges of ids that the peer skipped: they were never opened, so their use is another error than that of an ended stream.
        self._gaps: list[tuple[int, int]] = []
        self._skipped = 0

    def own_settings(self) -> list[tuple[Setting, int]]:
        """All limits."""
        return self.limits.settings()

    def is_idle(self, stream_id: int) -> bool:
        """Whether the id is beyond the peer's last, or even: a server opens none."""
        return stream_id > self.last_peer_stream or stream_id % 2 == 0

    def opened(self) -> int:
        """The number of streams that the client has opened; ids that it skipped are none."""
        return (self.last_peer_stream + 1 >> 1) - self._skipped

    def count_unwanted(self) -> None:
        """A request came for which there is nothing here. Call this from `ServerConnectionDelegate.accept`: it raises ConnectionFault for
        the one that is too many."""
        self._count_overhead(HEADERS, UNWANTED)

    def announce_shutdown(self) -> None:
        """Ask the peer to open no more streams while still taking those on their way: GOAWAY with the largest id (section 6.8). Follow with
        `ping`, and once it is acknowledged with `stop_accepting`."""
        if self.state is not CONNECTION_CLOSED and self.last_accepted == MAX_STREAM_ID:
            self.out.append(frames.goaway(MAX_STREAM_ID, ErrorCode.NO_ERROR, b"shutting down"))
            self._advance(ConnectionEvent.GOAWAY)

    def stop_accepting(self) -> None:
        """Tell the peer which stream was the last to be taken. Streams under way finish; later ones are safe to be sent elsewhere."""
        if self.state is not CONNECTION_CLOSED and self.last_accepted == MAX_STREAM_ID:
            self.last_accepted = self.last_peer_stream
            self.out.append(frames.goaway(self.last_accepted, ErrorCode.NO_ERROR, b"shutting down"))
            self._advance(ConnectionEvent.GOAWAY)

    def input_ended(self) -> None:
        """The peer sends nothing more. Streams on which its half has ended go on; on the others, nothing can come of what has come."""
        for stream in list(self.streams.values()):
            if AFTER_RECV_END[stream.state] != ILLEGAL:
                self.forget(stream)
                stream.reset_received(LOST, "the client has ended in the middle of its request")

    def let_go(self) -> None:
        """Forget the delegate."""
        super().let_go()
        self.delegate = NOBODY

    def answer(self, stream: Stream, answer: ResponseTemplate, body: bytes) -> None:
        """Send a whole response: `encode` and `send_whole` in one. The hot path."""
        size = len(body)
        left = self.send_window - size
        own_left = stream.own_window - size
        state = AFTER_SEND_END[stream.state]
        packing = self._blocks.get(answer)
        if packing is None or left < 0 or own_left + self.peer_initial_window < 0 or size > self.peer_max_frame or state == ILLEGAL:
            self.send_whole(stream, self.encode(answer.head), body, answer.trailers)
            self._prepare(answer)
            return
        # INLINED: Sender.send_whole
        pack_start, head_word, head, pack_end, trailers_word, trailers = packing
        stream.own_window = own_left
        self.send_window = left
        stream_id = stream.id
        self.out += (
            pack_start(head_word, END_HEADERS, stream_id, head, size << 8 | DATA, 0, stream_id),
            body,
            pack_end(trailers_word, END_HEADERS | END_STREAM, stream_id, trailers),
        )
        stream.state = state
        if state == CLOSED:
            del self.streams[stream_id]

    def _prepare(self, answer: ResponseTemplate) -> None:
        # Blocks of index bytes have one length for as long as they hold, so that all that is around a body is packed by two calls.
        head = self._encoder.encode_indexed(answer.head.fields)
        trailers = self._encoder.encode_indexed(answer.trailers.fields)
        if head is not None and trailers is not None:
            start = struct.Struct(f"{FRAME_HEADER.format}{len(head)}s{FRAME_HEADER.format[1:]}")
            end = struct.Struct(f"{FRAME_HEADER.format}{len(trailers)}s")
            head_word, trailers_word = len(head) << 8 | HEADERS, len(trailers) << 8 | HEADERS
            self._blocks[answer] = (start.pack, head_word, head, end.pack, trailers_word, trailers)

    def _count_reset(self, stream_id: int) -> None:
        stream = self.streams[stream_id]
        if AFTER_SEND_END[stream.state] == ILLEGAL:  # it is behind the answer, as it often is where a request was refused half-way
            self._count_overhead(RST_STREAM)
            return
        arrived = stream.arrived()
        if not self._resets.spend(stream_id, self.last_peer_stream, self.opened(), self.delegate.now(), arrived):
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many calls taken back before they were answered")

    def _preface(self, buffer: bytes) -> int:
        if not buffer.startswith(PREFACE):
            if not PREFACE.startswith(buffer):
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the connection does not begin with HTTP/2's preface")
            return 0
        self._advance(ConnectionEvent.PREFACE)
        return len(PREFACE)

    def _header_block(self, stream_id: int, payload: bytes, end_stream: bool) -> None:
        streams = self.streams
        if stream_id in streams:
            self._further_block(streams[stream_id], payload, end_stream)
            return
        last = self.last_peer_stream
        if stream_id != last + 2 or last == 0:  # not the next id
            if stream_id <= last or stream_id % 2 == 0:
                self._open_again(stream_id, payload)
                return
            if stream_id > last + 2:
                self._skipped += (stream_id >> 1) - (last + 1 >> 1)
                if len(self._gaps) < _MOST_GAPS:
                    self._gaps.append((last + 1, stream_id - 1))
        self.last_peer_stream = stream_id
        if stream_id > self.last_accepted:
            self._count_overhead(HEADERS, UNWANTED)
            self._decode(stream_id, payload)  # keeps the dynamic table in step
            self.ignore(stream_id)
            return
        if len(streams) >= self._most_streams:
            self._decode(stream_id, payload)  # keeps it in step here too
            raise StreamFault(stream_id, ErrorCode.REFUSED_STREAM, "more streams than MAX_CONCURRENT_STREAMS")
        head, extra = self.heads.get(payload) or self._varied(stream_id, payload)
        if end_stream and head.content_length > 0:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "no body, but a content-length")
        stream = self.delegate.accept(head, extra)
        if isinstance(stream, bytes):
            # Where thousands of calls a second are refused, a stream that is made only to be closed costs as much as all the rest.
            size = len(stream)
            if size <= self.peer_max_frame:
                self.out.append(pack_frame_header(size << 8 | HEADERS, END_HEADERS | END_STREAM, stream_id) + stream)
            else:
                self.out += frames.header_block(stream_id, stream, end_stream=True, max_frame_size=self.peer_max_frame)
            if not end_stream:
                self._answered[stream_id] = 0
                if len(self._answered) > _MOST_ANSWERED:
                    self._stop_body(next(iter(self._answered)))
            return
        stream.id = stream_id
        stream.state = (AFTER_RECV_END if end_stream else AFTER_RECV_FRAME)[IDLE]
        stream.head_seen = True
        stream.content_left = head.content_length
        streams[stream_id] = stream
        stream.head_received(head, extra, end_stream)

    def _stop_body(self, stream_id: int) -> None:
        # The client is to stop sending, without calling that an error (section 8.1).
        del self._answered[stream_id]
        self.send_reset(stream_id, ErrorCode.NO_ERROR)

    def _data_on_ended(self, stream_id: int, size: int, end_stream: bool) -> None:
        before = self._answered.get(stream_id)
        if before is None:
            super()._data_on_ended(stream_id, size, end_stream)
        elif before + size < self.initial_window >> 1:
            # A proxy may lose a response if a reset comes together with it, as HAProxy 2.6 does. Most bodies end by themselves in time.
            self._answered[stream_id] = before + size
        else:
            self._stop_body(stream_id)

    def _rst_stream(self, stream_id: int, payload: bytes) -> None:
        super()._rst_stream(stream_id, payload)
        self._answered.pop(stream_id, None)  # the client has ended its body

    def _varied(self, stream_id: int, payload: bytes) -> tuple[Section, Sequence[Field]]:
        tail = self._tail
        stem = self.stems.get(payload[:-tail]) if tail else None
        if stem is not None:
            head, extra, name = stem
            value = payload[-tail:]
            if value.replace(b"-", b"").isalnum() or is_good(value):  # at once for a trace, which is digits and hyphens
                return head, [*extra, (name, value)]
        return self._request(stream_id, payload)

    def _request(self, stream_id: int, payload: bytes) -> tuple[Section, Sequence[Field]]:
        generation = self._decoder.generation
        try:
            block = self._decoder.decode(payload)
        except HeaderListTooLarge as fault:
            return self.delegate.oversized(fault.fields, str(fault)), ()
        except HpackError as fault:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, str(fault)) from None
        try:
            head, extra = fields.request(block)
        except MalformedSection as fault:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, str(fault)) from None
        # Remembered if the next such block means the same: its head is one that recurs, and decoding it left the table as it was.
        if generation == self._decoder.generation and head is block.known.section:
            self._remember(payload, head, extra)
        return head, extra

    def _remember(self, payload: bytes, head: Section, extra: Sequence[Field]) -> None:
        if len(self.heads) >= _MOST_REMEMBERED or len(self.stems) >= _MOST_REMEMBERED:  # most of them belong to calls that are long over
            self.heads.clear()
            self.stems.clear()
        if len(payload) <= _LONGEST_REMEMBERED:  # perhaps the timeout varies, and nothing else
            self.heads[payload] = (head, extra)
        tail = self._decoder.tail
        if tail and len(payload) - tail <= _LONGEST_REMEMBERED:
            self._tail = tail
            self.stems[payload[:-tail]] = (head, extra[:-1], extra[-1][0])

    def _open_again(self, stream_id: int, payload: bytes) -> None:
        if stream_id in self.reset_here or stream_id in self._answered:
            self._answered.pop(stream_id, None)  # trailers
            self._count_overhead(HEADERS)
            self._decode(stream_id, payload)  # keeps the dynamic table in step; the stream itself is over
            return
        skipped = any(low <= stream_id <= high for low, high in self._gaps)
        if stream_id % 2 == 0 or skipped:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"HEADERS on stream {stream_id}, which no client may open any more")
        raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"HEADERS on stream {stream_id}, which has ended")

    def _continue(self, stream: Stream, block: HeaderBlock, end_stream: bool) -> None:
        if not end_stream:
            raise MalformedSection("a second head, or trailers that do not end the stream")
        trailers, extra = fields.trailers(block)
        stream.trailers_received(trailers, extra)
