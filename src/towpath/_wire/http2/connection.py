"""One HTTP/2 connection without IO: `receive` takes bytes, streams and the delegate hear of events, `take` gives bytes back.

It is written for RPC (RFC 9113). Frames are parsed in place from one buffer, and a frame costs one unpack and one method call. The
recurring part of header blocks is decoded and checked once. Faults of the peer never raise out of `receive`: they end the stream or the
connection as the RFC says, and the stream or the delegate is told. There is no push and no priority; frames of both are checked and
otherwise ignored or refused.
"""

from abc import abstractmethod
from typing import Final, Never

from towpath._wire.hpack import Decoder, HeaderBlock, HeaderListTooLarge, HpackError
from towpath._wire.http.fields import MalformedSection
from towpath._wire.http2 import frames
from towpath._wire.http2.control import Control
from towpath._wire.http2.delegate import ConnectionDelegate
from towpath._wire.http2.errors import ConnectionFault, ErrorCode, StreamFault
from towpath._wire.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER_SIZE,
    HEADERS,
    MAX_STREAM_ID,
    PADDED,
    PRIORITIZED,
    SETTINGS,
    unpack_frame_header,
)
from towpath._wire.http2.limits import Limits
from towpath._wire.http2.overhead import SMALL, UNWANTED
from towpath._wire.http2.states import (
    AFTER_RECV_END,
    AFTER_RECV_FRAME,
    AWAIT_PREFACE,
    AWAIT_SETTINGS,
    CLOSED,
    CONNECTION_CLOSED,
    CONNECTION_OPEN,
    ILLEGAL,
)
from towpath._wire.http2.stream import Stream

_LOOK: Final = 1024
"""Bytes of frames, but for what is in DATA, after which is looked whether the turn is over."""

_TURN_FRAMES: Final = 16 * 1024
"""Bytes of frames that are taken in one turn, but for what is in DATA: 1,800 of the smallest take 2 ms, or 25 if each is a message."""

_TURN_STREAMS: Final = 128
"""Streams that are opened in one turn: each is a call that has to be looked at, and perhaps to be run."""

_HEADERS_SHAPE: Final = END_HEADERS | PADDED | PRIORITIZED


class _Ended(Exception):
    """The connection was ended by what one of the frames of a read has led to."""


class Connection(Control):
    """The receiving half, which a server's and a client's end share."""

    __slots__ = (
        "_answered",
        "_buffer",
        "_decoder",
        "_granted",
        "_least_window",
        "_longest",
        "_looked",
        "_partial",
        "_partial_flags",
        "_partial_size",
        "_partial_stream",
        "_recurring",
        "_recv_window",
        "_small_end",
        "_strict",
        "_turn_content",
        "_turn_streams",
    )

    def __init__(self, delegate: ConnectionDelegate, limits: Limits) -> None:
        super().__init__(delegate, limits)
        self._buffer = b""
        self._longest = limits.max_frame_size << 8 | 0xFF  # the largest first word of a frame's header: its length, then its type
        self._recv_window = self._granted = DEFAULT_WINDOW
        self._least_window = limits.connection_window - (limits.connection_window >> 1)
        self._decoder = Decoder(max_table_size=limits.max_table, max_list_size=limits.max_header_list)
        self._recurring = self._decoder.recurring
        # Whether only one type of frame may come next: at the beginning, and within a header block.
        self._strict = True
        # Streams that a server has answered with their heads, and whose bodies are still to come: bytes of each that have come.
        self._answered: dict[int, int] = {}
        # A header block that continues in CONTINUATION frames.
        self._partial: list[bytes] | None = None
        self._partial_stream = 0
        self._partial_flags = 0
        self._partial_size = 0
        # How much had come, of all that the connection's window counts, when the last small frame of DATA ended.
        self._small_end = -1
        # Of a read that may be too much for one turn: how often was looked whether it is, how much content had come before it, and how many
        # streams had been opened at the first look.
        self._looked = 0
        self._turn_content = 0
        self._turn_streams = 0

    @abstractmethod
    def _preface(self, buffer: bytes) -> int:
        """The position after the client's preface, once it has come whole. It is called only until then."""

    @abstractmethod
    def _header_block(self, stream_id: int, payload: bytes, end_stream: bool) -> None:
        """Take a whole header block. It goes to `_further_block` if its stream is under way."""

    @abstractmethod
    def _continue(self, stream: Stream, block: HeaderBlock, end_stream: bool) -> None:
        """Take a further section of a stream. Raises MalformedSection."""

    def begin(self) -> None:
        """Announce our settings and open the connection's window: the first thing that either side sends."""
        self.out.append(frames.settings(self.own_settings()))
        grown = self.limits.connection_window - DEFAULT_WINDOW
        if grown > 0:
            self.grant(0, grown)
            self._recv_window += grown
            self._granted += grown

    def receive(self, data: bytes) -> None:
        """Take bytes as they came, in pieces of any size, as far as they fit into one turn. If `behind` is set then, `go_on` takes more."""
        buffer = self._buffer + data if self._buffer else data
        position = 0
        end = len(buffer)
        last = end - FRAME_HEADER_SIZE  # where the last frame may begin
        longest = self._longest
        stop = last if last < _LOOK else self._first_stop()  # where the last frame may begin before the next look
        try:
            if self.state is not CONNECTION_OPEN:  # one test for all rare cases
                if self.state is CONNECTION_CLOSED:
                    return
                if self.state is AWAIT_PREFACE:
                    position = self._preface(buffer)
                    if position == 0:  # the preface is cut short: its first nine bytes must not be read as a frame
                        self._buffer = buffer
                        return
            while position <= stop or (stop < last and (stop := self._next_stop(position, last)) >= position):
                word, flags, stream_id = unpack_frame_header(buffer, position)
                if word > longest:
                    self._refuse_frame(word >> 8, buffer[position:])
                start = position + FRAME_HEADER_SIZE
                following = start + (word >> 8)
                if following > end:
                    break
                position = following
                stream_id &= MAX_STREAM_ID
                kind = word & 0xFF
                if self._strict:
                    self._check_order(kind, flags)
                try:
                    if kind == DATA:
                        self._data(stream_id, flags, buffer[start:position])
                    elif kind == HEADERS:
                        if flags & _HEADERS_SHAPE == END_HEADERS:  # the whole block is in one frame, as nearly always
                            self._header_block(stream_id, buffer[start:position], flags & END_STREAM != 0)
                        else:
                            self._headers(stream_id, flags, buffer[start:position])
                    elif kind == CONTINUATION:
                        self._continuation(stream_id, flags, buffer[start:position])
                    else:
                        self._control(kind, stream_id, flags, buffer[start:position])
                except StreamFault as fault:
                    self._fail_stream(fault)
            self._buffer = buffer[position:] if position < end else b""
            if self._grown:  # once for all frames of this read
                self._grown = False
                self.resume_own()
        except _Ended:
            self._buffer = b""
        except ConnectionFault as fault:
            self._buffer = b""
            self.fail(fault.code, fault.reason)

    def go_on(self) -> None:
        """Take the next piece of what has come or may be sent, since everybody else had a turn."""
        self.resume_in_turn()
        self.receive(b"")

    def _first_stop(self) -> int:
        """Where to look first whether the turn is over, in a read that may be too much for it."""
        self._looked = 0
        self._turn_content = self._granted - self._recv_window
        return _LOOK - 1

    def _next_stop(self, position: int, last: int) -> int:
        """Look whether the turn is over, and where to look next; before `position` if nothing more is taken. It is counted and not timed:
        the same bytes make the same turns on any machine."""
        if position > last:
            return last
        taken = position - (self._granted - self._recv_window - self._turn_content)
        look = (self._looked + 1) * _LOOK
        if taken >= look:
            self._looked += 1
            opened = self.opened()
            if self._looked == 1:
                self._turn_streams = opened
            if self._looked > _TURN_FRAMES // _LOOK or opened - self._turn_streams >= _TURN_STREAMS:
                self.behind = True
                return -1
            look += _LOOK
        return min(max(position, position + look - taken - 1), last)

    def lost(self, reason: str) -> None:
        """End the streams; frames that came in the same read are not looked at any more."""
        super().lost(reason)
        self._strict = True

    def begun(self) -> object:
        """What the peer has begun and not ended, if it is no body: the greeting, a header block, another frame. The result equals the one
        before as long as nothing has ended, and is None if nothing is begun."""
        if self.state is AWAIT_PREFACE or self.state is AWAIT_SETTINGS:
            return "greeting"
        head = self._buffer[:FRAME_HEADER_SIZE]
        if self._partial is None and (not head or (len(head) == FRAME_HEADER_SIZE and head[3] == DATA)):
            return None
        # While a header block lasts no other frame can come, so a peer that makes progress has ended it.
        return self.last_peer_stream, self._recv_window, self._partial_size

    def _refuse_frame(self, length: int, buffer: bytes) -> Never:
        if self.state is AWAIT_SETTINGS:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"the peer does not speak HTTP/2: it says {buffer[:16]!r}")
        limit = self.limits.max_frame_size
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes, over the limit of {limit}")

    def _check_order(self, kind: int, flags: int) -> None:
        if self.state is CONNECTION_CLOSED:
            raise _Ended
        if self._partial is not None and kind != CONTINUATION:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block was interrupted by another frame")
        if self.state is AWAIT_SETTINGS and (kind != SETTINGS or flags & ACK):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        self._strict = self._partial is not None

    def _fail_stream(self, fault: StreamFault) -> None:
        stream = self.streams.get(fault.stream_id)
        if stream is None and self.is_idle(fault.stream_id):
            raise ConnectionFault(fault.code, fault.reason)  # an idle stream cannot be reset (section 6.4)
        if stream is not None:
            self._count_reset(fault.stream_id)  # a reset that the peer provokes costs as much as its own (CVE-2025-8671)
            self.forget(stream)
        else:
            self._count_overhead(HEADERS, UNWANTED)
        self._owe_reply()
        self.send_reset(fault.stream_id, fault.code)
        if stream is not None:
            stream.reset_received(fault.code, str(fault))

    def _data(self, stream_id: int, flags: int, payload: bytes) -> None:
        # Flow control counts the whole frame, padding included, also on streams that have ended (section 6.9).
        size = len(payload)
        window = self._recv_window - size
        if window <= self._least_window:
            if window < 0:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "DATA beyond the connection's window")
            # The connection's credit returns at once: only a stream's own window may hold back its data, or one slow reader would stop
            # all the others.
            grown = self.limits.connection_window - window
            self.grant(0, grown)
            window += grown
            self._granted += grown
        self._recv_window = window
        end_stream = flags & END_STREAM
        if not end_stream and size < SMALL:
            self._count_small(size)
        stream = self.streams.get(stream_id)
        if stream is None:
            if end_stream and stream_id in self._answered:
                del self._answered[stream_id]
            else:
                self._data_on_ended(stream_id, size, end_stream != 0)
            return
        after = (AFTER_RECV_END if end_stream else AFTER_RECV_FRAME)[stream.state]
        if after == ILLEGAL:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED, "DATA after the end of the stream")
        if not stream.head_seen:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "DATA before the head of the response")
        window = stream.recv_window - size
        if window < 0:
            raise StreamFault(stream_id, ErrorCode.FLOW_CONTROL_ERROR, "DATA beyond the stream's window")
        stream.recv_window = window
        if flags & PADDED:
            payload = _unpad(payload, "DATA")
            stream.consumed(size - len(payload))
            if len(payload) < SMALL <= size and not end_stream:
                self._count_small(size)
        if stream.content_left >= 0:
            stream.content_left -= len(payload)
            if stream.content_left < 0 or (end_stream and stream.content_left):
                raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "the body's size is not that of content-length")
        stream.state = after
        if after == CLOSED:
            del self.streams[stream_id]
        stream.data_received(payload, end_stream != 0)

    def _count_small(self, size: int) -> None:
        """Count a frame with next to no data, of `size` bytes with its padding, unless other data has come since the last one: flow control
        does not hold back a peer that sends nothing (CVE-2019-9518)."""
        end = self._granted - self._recv_window
        if end - size == self._small_end:
            self._count_overhead(DATA)
        self._small_end = end

    def _data_on_ended(self, stream_id: int, size: int, end_stream: bool) -> None:
        if self.is_idle(stream_id):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"DATA on stream {stream_id}, which is idle")
        if stream_id not in self.reset_here:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED, "DATA on a stream that has ended")

    def _headers(self, stream_id: int, flags: int, payload: bytes) -> None:
        if flags & PADDED:
            payload = _unpad(payload, "HEADERS")
        if flags & PRIORITIZED:
            if len(payload) < 5:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for its priority")
            if int.from_bytes(payload[:4], "big") & MAX_STREAM_ID == stream_id:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"stream {stream_id} depends on itself")
            payload = payload[5:]
        if flags & END_HEADERS:
            self._header_block(stream_id, payload, flags & END_STREAM != 0)
        else:
            self._partial = [payload]
            self._strict = True
            self._partial_stream = stream_id
            self._partial_flags = flags
            self._partial_size = len(payload)

    def _continuation(self, stream_id: int, flags: int, payload: bytes) -> None:
        partial = self._partial
        if partial is None or stream_id != self._partial_stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"CONTINUATION on stream {stream_id}, which continues nothing")
        partial.append(payload)
        self._partial_size += len(payload)
        if self._partial_size > self.limits.max_header_block or len(partial) > self.limits.max_continuations + 1:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a header block in too many bytes or frames")
        if flags & END_HEADERS:
            self._partial = None
            self._strict = False
            self._header_block(stream_id, b"".join(partial), self._partial_flags & END_STREAM != 0)

    def _further_block(self, stream: Stream, payload: bytes, end_stream: bool) -> None:
        stream_id = stream.id
        block = self._decode(stream_id, payload)
        after = (AFTER_RECV_END if end_stream else AFTER_RECV_FRAME)[stream.state]
        if after == ILLEGAL:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED, "HEADERS after the end of the stream")
        if end_stream and stream.content_left > 0:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "the body's size is not that of content-length")
        stream.state = after
        try:
            self._continue(stream, block, end_stream)
        except MalformedSection as fault:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, str(fault)) from None
        if after == CLOSED:
            self.streams.pop(stream_id, None)

    def _decode(self, stream_id: int, payload: bytes) -> HeaderBlock:
        try:
            return self._decoder.decode(payload)
        except HeaderListTooLarge as fault:
            raise StreamFault(stream_id, ErrorCode.ENHANCE_YOUR_CALM, str(fault)) from None
        except HpackError as fault:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, str(fault)) from None


def _unpad(payload: bytes, what: str) -> bytes:
    if not payload:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"{what} too short for the length of its padding")
    if payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"the padding of {what} is longer than its payload")
    return payload[1 : len(payload) - payload[0]]
