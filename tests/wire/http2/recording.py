"""Connections whose events are written down, and the frames that a peer sends them, built byte by byte.

The peer's header blocks are plain literals (`block`), so a frame can be built without a compression state; where HPACK matters, a test
brings its own encoder. `End.sent` parses what the connection answers.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from towpath._wire.hpack import literal
from towpath._wire.http.fields import REQUEST as REQUEST_KIND
from towpath._wire.http.fields import Field, Section, Template
from towpath._wire.http2 import ClientConnection, ErrorCode, Limits, ServerConnection, Stream
from towpath._wire.http2.connection import Connection
from towpath._wire.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER,
    FRAME_HEADER_SIZE,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
    settings,
)
from towpath._wire.http2.states import ConnectionState

Event = tuple[Any, ...]

REQUEST: tuple[Field, ...] = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/echo.v1.EchoService/Say"), (b":authority", b"a"))
RESPONSE: tuple[Field, ...] = ((b":status", b"200"),)
TRAILERS: tuple[Field, ...] = ((b"grpc-status", b"0"),)

REQUEST_TEMPLATE = Template(*REQUEST, (b"te", b"trailers"))
RESPONSE_TEMPLATE = Template(*RESPONSE, (b"content-type", b"application/grpc"))
TRAILERS_TEMPLATE = Template(*TRAILERS)


class Frame(NamedTuple):
    """One frame as it was sent."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes


class RecordingStream(Stream):
    """Writes down what it hears. `consuming` streams give the window back at once, as a reader that keeps up does."""

    __slots__ = ("began", "consuming", "events", "received")

    def __init__(self, connection: Connection, events: list[Event], *, consuming: bool = False) -> None:
        super().__init__(connection)
        self.events = events
        self.consuming = consuming
        self.received = bytearray()
        self.began: float | None = None

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        self.events.append(("head", self.id, head.path or head.status, (*head.fields, *extra), end_stream))

    def data_received(self, data: bytes, end_stream: bool) -> None:
        self.received += data
        self.events.append(("data", self.id, data, end_stream))
        if self.consuming:
            self.consumed(len(data))

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        self.events.append(("trailers", self.id, (*trailers.fields, *extra)))

    def reset_received(self, code: int, reason: str) -> None:
        super().reset_received(code, reason)
        self.events.append(("reset", self.id, code))

    def arrived(self) -> float | None:
        return self.began

    def drained(self) -> None:
        self.events.append(("drained", self.id))


class RecordingOwner:
    """Accepts every request with a stream that records into the same list."""

    def __init__(self, *, consuming: bool = False) -> None:
        self.events: list[Event] = []
        self.streams: list[RecordingStream] = []
        self.reasons: list[str] = []
        self.consuming = consuming
        self.time = 0.0
        self.answer = b""
        """What every request is answered with at once, if that is not empty."""
        self.connection: Connection

    def ready(self) -> None:
        self.events.append(("ready",))

    def going_away(self, reason: str) -> None:
        self.events.append(("going away", reason))

    def pinged(self, payload: bytes) -> None:
        self.events.append(("pinged", payload))

    def failed(self, reason: str) -> None:
        self.reasons.append(reason)
        self.events.append(("failed",))

    def accept(self, head: Section, extra: Sequence[Field]) -> Stream | bytes:
        if self.answer:
            self.events.append(("answered",))
            return self.answer
        stream = RecordingStream(self.connection, self.events, consuming=self.consuming)
        stream.began = self.time
        self.streams.append(stream)
        return stream

    def oversized(self, fields: Sequence[Field], reason: str) -> Section:
        self.events.append(("oversized", tuple(fields), reason))
        return Section(REQUEST_KIND, {b":path": b"oversized"}, (), -1)

    def now(self) -> float:
        return self.time


class End:
    """One end of a connection with its owner; the test plays the peer."""

    def __init__(self, connection: Connection, owner: RecordingOwner) -> None:
        self.connection = owner.connection = connection
        self.owner = owner

    def feed(self, *pieces: bytes) -> list[Event]:
        """Receive the pieces; returns the events of this feed."""
        before = len(self.owner.events)
        for piece in pieces:
            self.connection.receive(piece)
            while self.connection.behind:
                self.connection.go_on()
        return self.owner.events[before:]

    def sent(self) -> list[Frame]:
        """The frames that wait to be sent."""
        return parse(self.connection.take())

    def failed_with(self, code: ErrorCode) -> bool:
        """Whether the connection just ended with this error: GOAWAY last, owner told, nothing taken afterwards."""
        last = self.sent()[-1]
        told = self.owner.events[-1] == ("failed",) and self.owner.reasons[-1].startswith(f"{code.name}: ")
        return last.kind == GOAWAY and goaway_code(last) == code and told and self.connection.state is ConnectionState.CLOSED

    def reset_with(self, stream_id: int, code: ErrorCode) -> bool:
        """Whether just this stream ended with this error, and the connection lives."""
        last = self.sent()[-1]
        alive = self.connection.state is not ConnectionState.CLOSED
        return last == Frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big")) and alive and stream_id not in self.connection.streams


class ServerEnd(End):
    """A server; with `begun`, after the exchange of settings."""

    connection: ServerConnection

    def __init__(self, limits: Limits | None = None, *, begun: bool = True, consuming: bool = False) -> None:
        owner = RecordingOwner(consuming=consuming)
        super().__init__(ServerConnection(owner, limits or Limits()), owner)
        self.connection.begin()
        if begun:
            self.feed(PREFACE, settings([]), frame(SETTINGS, ACK, 0))
            self.connection.take()
            owner.events.clear()

    def request(self, stream_id: int = 1, *, end_stream: bool = False) -> RecordingStream:
        """Let the peer open a stream, and forget that it did."""
        self.feed(headers(stream_id, block(*REQUEST), end_stream=end_stream))
        self.owner.events.clear()
        return self.owner.streams[-1]


class ClientEnd(End):
    """A client; with `begun`, after the exchange of settings."""

    connection: ClientConnection

    def __init__(self, limits: Limits | None = None, *, begun: bool = True, consuming: bool = False) -> None:
        owner = RecordingOwner(consuming=consuming)
        super().__init__(ClientConnection(owner, limits or Limits()), owner)
        self.connection.begin()
        if begun:
            self.feed(settings([]), frame(SETTINGS, ACK, 0))
            self.connection.take()
            owner.events.clear()

    def call(self, *, end_stream: bool = False) -> RecordingStream:
        """Open a stream and send its head, and forget that it was sent."""
        stream = RecordingStream(self.connection, self.owner.events, consuming=self.owner.consuming)
        self.connection.open(stream)
        self.connection.send_head(stream, self.connection.encode(REQUEST_TEMPLATE), end_stream=end_stream)
        self.connection.take()
        return stream


def parse(data: bytes) -> list[Frame]:
    """Bytes as frames, without a preface; what is left over is an error of the sender."""
    data = data.removeprefix(PREFACE)
    found: list[Frame] = []
    while data:
        word, flags, stream_id = FRAME_HEADER.unpack_from(data)
        end = FRAME_HEADER_SIZE + (word >> 8)
        assert len(data) >= end, "a frame was sent in part"
        found.append(Frame(word & 0xFF, flags, stream_id, data[FRAME_HEADER_SIZE:end]))
        data = data[end:]
    return found


def goaway_code(goaway: Frame) -> int:
    return int.from_bytes(goaway.payload[4:8], "big")


def goaway_last(goaway: Frame) -> int:
    return int.from_bytes(goaway.payload[:4], "big")


def block(*fields: Field) -> bytes:
    """A header block of literals only."""
    return b"".join(literal(name, value) for name, value in fields)


def headers(stream_id: int, payload: bytes, *, end_stream: bool = False, end_headers: bool = True, flags: int = 0) -> bytes:
    return frame(HEADERS, flags | (END_STREAM if end_stream else 0) | (END_HEADERS if end_headers else 0), stream_id, payload)


def continuation(stream_id: int, payload: bytes, *, end_headers: bool) -> bytes:
    return frame(CONTINUATION, END_HEADERS if end_headers else 0, stream_id, payload)


def data(stream_id: int, payload: bytes, *, end_stream: bool = False) -> bytes:
    return frame(DATA, END_STREAM if end_stream else 0, stream_id, payload)


def body_of(sent: Sequence[Frame], stream_id: int) -> bytes:
    """The body that these frames carry for a stream."""
    return b"".join(each.payload for each in sent if each.kind == DATA and each.stream_id == stream_id)


def exchange(one: End, other: End) -> None:
    """Carry bytes between two ends, a turn of each at a time, until neither has any left."""
    while True:
        there, back = one.connection.take(), other.connection.take()
        if not there and not back:
            return
        other.feed(there)
        one.feed(back)
