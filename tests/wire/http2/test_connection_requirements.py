"""What a peer may not do, requirement by requirement of RFC 9113 and RFC 7541, and what it is told. Each case names its section, so that
a reader with the standards beside this finds what is held and where; a client's are those that h2spec, too, thinks of.

"connection" is an error that ends the connection with GOAWAY, "stream" one that ends the stream with RST_STREAM and nothing else.
"""

import struct
from typing import Final, Literal

import pytest

from tests.wire.http2.recording import REQUEST, ClientEnd, ServerEnd, block, continuation, data, headers
from towpath._wire.http2 import ErrorCode, Limits
from towpath._wire.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)

Scope = Literal["connection", "stream"]

PADDED: Final = 0x8
PUSH_PROMISE: Final = 5
UNKNOWN: Final = 0x42

PROTOCOL, FRAME_SIZE, FLOW = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR, ErrorCode.FLOW_CONTROL_ERROR
CLOSED, COMPRESSION = ErrorCode.STREAM_CLOSED, ErrorCode.COMPRESSION_ERROR

OPEN: Final = headers(1, block(*REQUEST))
WHOLE: Final = headers(1, block(*REQUEST), end_stream=True)
BEGUN: Final = headers(1, block(*REQUEST), end_headers=False)


def setting(key: int, value: int) -> bytes:
    return frame(SETTINGS, 0, 0, struct.pack(">HI", key, value))


def request(*fields: tuple[bytes, bytes], without: bytes = b"") -> bytes:
    """A request with more fields, or without one."""
    return headers(1, block(*(field for field in REQUEST if field[0] != without), *fields), end_stream=True)


def window(stream_id: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


VIOLATIONS: Final[list[tuple[str, list[bytes], ErrorCode, Scope]]] = [
    ("4.2 a DATA frame larger than SETTINGS_MAX_FRAME_SIZE", [OPEN, data(1, bytes(16_385))], FRAME_SIZE, "connection"),
    ("4.2 a HEADERS frame larger than it", [headers(1, bytes(16_385))], FRAME_SIZE, "connection"),
    ("4.3 another type of frame within a header block", [BEGUN, frame(PRIORITY, 0, 1, bytes(5))], PROTOCOL, "connection"),
    ("4.3 HEADERS of another stream within a header block", [BEGUN, headers(3, block(*REQUEST))], PROTOCOL, "connection"),
    ("4.3 CONTINUATION of another stream", [BEGUN, continuation(3, b"", end_headers=True)], PROTOCOL, "connection"),
    ("5.1 DATA on an idle stream", [data(1, b"x")], PROTOCOL, "connection"),
    ("5.1 RST_STREAM on an idle stream", [frame(RST_STREAM, 0, 1, bytes(4))], PROTOCOL, "connection"),
    ("5.1 WINDOW_UPDATE on an idle stream", [window(1, 1)], PROTOCOL, "connection"),
    ("5.1 CONTINUATION on an idle stream", [continuation(1, b"", end_headers=True)], PROTOCOL, "connection"),
    ("5.1 DATA after the end of the stream", [WHOLE, data(1, b"x")], CLOSED, "stream"),
    ("5.1 HEADERS after the end of the stream", [WHOLE, headers(1, block((b"a", b"b")), end_stream=True)], CLOSED, "stream"),
    ("5.1 CONTINUATION after the end of the stream", [WHOLE, continuation(1, b"", end_headers=True)], PROTOCOL, "connection"),
    ("5.1 DATA after RST_STREAM", [OPEN, frame(RST_STREAM, 0, 1, bytes(4)), data(1, b"x")], CLOSED, "stream"),
    (
        "5.1 HEADERS after RST_STREAM",
        [OPEN, frame(RST_STREAM, 0, 1, bytes(4)), headers(1, block((b"a", b"b")), end_stream=True)],
        CLOSED,
        "connection",
    ),
    ("5.1.1 a stream with an even id", [headers(2, block(*REQUEST))], PROTOCOL, "connection"),
    ("5.1.1 an id smaller than the last one", [headers(5, block(*REQUEST)), headers(3, block(*REQUEST))], PROTOCOL, "connection"),
    ("5.5 an unknown frame within a header block", [BEGUN, frame(UNKNOWN, 0, 0, b"")], PROTOCOL, "connection"),
    ("6.1 DATA on stream 0", [data(0, b"x")], PROTOCOL, "connection"),
    ("6.1 padding as long as the DATA frame", [OPEN, frame(DATA, PADDED, 1, b"\x05abcd")], PROTOCOL, "connection"),
    ("6.2 HEADERS on stream 0", [headers(0, block(*REQUEST))], PROTOCOL, "connection"),
    (
        "6.2 padding longer than the HEADERS frame",
        [frame(HEADERS, PADDED | END_HEADERS, 1, b"\xff" + block(*REQUEST))],
        PROTOCOL,
        "connection",
    ),
    ("6.3 PRIORITY on stream 0", [frame(PRIORITY, 0, 0, bytes(5))], PROTOCOL, "connection"),
    ("6.3 PRIORITY of another size than 5", [OPEN, frame(PRIORITY, 0, 1, bytes(4))], FRAME_SIZE, "stream"),
    ("6.4 RST_STREAM on stream 0", [frame(RST_STREAM, 0, 0, bytes(4))], PROTOCOL, "connection"),
    ("6.4 RST_STREAM of another size than 4", [OPEN, frame(RST_STREAM, 0, 1, bytes(3))], FRAME_SIZE, "connection"),
    ("6.5 SETTINGS on a stream", [frame(SETTINGS, 0, 1, b"")], PROTOCOL, "connection"),
    ("6.5 SETTINGS of a size that is no multiple of 6", [frame(SETTINGS, 0, 0, bytes(5))], FRAME_SIZE, "connection"),
    ("6.5 an acknowledgement with a payload", [frame(SETTINGS, ACK, 0, bytes(6))], FRAME_SIZE, "connection"),
    ("6.5.2 SETTINGS_ENABLE_PUSH beyond 1", [setting(2, 2)], PROTOCOL, "connection"),
    ("6.5.2 SETTINGS_INITIAL_WINDOW_SIZE beyond 2^31-1", [setting(4, 2**31)], FLOW, "connection"),
    ("6.5.2 SETTINGS_MAX_FRAME_SIZE below 16,384", [setting(5, 16_383)], PROTOCOL, "connection"),
    ("6.5.2 SETTINGS_MAX_FRAME_SIZE beyond 2^24-1", [setting(5, 2**24)], PROTOCOL, "connection"),
    ("6.6 PUSH_PROMISE from a client", [OPEN, frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4))], PROTOCOL, "connection"),
    ("6.7 PING on a stream", [frame(PING, 0, 1, bytes(8))], PROTOCOL, "connection"),
    ("6.7 PING of another size than 8", [frame(PING, 0, 0, bytes(7))], FRAME_SIZE, "connection"),
    ("6.8 GOAWAY on a stream", [frame(GOAWAY, 0, 1, bytes(8))], PROTOCOL, "connection"),
    ("6.9 an increment of 0 for the connection", [window(0, 0)], PROTOCOL, "connection"),
    ("6.9 an increment of 0 for a stream", [OPEN, window(1, 0)], PROTOCOL, "stream"),
    ("6.9 WINDOW_UPDATE of another size than 4", [frame(WINDOW_UPDATE, 0, 0, bytes(3))], FRAME_SIZE, "connection"),
    ("6.9.1 a connection's window beyond 2^31-1", [window(0, 2**31 - 1)], FLOW, "connection"),
    ("6.9.1 a stream's window beyond 2^31-1", [OPEN, window(1, 2**31 - 1)], FLOW, "stream"),
    ("6.9.2 a stream's window beyond it by a new initial size", [OPEN, window(1, 2**30), setting(4, 2**31 - 1)], FLOW, "connection"),
    ("6.10 CONTINUATION on stream 0", [BEGUN, continuation(0, b"", end_headers=True)], PROTOCOL, "connection"),
    ("6.10 CONTINUATION after END_HEADERS", [OPEN, continuation(1, b"", end_headers=True)], PROTOCOL, "connection"),
    ("6.10 CONTINUATION after DATA", [OPEN, data(1, b"x"), frame(CONTINUATION, END_HEADERS, 1, b"")], PROTOCOL, "connection"),
    ("8.1 a second HEADERS frame that does not end the stream", [OPEN, headers(1, block((b"a", b"b")))], PROTOCOL, "stream"),
    ("8.1.1 more data than content-length", [headers(1, block(*REQUEST, (b"content-length", b"1"))), data(1, b"xx")], PROTOCOL, "stream"),
    (
        "8.1.1 less data than content-length",
        [headers(1, block(*REQUEST, (b"content-length", b"3"))), data(1, b"x"), data(1, b"x", end_stream=True)],
        PROTOCOL,
        "stream",
    ),
    ("8.2 a field name in upper case", [request((b"X-Test", b"ok"))], PROTOCOL, "stream"),
    ("8.2.1 a field name with a space", [request((b"x test", b"ok"))], PROTOCOL, "stream"),
    ("8.2.1 a field value with a line feed", [request((b"x-test", b"a\nb"))], PROTOCOL, "stream"),
    ("8.2.1 a field value that begins with a space", [request((b"x-test", b" a"))], PROTOCOL, "stream"),
    ("8.2.2 a field of one connection", [request((b"connection", b"keep-alive"))], PROTOCOL, "stream"),
    ("8.2.2 te with anything but trailers", [request((b"te", b"trailers, deflate"))], PROTOCOL, "stream"),
    ("8.3 an unknown pseudo-header field", [request((b":test", b"ok"))], PROTOCOL, "stream"),
    ("8.3 a pseudo-header field of responses", [request((b":status", b"200"))], PROTOCOL, "stream"),
    (
        "8.3 a pseudo-header field after a regular one",
        [headers(1, block((b"x-test", b"ok"), *REQUEST), end_stream=True)],
        PROTOCOL,
        "stream",
    ),
    ("8.1 a pseudo-header field in trailers", [OPEN, headers(1, block((b":method", b"POST")), end_stream=True)], PROTOCOL, "stream"),
    ("8.3.1 no :method", [request(without=b":method")], PROTOCOL, "stream"),
    ("8.3.1 no :scheme", [request(without=b":scheme")], PROTOCOL, "stream"),
    ("8.3.1 no :path", [request(without=b":path")], PROTOCOL, "stream"),
    ("8.3.1 an empty :path", [headers(1, block(*REQUEST[:2], (b":path", b""), REQUEST[3]), end_stream=True)], PROTOCOL, "stream"),
    ("8.3.1 :method twice", [headers(1, block(REQUEST[0], *REQUEST), end_stream=True)], PROTOCOL, "stream"),
    ("RFC 7541 2.3.3 an index beyond both tables", [headers(1, b"\xbe")], COMPRESSION, "connection"),
    ("RFC 7541 6.1 the index 0", [headers(1, b"\x80")], COMPRESSION, "connection"),
    ("RFC 7541 4.2 a new table size after a field", [headers(1, block(*REQUEST) + b"\x20")], COMPRESSION, "connection"),
    ("RFC 7541 6.3 a table size beyond what was allowed", [headers(1, b"\x3f\xe2\x1f" + block(*REQUEST))], COMPRESSION, "connection"),
    ("RFC 7541 5.2 padding of eight bits", [headers(1, b"\x00\x83\x64\x02\xff\x00")], COMPRESSION, "connection"),
    ("RFC 7541 5.2 padding that is not of ones", [headers(1, b"\x00\x83\xf2\xb2\x40\x00")], COMPRESSION, "connection"),
    ("RFC 7541 5.2 the symbol EOS", [headers(1, b"\x00\x84\xff\xff\xff\xff\x00")], COMPRESSION, "connection"),
    ("RFC 7541 5.1 an integer without an end", [headers(1, b"\xff" + b"\xff" * 20)], COMPRESSION, "connection"),
    ("RFC 7541 5.2 a string longer than the block", [headers(1, b"\x00\x7eshort")], COMPRESSION, "connection"),
]


@pytest.mark.parametrize(("pieces", "code", "scope"), [case[1:] for case in VIOLATIONS], ids=[case[0] for case in VIOLATIONS])
def test_a_violation_is_answered_as_the_section_says(pieces: list[bytes], code: ErrorCode, scope: Scope) -> None:
    end = ServerEnd()
    end.feed(*pieces)
    if scope == "connection":
        assert end.failed_with(code)
    else:
        assert end.reset_with(1, code)
        end.feed(headers(7, block(*REQUEST)))
        assert end.owner.streams[-1].id == 7, "the connection takes further streams"


ANSWER: Final = headers(1, block((b":status", b"200")))

SERVERS: Final[list[tuple[str, list[bytes], ErrorCode, Scope]]] = [
    ("5.1 DATA on a stream that was never opened", [data(3, b"x")], PROTOCOL, "connection"),
    ("5.1 HEADERS on a stream that was never opened", [headers(3, block((b":status", b"200")))], PROTOCOL, "connection"),
    ("5.1.1 a stream that the server opens", [headers(2, block((b":status", b"200")))], PROTOCOL, "connection"),
    ("5.1 RST_STREAM on an idle stream", [frame(RST_STREAM, 0, 9, bytes(4))], PROTOCOL, "connection"),
    ("6.5.2 SETTINGS_ENABLE_PUSH of 1 from a server", [setting(2, 1)], PROTOCOL, "connection"),
    ("6.6 PUSH_PROMISE though pushing is disabled", [frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4))], PROTOCOL, "connection"),
    ("6.9 more DATA than the stream's window", [ANSWER, *[data(1, bytes(16_384))] * 17], FLOW, "stream"),
    ("8.1 DATA before the head", [data(1, b"x")], PROTOCOL, "stream"),
    ("8.1 an informational response that ends the stream", [headers(1, block((b":status", b"103")), end_stream=True)], PROTOCOL, "stream"),
    ("8.1 trailers that do not end the stream", [ANSWER, headers(1, block((b"grpc-status", b"0")))], PROTOCOL, "stream"),
    ("8.1 a pseudo-header field in trailers", [ANSWER, headers(1, block((b":status", b"200")), end_stream=True)], PROTOCOL, "stream"),
    (
        "8.1.1 more data than content-length",
        [headers(1, block((b":status", b"200"), (b"content-length", b"1"))), data(1, b"xx")],
        PROTOCOL,
        "stream",
    ),
    ("8.2 a field name in upper case", [headers(1, block((b":status", b"200"), (b"X-Test", b"ok")))], PROTOCOL, "stream"),
    ("8.2.2 a field of one connection", [headers(1, block((b":status", b"200"), (b"connection", b"close")))], PROTOCOL, "stream"),
    ("8.3 a pseudo-header field of requests", [headers(1, block((b":status", b"200"), (b":path", b"/")))], PROTOCOL, "stream"),
    ("8.3.2 no :status", [headers(1, block((b"content-type", b"application/grpc")))], PROTOCOL, "stream"),
    ("8.3.2 :status twice", [headers(1, block((b":status", b"200"), (b":status", b"200")))], PROTOCOL, "stream"),
    ("8.3.2 a :status that is no number", [headers(1, block((b":status", b"ok")))], PROTOCOL, "stream"),
    ("RFC 7541 2.3.3 an index beyond both tables", [headers(1, b"\xbe")], COMPRESSION, "connection"),
]


@pytest.mark.parametrize(("pieces", "code", "scope"), [case[1:] for case in SERVERS], ids=[case[0] for case in SERVERS])
def test_a_servers_violation_is_answered_as_the_section_says(pieces: list[bytes], code: ErrorCode, scope: Scope) -> None:
    end = ClientEnd()
    end.call(end_stream=True)
    events = end.feed(*pieces)
    if scope == "connection":
        assert end.failed_with(code)
    else:
        assert end.reset_with(1, code)
        assert events[-1][:2] == ("reset", 1), "the call is told"
        assert end.connection.can_open()


@pytest.mark.parametrize(
    ("section", "pieces"),
    [
        ("4.1 flags that are not defined", [frame(PING, 0xFE, 0, bytes(8))]),
        ("5.1 PRIORITY on an idle stream", [frame(PRIORITY, 0, 9, bytes(5))]),
        ("5.1 PRIORITY on a stream that has ended", [WHOLE, frame(RST_STREAM, 0, 1, bytes(4)), frame(PRIORITY, 0, 1, bytes(5))]),
        ("5.1 WINDOW_UPDATE after the end of the stream", [WHOLE, window(1, 1)]),
        ("5.1 RST_STREAM after RST_STREAM", [OPEN, frame(RST_STREAM, 0, 1, bytes(4)), frame(RST_STREAM, 0, 1, bytes(4))]),
        ("5.5 an unknown type of frame", [frame(UNKNOWN, 0xFF, 0, b"whatever")]),
        ("6.5.2 an unknown setting", [setting(0x99, 1)]),
        ("6.7 an acknowledgement of no question", [frame(PING, ACK, 0, bytes(8))]),
        ("6.8 GOAWAY with an unknown code", [frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0x99))]),
        ("7 RST_STREAM with an unknown code", [OPEN, frame(RST_STREAM, 0, 1, struct.pack(">I", 0x99))]),
        ("8.1 a head in CONTINUATION frames", [BEGUN, continuation(1, b"", end_headers=False), continuation(1, b"", end_headers=True)]),
        ("8.1 trailers", [OPEN, data(1, b"x"), headers(1, block((b"a", b"b")), end_stream=True)]),
        ("RFC 7541 4.2 new table sizes at the beginning of a block", [headers(1, b"\x20\x3f\x01" + block(*REQUEST))]),
    ],
)
def test_what_is_allowed_or_to_be_ignored_is_no_violation(section: str, pieces: list[bytes]) -> None:
    end = ServerEnd()
    end.feed(*pieces)
    assert end.owner.reasons == [], section
    end.feed(frame(PING, 0, 0, b"are you?"))
    last = end.sent()[-1]
    assert (last.kind, last.flags, last.payload) == (PING, ACK, b"are you?")


@pytest.mark.parametrize("preface", [b"GET / HTTP/1.1\r\n\r\n", PREFACE[:-1] + b"x", PREFACE + frame(PING, 0, 0, bytes(8))])
def test_what_is_no_preface_ends_the_connection(preface: bytes) -> None:
    """Section 3.4: the client's magic, and then SETTINGS."""
    end = ServerEnd(begun=False)
    end.feed(preface)
    assert end.failed_with(PROTOCOL)


def test_streams_beyond_the_limit_are_refused() -> None:
    """Section 5.1.2."""
    end = ServerEnd(Limits(max_concurrent_streams=2))
    for stream_id in (1, 3, 5):
        end.feed(headers(stream_id, block(*REQUEST)))
    assert end.reset_with(5, ErrorCode.REFUSED_STREAM)


def test_settings_and_pings_are_acknowledged() -> None:
    """Sections 6.5.3 and 6.7."""
    end = ServerEnd()
    end.feed(setting(4, 1), frame(PING, 0, 0, b"question"))
    assert [(each.kind, each.flags, each.payload) for each in end.sent()] == [(SETTINGS, ACK, b""), (PING, ACK, b"question")]


def test_the_end_of_a_stream_may_come_in_an_empty_frame() -> None:
    """Section 6.1."""
    end = ServerEnd()
    events = end.feed(OPEN, frame(DATA, END_STREAM, 1, b""))
    assert events[-1] == ("data", 1, b"", True)
