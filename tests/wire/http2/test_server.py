"""A server's end: the preface (RFC 9113 3.4), new streams (5.1.1, 5.1.2) and shutting down without losing a call (6.8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.http2.recording import (
    REQUEST,
    RESPONSE,
    TRAILERS,
    Frame,
    ServerEnd,
    block,
    continuation,
    data,
    goaway_code,
    goaway_last,
    headers,
)
from towpath._wire.hpack import Encoder, literal
from towpath._wire.http2 import ErrorCode, Limits
from towpath._wire.http2.frames import ACK, GOAWAY, PING, PREFACE, frame, settings
from towpath._wire.http2.states import ConnectionState

PATH = REQUEST[2][1]
GET = ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"))
MOST = 2**31 - 1


def goaways(server: ServerEnd) -> list[tuple[int, int]]:
    return [(goaway_last(each), goaway_code(each)) for each in server.sent() if each.kind == GOAWAY]


class TestPreface:
    @pytest.mark.parametrize("cut", range(1, len(PREFACE)))
    def test_may_be_cut_anywhere(self, cut: int) -> None:
        server = ServerEnd(begun=False)
        assert server.feed(PREFACE[:cut]) == []
        assert server.feed(PREFACE[cut:] + settings([])) == [("ready",)]

    def test_may_come_byte_by_byte(self) -> None:
        server = ServerEnd(begun=False)
        everything = PREFACE + settings([]) + headers(1, block(*REQUEST))
        assert server.feed(*(bytes([byte]) for byte in everything)) == [("ready",), ("head", 1, PATH, (), False)]

    @pytest.mark.parametrize(
        "wrong", [b"GET / HTTP/1.1\r\n\r\n", b"X", b"PRI * HTTP/1.1", PREFACE[:-1] + b"x", b"\x16\x03\x01\x02\x00\x01", settings([])]
    )
    def test_of_another_protocol_ends_the_connection(self, wrong: bytes) -> None:
        server = ServerEnd(begun=False)
        server.feed(wrong)
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_that_goes_wrong_late_ends_the_connection(self) -> None:
        server = ServerEnd(begun=False)
        server.feed(PREFACE[:10])
        server.feed(b"X")
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)


class TestNewStreams:
    def test_have_odd_ids(self) -> None:
        """Section 5.1.1."""
        server = ServerEnd()
        server.feed(headers(2, block(*REQUEST)))
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_are_not_stream_0(self) -> None:
        """Section 6.2."""
        server = ServerEnd()
        server.feed(headers(0, block(*REQUEST)))
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_may_skip_ids_but_not_go_back(self) -> None:
        """Section 5.1.1."""
        server = ServerEnd()
        assert [event[1] for event in server.feed(headers(1, block(*REQUEST)), headers(7, block(*REQUEST)))] == [1, 7]
        server.feed(headers(3, block(*REQUEST)))
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    @pytest.mark.parametrize(
        ("skipped", "code"),
        [(1, ErrorCode.PROTOCOL_ERROR), (64, ErrorCode.PROTOCOL_ERROR), (65, ErrorCode.STREAM_CLOSED), (70, ErrorCode.STREAM_CLOSED)],
    )
    def test_that_skip_very_often_are_still_refused_when_they_go_back(self, skipped: int, code: ErrorCode) -> None:
        """Which ids were skipped is remembered of the first 64; a later one passes for the id of a stream that has ended."""
        server = ServerEnd()
        for stream_id in range(3, 3 + 4 * 70, 4):
            server.feed(headers(stream_id, block(*REQUEST)))
        server.feed(headers(4 * skipped - 3, block(*REQUEST)))
        assert server.failed_with(code)

    def test_may_take_the_largest_id(self) -> None:
        server = ServerEnd()
        assert server.feed(headers(MOST, block(*REQUEST))) == [("head", MOST, PATH, (), False)]

    def test_beyond_the_limit_are_refused_and_can_be_tried_again(self) -> None:
        """Sections 5.1.2 and 8.7."""
        server = ServerEnd(Limits(max_concurrent_streams=2))
        one, _ = server.request(1), server.request(3)
        assert server.feed(headers(5, block(*REQUEST))) == []
        assert server.reset_with(5, ErrorCode.REFUSED_STREAM)
        assert server.feed(data(5, b"x"), headers(5, block(*TRAILERS), end_stream=True)) == []
        one.reset(ErrorCode.CANCEL)
        assert server.feed(headers(7, block(*REQUEST))) == [("head", 7, PATH, (), False)]

    @pytest.mark.parametrize("missing", range(3))
    def test_without_a_required_pseudo_field_are_reset(self, missing: int) -> None:
        """Section 8.3.1."""
        server = ServerEnd()
        server.feed(headers(1, block(*REQUEST[:missing], *REQUEST[missing + 1 :])))
        assert server.reset_with(1, ErrorCode.PROTOCOL_ERROR)


class TestRecurringHeads:
    """A short block that was decoded and checked before is not decoded again; it has to mean the same as if it were."""

    def test_are_one_section_with_the_same_literals(self) -> None:
        server, encoder = ServerEnd(), Encoder()
        server.feed(headers(1, encoder.encode(REQUEST)))
        indexed = encoder.encode_indexed(REQUEST)
        assert indexed is not None
        for stream_id in (3, 5, 7):
            payload = indexed + literal(b"grpc-timeout", b"2S")
            assert server.feed(headers(stream_id, payload)) == [("head", stream_id, PATH, ((b"grpc-timeout", b"2S"),), False)]
        assert len(server.connection.heads) == 1

    def test_are_decoded_each_time_if_they_change_the_table(self) -> None:
        server = ServerEnd()
        inserting = b"\x83\x86\x84" + b"\x40\x01a\x01b"  # POST, http, "/", then a literal that goes into the table (RFC 7541 6.2.1)
        for stream_id in (1, 3, 5):
            assert server.feed(headers(stream_id, inserting)) == [("head", stream_id, b"/", ((b"a", b"b"),), False)]
        entries = b"\x83\x86\x84" + b"\xbe\xbf\xc0"
        assert server.feed(headers(7, entries)) == [("head", 7, b"/", ((b"a", b"b"),) * 3, False)]

    def test_are_forgotten_when_the_table_changes(self) -> None:
        server = ServerEnd()
        server.feed(headers(1, b"\x83\x86\x84\x40\x01a\x01b"))
        newest = b"\x83\x86\x84\xbe"
        assert server.feed(headers(3, newest), headers(5, newest))[1][3] == ((b"a", b"b"),)
        server.feed(headers(7, b"\x83\x86\x84\x40\x01c\x01d"))
        assert server.feed(headers(9, newest))[0][3] == ((b"c", b"d"),)

    def test_are_checked_against_what_else_a_request_may_not_do(self) -> None:
        server = ServerEnd(Limits(max_concurrent_streams=2))
        bare = b"\x83\x86\x84"
        server.feed(headers(1, bare), headers(3, bare), headers(5, bare))
        assert server.reset_with(5, ErrorCode.REFUSED_STREAM)

    def test_are_remembered_in_a_bounded_number_and_length(self) -> None:
        server = ServerEnd(Limits(max_concurrent_streams=1000))
        for number in range(200):
            server.feed(headers(1 + 2 * number, b"\x83\x86\x84" + literal(b"x-%d" % number, b"1")))
            assert 0 < len(server.connection.heads) <= 128
            assert len(server.connection.stems) <= 128
        assert server.connection.stems
        other = ServerEnd()
        other.feed(headers(1, b"\x83\x86\x84" + literal(b"x-long", b"x" * 48)))
        assert other.connection.heads == {}
        other.feed(headers(3, b"\x83\x86\x84" + literal(b"x-long", b"x" * 48) + literal(b"x", b"y")))
        assert other.connection.stems == {}
        other.feed(headers(5, b"\x83\x86\x84" + literal(b"x-long", b"x" * 48)))
        assert len(other.connection.stems) == 1

    def test_may_differ_in_their_last_value(self) -> None:
        server = ServerEnd()
        common = b"\x83\x86\x84" + literal(b"grpc-timeout", b"2S")
        for stream_id, value in enumerate((b"00-aa-01", b"00-bb-01", b"00-c", b"\x80\xff? d01", b"00-ee-01")):
            got = server.feed(headers(2 * stream_id + 1, common + literal(b"traceparent", value)))
            assert got == [("head", 2 * stream_id + 1, b"/", ((b"grpc-timeout", b"2S"), (b"traceparent", value)), False)]

    @pytest.mark.parametrize("value", [b" 0-bb-01", b"00-bb-0\t", b"00-\0b-01", b"00-bb\r01", b"00-bb\n01"])
    def test_are_checked_in_what_differs(self, value: bytes) -> None:
        server = ServerEnd()
        for stream_id, good in ((1, b"00-aa-01"), (3, b"00-ab-01")):  # the first of its kind is not remembered up to its last value
            server.feed(headers(stream_id, b"\x83\x86\x84" + literal(b"traceparent", good)))
        assert server.connection.stems
        server.feed(headers(5, b"\x83\x86\x84" + literal(b"traceparent", value)))
        assert server.reset_with(5, ErrorCode.PROTOCOL_ERROR)

    def test_that_differ_in_a_value_of_the_head_itself_are_another_head(self) -> None:
        server = ServerEnd()
        for stream_id, size in ((1, b"10"), (3, b"20")):
            server.feed(headers(stream_id, b"\x83\x86\x84" + literal(b"content-length", size)))
            assert server.connection.streams[stream_id].content_left == int(size)

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=30), st.sampled_from([0, 90, 150, 4096]))
    def test_mean_what_was_sent_whatever_happens_to_the_table(self, calls: list[tuple[int, int, bool]], table: int) -> None:
        server, encoder = ServerEnd(), Encoder()
        encoder.set_peer_max_table_size(table)
        for number, (recurring, varying, insert) in enumerate(calls):
            fields = [*GET, (b"x-%d" % recurring, b"common")]
            literals = [(b"x-varying", b"%d" % varying)]
            payload = encoder.encode([*fields, *literals]) if insert else encoder.encode(fields, literals)
            stream_id = 1 + 2 * number
            assert server.feed(headers(stream_id, payload, end_stream=True)) == [("head", stream_id, b"/", (fields[-1], *literals), True)]
            server.owner.streams[-1].reset(ErrorCode.CANCEL)


class TestShutdown:
    """Section 6.8."""

    def test_takes_what_was_on_its_way_and_loses_nothing(self) -> None:
        server = ServerEnd()
        stream = server.request(1)
        server.connection.announce_shutdown()
        server.connection.ping(b"goodbye!")
        assert goaways(server) == [(MOST, ErrorCode.NO_ERROR)]
        assert server.connection.state is ConnectionState.DRAINING
        assert server.feed(headers(3, block(*REQUEST)), frame(PING, ACK, 0, b"goodbye!")) == [
            ("head", 3, PATH, (), False),
            ("pinged", b"goodbye!"),
        ]
        server.connection.stop_accepting()
        assert goaways(server) == [(3, ErrorCode.NO_ERROR)]
        server.connection.send_head(stream, block(*RESPONSE), end_stream=True)
        assert [each.stream_id for each in server.sent()] == [1]

    def test_ignores_streams_that_came_too_late_whatever_they_send(self) -> None:
        server = ServerEnd()
        server.request(1)
        server.connection.stop_accepting()
        server.connection.take()
        whole = block(*REQUEST)
        late = [
            headers(3, whole),
            data(3, b"x"),
            headers(3, block(*TRAILERS), end_stream=True),
            headers(5, whole[:3], end_headers=False),
            continuation(5, whole[3:], end_headers=True),
        ]
        assert server.feed(*late) == []
        assert server.sent() == []
        assert server.feed(data(1, b"x")) == [("data", 1, b"x", False)]

    def test_is_said_once(self) -> None:
        server = ServerEnd()
        server.connection.stop_accepting()
        server.connection.stop_accepting()
        server.connection.announce_shutdown()
        assert goaways(server) == [(0, ErrorCode.NO_ERROR)]

    def test_does_not_take_back_which_stream_was_the_last_when_the_connection_fails_later(self) -> None:
        server = ServerEnd()
        server.request(1)
        server.connection.stop_accepting()
        server.feed(headers(3, block(*REQUEST)), frame(PING, 0, 0, b""))
        assert goaways(server) == [(1, ErrorCode.NO_ERROR), (1, ErrorCode.FRAME_SIZE_ERROR)]

    def test_of_a_connection_that_has_ended_says_nothing(self) -> None:
        server = ServerEnd()
        server.connection.lost("gone")
        server.connection.announce_shutdown()
        server.connection.stop_accepting()
        assert server.sent() == []

    def test_before_the_client_has_begun_still_checks_how_it_begins(self) -> None:
        server = ServerEnd(begun=False)
        server.connection.announce_shutdown()
        assert server.feed(PREFACE) == []
        server.connection.announce_shutdown()
        assert server.feed(settings([]), headers(1, block(*REQUEST))) == [("ready",), ("head", 1, PATH, (), False)]
        other = ServerEnd(begun=False)
        other.connection.stop_accepting()
        other.feed(b"GET / HTTP/1.1\r\n\r\n")
        assert other.failed_with(ErrorCode.PROTOCOL_ERROR)


def test_an_answer_may_end_before_its_request() -> None:
    """Section 8.1: the stream is over once the rest was refused, and what is still on its way is ignored."""
    server = ServerEnd()
    stream = server.request()
    server.connection.send_head(stream, block(*RESPONSE), end_stream=True)
    stream.reset(ErrorCode.NO_ERROR)
    assert server.sent()[-1] == Frame(3, 0, 1, bytes(4))
    assert server.feed(data(1, b"x"), headers(1, block(*TRAILERS), end_stream=True)) == []
    assert server.sent() == []
