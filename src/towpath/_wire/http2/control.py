"""The frames that carry no message: SETTINGS, PING, WINDOW_UPDATE, RST_STREAM, GOAWAY, PRIORITY, and frames that must not come at all."""

from abc import ABC, abstractmethod
from typing import ClassVar, Final

from towpath._wire.http.abuse_budget import AbuseBudget
from towpath._wire.http2 import frames
from towpath._wire.http2.delegate import NOBODY, ConnectionDelegate
from towpath._wire.http2.errors import ConnectionFault, ErrorCode, StreamFault, error_name
from towpath._wire.http2.frames import (
    ACK,
    DEFAULT_MAX_FRAME_SIZE,
    GOAWAY,
    LARGEST_MAX_FRAME_SIZE,
    MAX_STREAM_ID,
    MAX_WINDOW,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Setting,
)
from towpath._wire.http2.limits import Limits
from towpath._wire.http2.overhead import EARNED, too_much
from towpath._wire.http2.sending import Sender
from towpath._wire.http2.states import AWAIT_PREFACE, CONNECTION_TRANSITIONS, ConnectionEvent

LOST: Final = -1
"""The code that `Stream.reset_received` gets when the connection ended, with or without a GOAWAY, while the stream was under way."""

_MOST_DEBUG: Final = 256
_MOST_UNREAD_REPLIES: Final = 10_000
_MOST_PARAMETERS: Final = 128
"""Parameters in one frame of SETTINGS (CVE-2020-11080). A dozen are known, and some clients add a few that mean nothing."""

_LONGEST_PAYLOAD_OF_PING: Final = 8


class Control(Sender, ABC):
    """The state of a connection, and the frames that change it."""

    __slots__ = (
        "_delegate",
        "_grown",
        "_largest_own",
        "_overhead",
        "_unread_replies",
        "_writing_paused",
        "last_accepted",
        "last_peer_stream",
        "peer_max_header_list",
        "peer_max_streams",
        "state",
    )

    # The values to which the peer may set ENABLE_PUSH: a server may not set it to 1 (section 6.5.2).
    most_enable_push: ClassVar[int] = 1

    def __init__(self, delegate: ConnectionDelegate, limits: Limits) -> None:
        super().__init__(limits)
        self._delegate = delegate
        self.state = AWAIT_PREFACE
        self.peer_max_streams = MAX_WINDOW
        self.peer_max_header_list = MAX_WINDOW
        self.last_peer_stream = 0
        # Streams beyond this one came after our GOAWAY and are ignored.
        self.last_accepted = MAX_STREAM_ID
        self._writing_paused = False
        self._unread_replies = 0
        self._overhead = AbuseBudget(limits.overhead_burst, limits.overhead_per_second)
        # Whether the window that every stream is given has grown, so that streams that wait for it have to go on.
        self._grown = False
        # No stream's own window is larger than this one, though it may be that of a stream that has ended or has sent since.
        self._largest_own = 0

    @abstractmethod
    def is_idle(self, stream_id: int) -> bool:
        """Whether neither side has opened this stream yet."""

    @abstractmethod
    def opened(self) -> int:
        """The number of streams that were ever opened, by the end that opens them."""

    @abstractmethod
    def own_settings(self) -> list[tuple[Setting, int]]:
        """The settings that this end announces."""

    def going_away(self, last_stream_id: int, reason: str) -> None:
        """The peer will take no streams beyond `last_stream_id`."""
        self._advance(ConnectionEvent.GOAWAY)
        self._delegate.going_away(reason)

    def lost(self, reason: str) -> None:
        """The transport is gone: every stream hears of it."""
        self._advance(ConnectionEvent.CLOSE)
        streams = list(self.streams.values())
        for stream in streams:
            self.forget(stream)
        for stream in streams:
            stream.reset_received(LOST, reason)

    def let_go(self) -> None:
        """Forget the delegate, once the transport is gone. The delegate has the connection, and two objects that refer to each other stay
        until the garbage collector looks for them."""
        self._delegate = NOBODY

    def fail(self, code: ErrorCode, reason: str) -> None:
        """End the connection: send GOAWAY with the reason, tell every stream, and ask the delegate to close."""
        last = min(self.last_peer_stream, self.last_accepted)  # a later GOAWAY may not name a larger one (section 6.8)
        self.out.append(frames.goaway(last, code, reason.encode()[:_MOST_DEBUG]))
        reason = f"{code.name}: {reason}"
        self.lost(reason)
        self._delegate.failed(reason)

    def ping(self, payload: bytes) -> None:
        """Send a PING with eight bytes; the delegate hears of its acknowledgement."""
        self.out.append(frames.frame(PING, 0, 0, payload))

    def writing_paused(self) -> None:
        """The peer does not read its bytes. It may not make us owe it any number of replies: past 10,000 acknowledgements and resets the
        connection ends with ENHANCE_YOUR_CALM (CVE-2019-9512, 9514 and 9515)."""
        self._writing_paused = True
        self._unread_replies = 0

    def writing_resumed(self) -> None:
        """The peer reads again."""
        self._writing_paused = False

    def _count_reset(self, stream_id: int) -> None:
        """The peer has ended a stream that was under way. Raises ConnectionFault if it does so too often."""

    def _count_overhead(self, kind: int, tokens: int = 1) -> None:
        """Count a frame that is no part of a call, or one of a call that is none (see `towpath._wire.http2.overhead`). Raises
        ConnectionFault for the one that is too many."""
        if not self._overhead.spend(self._delegate.now(), tokens, EARNED * self.opened() + self.earned):
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, too_much(kind))

    def _owe_reply(self) -> None:
        """Count a frame that demands a reply. Raises ConnectionFault if too many replies wait."""
        if self._writing_paused:
            self._unread_replies += 1
            if self._unread_replies > _MOST_UNREAD_REPLIES:
                raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, f"over {_MOST_UNREAD_REPLIES} replies that the peer does not read")

    def _advance(self, event: ConnectionEvent) -> None:
        state = CONNECTION_TRANSITIONS.get((self.state, event))
        if state is None:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"{event.name} is illegal in state {self.state.name}")
        self.state = state

    def _control(self, kind: int, stream_id: int, flags: int, payload: bytes) -> None:
        if kind != RST_STREAM:
            self._count_overhead(kind)
        if kind == WINDOW_UPDATE:
            self._window_update(stream_id, payload)
        elif kind == PING:
            self._ping(stream_id, flags, payload)
        elif kind == RST_STREAM:
            self._rst_stream(stream_id, payload)
        elif kind == SETTINGS:
            self._settings(stream_id, flags, payload)
        elif kind == GOAWAY:
            self._goaway(stream_id, payload)
        elif kind == PRIORITY:
            self._priority(stream_id, payload)
        elif kind == PUSH_PROMISE:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE, which is disabled")
        # Frames of unknown types are ignored (RFC 9113, section 5.5).

    def _window_update(self, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"WINDOW_UPDATE of {len(payload)} bytes")
        increment = int.from_bytes(payload, "big") & MAX_WINDOW
        if stream_id == 0:
            self.send_window += increment
            if increment == 0:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
            if self.send_window > MAX_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window exceeds 2**31-1")
            self.resume_all()
            return
        stream = self.streams.get(stream_id)
        if stream is None:
            self._refuse_if_idle(stream_id, "WINDOW_UPDATE")
            return  # the stream has ended, and the update was on its way
        if increment == 0:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
        own = stream.own_window + increment
        if own + self.peer_initial_window > MAX_WINDOW:
            raise StreamFault(stream_id, ErrorCode.FLOW_CONTROL_ERROR, "the stream's window exceeds 2**31-1")
        stream.own_window = own
        self._largest_own = max(self._largest_own, own)
        self.resume(stream)

    def _ping(self, stream_id: int, flags: int, payload: bytes) -> None:
        _connection_only(stream_id, "PING")
        if len(payload) != _LONGEST_PAYLOAD_OF_PING:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"PING of {len(payload)} bytes")
        if flags & ACK:
            self._delegate.pinged(payload)
        else:
            self._owe_reply()
            self.out.append(frames.frame(PING, ACK, 0, payload))

    def _rst_stream(self, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"RST_STREAM of {len(payload)} bytes")
        stream = self.streams.get(stream_id)
        if stream is None:
            self._refuse_if_idle(stream_id, "RST_STREAM")
            self._count_overhead(RST_STREAM)
            return
        code = int.from_bytes(payload, "big")
        self._count_reset(stream_id)
        self.forget(stream)
        stream.reset_received(code, f"the peer reset the stream: {error_name(code)}")

    def _settings(self, stream_id: int, flags: int, payload: bytes) -> None:
        _connection_only(stream_id, "SETTINGS")
        if len(payload) > _MOST_PARAMETERS * 6:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, f"over {_MOST_PARAMETERS} parameters in a frame of SETTINGS")
        if flags & ACK:
            if payload:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS with a payload")
            return
        if len(payload) % 6:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
        window = self.peer_initial_window
        for key, value in frames.read_settings(payload):
            if key == Setting.INITIAL_WINDOW_SIZE:
                if value > MAX_WINDOW:
                    raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, f"INITIAL_WINDOW_SIZE is {value}")
                window = value  # only the last one that a frame names counts
            else:
                self._setting(key, value)
        self._advance(ConnectionEvent.SETTINGS)
        self._owe_reply()
        # Before the data that a larger window lets go: C-core takes data ahead of the acknowledgement for an overflow.
        self.out.append(frames.frame(SETTINGS, ACK, 0))
        if window != self.peer_initial_window:
            self._peer_window_changed(window)
        self._delegate.ready()

    def _setting(self, key: int, value: int) -> None:
        if key == Setting.HEADER_TABLE_SIZE:
            self._encoder.set_peer_max_table_size(value)
        elif key == Setting.ENABLE_PUSH:
            if value > self.most_enable_push:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"ENABLE_PUSH is {value}")
        elif key == Setting.MAX_CONCURRENT_STREAMS:
            self.peer_max_streams = value
        elif key == Setting.MAX_FRAME_SIZE:
            if not DEFAULT_MAX_FRAME_SIZE <= value <= LARGEST_MAX_FRAME_SIZE:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"MAX_FRAME_SIZE is {value}")
            self.peer_max_frame = value
        elif key == Setting.MAX_HEADER_LIST_SIZE:
            self.peer_max_header_list = value

    def _peer_window_changed(self, value: int) -> None:
        # Nothing here is done for each stream, or one frame of 15 bytes would cost as much as all streams are (3 MB took seconds).
        if value + self._largest_own > MAX_WINDOW:
            self._largest_own = max((stream.own_window for stream in self.streams.values()), default=0)
            if value + self._largest_own > MAX_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE takes a stream's window over 2**31-1")
        if value > self.peer_initial_window:
            self._grown = True
        self.peer_initial_window = value

    def _goaway(self, stream_id: int, payload: bytes) -> None:
        _connection_only(stream_id, "GOAWAY")
        if len(payload) < 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes")
        last = int.from_bytes(payload[:4], "big") & MAX_STREAM_ID
        code = int.from_bytes(payload[4:8], "big")
        debug = payload[8 : 8 + _MOST_DEBUG].decode("utf-8", "replace")
        self.going_away(last, f"the peer is going away: {error_name(code)}" + (f", {debug}" if debug else ""))

    def _priority(self, stream_id: int, payload: bytes) -> None:
        if stream_id == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY on stream 0")
        if len(payload) != 5:
            raise StreamFault(stream_id, ErrorCode.FRAME_SIZE_ERROR, f"PRIORITY of {len(payload)} bytes")
        if int.from_bytes(payload[:4], "big") & MAX_STREAM_ID == stream_id:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "a stream that depends on itself")

    def _refuse_if_idle(self, stream_id: int, what: str) -> None:
        if self.is_idle(stream_id):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"{what} on stream {stream_id}, which is idle")


def _connection_only(stream_id: int, what: str) -> None:
    if stream_id != 0:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"{what} on stream {stream_id}; it concerns the connection")
