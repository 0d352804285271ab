"""The sending half: what fits the peer's windows goes at once, the rest in turn (RFC 9113 5.2, 6.9), and nothing out of order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.http2.recording import (
    REQUEST_TEMPLATE,
    RESPONSE_TEMPLATE,
    TRAILERS,
    TRAILERS_TEMPLATE,
    ClientEnd,
    Frame,
    RecordingStream,
    ServerEnd,
    body_of,
)
from towpath._wire.hpack import Decoder, literal
from towpath._wire.http.fields import Template
from towpath._wire.http2 import ErrorCode, IllegalSend
from towpath._wire.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    Setting,
    rst_stream,
    settings,
    window_update,
)
from towpath._wire.http2.states import StreamState

LARGE = b"x" * 20_000
"""Larger than a frame may be."""
INDEXED = Template((b":status", b"200"))
"""A section of one byte, 0x88 (RFC 7541, appendix A)."""
PLAIN = literal(b"x", b"y")


def sending(count: int = 1, *, window: int = 65_535, connection_window: int = 65_535) -> tuple[ServerEnd, list[RecordingStream]]:
    """A server that has taken requests and sent the heads of their answers, with little room at the peer."""
    server = ServerEnd()
    server.feed(settings([(Setting.INITIAL_WINDOW_SIZE, window)]))
    server.connection.send_window = connection_window
    streams = [server.request(1 + 2 * number, end_stream=True) for number in range(count)]
    for stream in streams:
        server.connection.send_head(stream, b"head", end_stream=False)
    server.connection.take()
    return server, streams


def turns(sent: list[Frame]) -> list[int]:
    return [each.stream_id for each in sent if each.kind == DATA]


class TestEncode:
    def test_names_a_template_by_index_from_the_second_time_on(self) -> None:
        connection, decoder = ClientEnd().connection, Decoder()
        first, second, third = (connection.encode(REQUEST_TEMPLATE) for _ in range(3))
        assert len(second) < len(first) / 4
        assert third is second
        for block in (first, second, third):
            found = decoder.decode(block)
            assert (*found.known.fields, *found.extra) == REQUEST_TEMPLATE.fields

    def test_appends_literals_to_any(self) -> None:
        connection, decoder = ClientEnd().connection, Decoder()
        for _ in range(3):
            found = decoder.decode(connection.encode(REQUEST_TEMPLATE, literal(b"x", b"y")))
            assert (*found.known.fields, *found.extra) == (*REQUEST_TEMPLATE.fields, (b"x", b"y"))

    def test_knows_when_the_table_has_moved_on(self) -> None:
        connection, decoder = ClientEnd().connection, Decoder()
        templates = [Template((b"x-common", b"0"), (f"x-{number}".encode(), b"value")) for number in range(5)]
        for template in templates * 3:
            found = decoder.decode(connection.encode(template))
            assert (*found.known.fields, *found.extra) == template.fields


class TestSendWhole:
    def test_of_a_client_ends_with_its_body(self) -> None:
        client = ClientEnd()
        stream = RecordingStream(client.connection, [])
        client.connection.open(stream)
        client.connection.send_whole(stream, b"head", b"body", None)
        assert client.sent() == [Frame(HEADERS, END_HEADERS, 1, b"head"), Frame(DATA, END_STREAM, 1, b"body")]
        assert stream.state == StreamState.HALF_CLOSED_LOCAL
        assert client.connection.send_window == stream.send_window == 65_531

    def test_of_a_server_ends_with_its_trailers(self) -> None:
        server = ServerEnd()
        stream = server.request(end_stream=True)
        server.connection.send_whole(stream, b"head", b"body", INDEXED, PLAIN)
        assert server.sent() == [
            Frame(HEADERS, END_HEADERS, 1, b"head"),
            Frame(DATA, 0, 1, b"body"),
            Frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x88" + PLAIN),
        ]
        assert stream.state == StreamState.CLOSED
        assert server.connection.streams == {}

    def test_may_end_before_the_request(self) -> None:
        server = ServerEnd()
        stream = server.request()
        server.connection.send_whole(stream, b"head", b"body", TRAILERS_TEMPLATE)
        assert stream.state == StreamState.HALF_CLOSED_LOCAL
        assert server.connection.streams == {1: stream}

    def test_continues_a_large_head_and_large_trailers(self) -> None:
        server = ServerEnd()
        server.connection.send_whole(server.request(1, end_stream=True), LARGE, b"body", INDEXED)
        server.connection.send_whole(server.request(3, end_stream=True), b"head", b"body", INDEXED, LARGE)
        sent = server.sent()
        assert [each.kind for each in sent] == [HEADERS, CONTINUATION, DATA, HEADERS, HEADERS, DATA, HEADERS, CONTINUATION]
        assert sent[6].flags == END_STREAM
        assert server.connection.streams == {}

    def test_cuts_a_body_over_a_frame(self) -> None:
        server = ServerEnd()
        server.connection.send_whole(server.request(end_stream=True), b"head", LARGE, None)
        assert [(each.kind, len(each.payload), each.flags) for each in server.sent()] == [
            (HEADERS, 4, END_HEADERS),
            (DATA, 16_384, 0),
            (DATA, 20_000 - 16_384, END_STREAM),
        ]

    @pytest.mark.parametrize("trailers", [None, TRAILERS_TEMPLATE])
    def test_sends_what_fits_a_window_and_the_rest_later(self, trailers: Template | None) -> None:
        server = ServerEnd()
        server.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 3)]))
        stream = server.request(end_stream=True)
        server.connection.send_whole(stream, b"head", b"body", trailers, PLAIN)
        assert body_of(server.sent(), 1) == b"bod"
        assert stream.queued == 1
        server.feed(window_update(1, 1))
        last = server.sent()[-1]
        expected = b"y" if trailers is None else literal(*TRAILERS[0]) + PLAIN
        assert (last.payload, last.flags & END_STREAM) == (expected, END_STREAM)
        assert stream.queued == 0
        assert stream.state == StreamState.CLOSED

    def test_on_a_stream_that_has_ended_is_illegal(self) -> None:
        server = ServerEnd()
        stream = server.request()
        stream.reset(ErrorCode.CANCEL)
        with pytest.raises(IllegalSend, match="a head cannot be sent on stream 1"):
            server.connection.send_whole(stream, b"head", b"body", None)


class TestSendBody:
    def test_of_no_size_ends_the_stream_whatever_the_window(self) -> None:
        server, (stream,) = sending(window=0)
        server.connection.send_body(stream, b"", end_stream=True)
        assert server.sent() == [Frame(DATA, END_STREAM, 1, b"")]

    def test_of_no_size_needs_no_window_even_if_that_is_negative(self) -> None:
        for trailers in (None, b"trailers"):
            server, (stream,) = sending()
            server.connection.send_body(stream, bytes(10), end_stream=False)
            server.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 0)]))
            assert stream.send_window == -10
            server.connection.take()
            server.connection.send_body(stream, b"", end_stream=trailers is None, trailers=trailers)
            (last,) = server.sent()
            assert last.flags & END_STREAM
            assert last.payload == (trailers or b"")

    def test_of_no_size_that_ends_nothing_sends_nothing(self) -> None:
        server, (stream,) = sending()
        server.connection.send_body(stream, b"", end_stream=False)
        assert server.sent() == []

    def test_in_pieces_waits_in_order(self) -> None:
        server, (stream,) = sending(window=5)
        server.connection.send_body(stream, b"one", end_stream=False)
        server.connection.send_body(stream, b"two", end_stream=False)
        server.connection.send_body(stream, b"three", end_stream=False)
        server.connection.send_body(stream, b"", end_stream=False, trailers=b"trailers")
        assert body_of(server.sent(), 1) == b"onetw"
        assert stream.queued == 6
        server.feed(window_update(1, 100))
        sent = server.sent()
        assert body_of(sent, 1) == b"othree"
        assert sent[-1] == Frame(HEADERS, END_HEADERS | END_STREAM, 1, b"trailers")

    def test_tells_when_all_that_waited_has_gone(self) -> None:
        server, (stream,) = sending(window=5)
        server.connection.send_body(stream, b"123456", end_stream=False)
        assert server.owner.events == []
        server.feed(window_update(1, 1))
        assert server.owner.events == [("drained", 1)]

    def test_that_waits_is_dropped_with_its_stream(self) -> None:
        server, (stream,) = sending(window=0)
        server.connection.send_body(stream, b"never", end_stream=True)
        server.feed(rst_stream(1, ErrorCode.CANCEL), window_update(0, 100))
        assert server.sent() == []
        assert stream.queued == 0

    @pytest.mark.parametrize("trailers", [None, b"trailers"])
    def test_after_the_end_is_illegal(self, trailers: bytes | None) -> None:
        for window in (0, 100):
            server, (stream,) = sending(window=window)
            server.connection.send_body(stream, b"x", end_stream=trailers is None, trailers=trailers)
            with pytest.raises(IllegalSend, match="data cannot be sent on stream 1"):
                server.connection.send_body(stream, b"y", end_stream=True)

    def test_that_ends_twice_is_illegal(self) -> None:
        server, (stream,) = sending(window=100)
        with pytest.raises(IllegalSend, match="either the data or the trailers end stream 1, not both"):
            server.connection.send_body(stream, b"x", end_stream=True, trailers=b"")

    def test_before_the_head_is_illegal(self) -> None:
        client = ClientEnd()
        stream = RecordingStream(client.connection, [])
        client.connection.open(stream)
        with pytest.raises(IllegalSend, match="in state 0"):
            client.connection.send_body(stream, b"x", end_stream=True)

    def test_in_pieces_is_illegal_where_a_whole_body_is(self) -> None:
        client = ClientEnd()
        stream = RecordingStream(client.connection, [])
        client.connection.open(stream)
        with pytest.raises(IllegalSend, match="in state 0"):
            client.connection.send_piece(stream, b"x")

    def test_in_pieces_waits_for_room_and_keeps_its_order(self) -> None:
        server, (stream,) = sending(window=3)
        server.connection.send_piece(stream, b"ab")
        server.connection.send_piece(stream, b"cd")
        server.connection.send_piece(stream, b"e")
        assert body_of(server.sent(), 1) == b"abc"
        server.feed(window_update(1, 100), window_update(0, 100))
        assert body_of(server.sent(), 1) == b"de"

    def test_before_a_head_that_follows_is_illegal(self) -> None:
        server, (stream,) = sending(window=0)
        server.connection.send_body(stream, b"x", end_stream=False)
        with pytest.raises(IllegalSend, match="a head cannot be sent"):
            server.connection.send_head(stream, b"trailers", end_stream=True)


class TestConnectionWindow:
    def test_is_shared_frame_by_frame(self) -> None:
        server, streams = sending(3, window=2**20, connection_window=0)
        for stream in streams:
            server.connection.send_body(stream, bytes(40_000), end_stream=True)
        server.feed(window_update(0, 2**20))
        sent = server.sent()
        assert turns(sent) == [1, 3, 5] * 3
        assert [len(body_of(sent, stream.id)) for stream in streams] == [40_000] * 3
        assert server.connection.streams == {}

    def test_that_is_short_gives_each_its_turn(self) -> None:
        server, streams = sending(3, window=2**20, connection_window=0)
        for stream in streams:
            server.connection.send_body(stream, bytes(100), end_stream=True)
        for expected in ([1], [3], [5], [1]):
            server.feed(window_update(0, 10))
            assert turns(server.sent()) == expected

    def test_does_not_wait_for_a_stream_that_waits_for_its_own(self) -> None:
        server, (one, other) = sending(2, window=10, connection_window=0)
        server.connection.send_body(one, bytes(20), end_stream=True)
        server.connection.send_body(other, bytes(20), end_stream=True)
        server.feed(window_update(3, 10), window_update(0, 100))
        assert [(each.stream_id, len(each.payload)) for each in server.sent()] == [(1, 10), (3, 20)]
        server.feed(window_update(1, 100))
        assert [(each.stream_id, len(each.payload)) for each in server.sent()] == [(1, 10)]

    def test_has_each_stream_wait_once_however_often_it_is_resumed(self) -> None:
        server, (stream,) = sending(1, window=10, connection_window=0)
        server.connection.send_body(stream, bytes(20), end_stream=True)
        server.feed(*[window_update(1, 1)] * 5)
        assert list(server.connection.starved) == [stream]

    def test_keeps_no_stream_that_is_over(self) -> None:
        server, streams = sending(2, window=10, connection_window=0)
        for stream in streams:
            server.connection.send_body(stream, bytes(20), end_stream=True)
        server.feed(rst_stream(1, ErrorCode.CANCEL))
        assert list(server.connection.starved) == [streams[1]]
        server.feed(window_update(0, 100))
        assert turns(server.sent()) == [3]

    def test_skips_a_stream_whose_data_went_another_way(self) -> None:
        server, (stream, other) = sending(2, window=10, connection_window=5)
        server.connection.send_body(stream, bytes(10), end_stream=True)
        server.connection.send_body(other, bytes(10), end_stream=True)
        server.connection.send_window = 5
        server.feed(window_update(1, 1))
        assert turns(server.sent()) == [1, 1]
        server.feed(window_update(0, 5))
        assert turns(server.sent()) == [3]


class TestReset:
    def test_is_sent_once(self) -> None:
        server = ServerEnd()
        stream = server.request()
        stream.reset(ErrorCode.CANCEL)
        stream.reset(ErrorCode.CANCEL)
        assert server.sent() == [Frame(RST_STREAM, 0, 1, b"\0\0\0\x08")]

    def test_is_remembered_for_a_bounded_number_of_streams(self) -> None:
        server = ServerEnd()
        for number in range(1025):
            server.request(1 + 2 * number).reset(ErrorCode.CANCEL)
        assert len(server.connection.reset_here) == 1024
        assert 1 not in server.connection.reset_here


pieces = st.lists(st.integers(0, 40), min_size=1, max_size=4)
credit = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60)), max_size=20)


@given(st.lists(pieces, min_size=3, max_size=3), credit, st.booleans())
def test_no_window_is_ever_exceeded_and_everything_arrives_in_order(
    bodies: list[list[int]], credit: list[tuple[int, int]], ends: bool
) -> None:
    server, streams = sending(3, window=20, connection_window=30)
    wanted: dict[int, bytes] = {}
    for stream, sizes in zip(streams, bodies, strict=True):
        for place, size in enumerate(sizes):
            body = bytes([stream.id, place]) * (size // 2)
            wanted[stream.id] = wanted.get(stream.id, b"") + body
            last = place == len(sizes) - 1
            server.connection.send_body(stream, body, end_stream=last and ends, trailers=b"end" if last and not ends else None)
    windows = {0: 30} | {stream.id: 20 for stream in streams}
    arrived = dict.fromkeys(wanted, b"")
    ended: set[int] = set()

    def arrive() -> None:
        for each in server.sent():
            assert each.stream_id not in ended
            if each.kind == DATA:
                arrived[each.stream_id] += each.payload
                for window in (0, each.stream_id):
                    windows[window] -= len(each.payload)
                    assert windows[window] >= 0
            if each.flags & END_STREAM:
                ended.add(each.stream_id)

    arrive()
    for place, increment in [*credit, *((place, 1000) for place in range(4))]:
        stream_id = (0, 1, 3, 5)[place]
        windows[stream_id] += increment
        server.feed(window_update(stream_id, increment))
        arrive()
    assert arrived == wanted
    assert ended == {1, 3, 5}


def test_templates_are_told_apart_by_identity() -> None:
    connection, decoder = ServerEnd().connection, Decoder()
    for _ in range(2):
        for template in (RESPONSE_TEMPLATE, TRAILERS_TEMPLATE, Template(*TRAILERS_TEMPLATE.fields)):
            found = decoder.decode(connection.encode(template))
            assert (*found.known.fields, *found.extra) == template.fields
