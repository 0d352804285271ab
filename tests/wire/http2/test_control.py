"""The frames that carry no message, each with every way in which RFC 9113 section 6 says that it may be wrong."""

import pytest

from tests.wire.http2.recording import REQUEST_TEMPLATE, RESPONSE, ClientEnd, End, Frame, ServerEnd, block, body_of, headers
from towpath._wire.http2 import ErrorCode
from towpath._wire.http2.frames import (
    ACK,
    DATA,
    GOAWAY,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Setting,
    frame,
    goaway,
    rst_stream,
    settings,
    window_update,
)
from towpath._wire.http2.states import ConnectionState

MOST = 2**31 - 1
BOTH = pytest.mark.parametrize("end", [ServerEnd, ClientEnd])
LENGTHS_BUT_4 = pytest.mark.parametrize("length", [0, 3, 5])


class TestSettings:
    """Section 6.5."""

    @BOTH
    def test_are_acknowledged(self, end: type[End]) -> None:
        one = end()
        one.feed(settings([(Setting.MAX_CONCURRENT_STREAMS, 7), (Setting.MAX_FRAME_SIZE, 20_000)]))
        assert one.sent() == [Frame(SETTINGS, ACK, 0, b"")]
        assert (one.connection.peer_max_streams, one.connection.peer_max_frame) == (7, 20_000)

    @BOTH
    def test_that_are_unknown_are_ignored(self, end: type[End]) -> None:
        one = end()
        one.feed(frame(SETTINGS, 0, 0, b"\xff\xff\0\0\0\1" + b"\0\x06\0\0\0\0"))
        assert one.sent() == [Frame(SETTINGS, ACK, 0, b"")]

    @BOTH
    def test_take_the_last_of_equal_parameters(self, end: type[End]) -> None:
        one = end()
        one.feed(settings([(Setting.MAX_CONCURRENT_STREAMS, 7), (Setting.MAX_CONCURRENT_STREAMS, 9)]))
        assert one.connection.peer_max_streams == 9

    @BOTH
    @pytest.mark.parametrize("flags", [0, ACK])
    def test_on_a_stream_end_the_connection(self, end: type[End], flags: int) -> None:
        one = end()
        one.feed(frame(SETTINGS, flags, 1))
        assert one.failed_with(ErrorCode.PROTOCOL_ERROR)

    @pytest.mark.parametrize("length", [1, 5, 7])
    def test_of_another_size_than_their_parameters_end_the_connection(self, length: int) -> None:
        server = ServerEnd()
        server.feed(frame(SETTINGS, 0, 0, bytes(length)))
        assert server.failed_with(ErrorCode.FRAME_SIZE_ERROR)

    def test_acknowledged_with_a_payload_end_the_connection(self) -> None:
        server = ServerEnd()
        server.feed(frame(SETTINGS, ACK, 0, bytes(6)))
        assert server.failed_with(ErrorCode.FRAME_SIZE_ERROR)

    def test_acknowledged_need_no_answer(self) -> None:
        server = ServerEnd()
        server.feed(frame(SETTINGS, ACK, 0))
        assert server.sent() == []

    @BOTH
    @pytest.mark.parametrize(
        ("key", "value", "code"),
        [
            (Setting.ENABLE_PUSH, 2, ErrorCode.PROTOCOL_ERROR),
            (Setting.INITIAL_WINDOW_SIZE, 2**31, ErrorCode.FLOW_CONTROL_ERROR),
            (Setting.MAX_FRAME_SIZE, 16_383, ErrorCode.PROTOCOL_ERROR),
            (Setting.MAX_FRAME_SIZE, 2**24, ErrorCode.PROTOCOL_ERROR),
        ],
    )
    def test_out_of_range_end_the_connection(self, end: type[End], key: Setting, value: int, code: ErrorCode) -> None:
        """Section 6.5.2."""
        one = end()
        one.feed(settings([(key, value)]))
        assert one.failed_with(code)

    def test_that_enable_push_are_a_clients_to_send(self) -> None:
        """Section 6.5.2: a server may only say 0."""
        server = ServerEnd()
        server.feed(settings([(Setting.ENABLE_PUSH, 1)]))
        assert server.connection.state is ConnectionState.OPEN
        client = ClientEnd()
        client.feed(settings([(Setting.ENABLE_PUSH, 0)]))
        assert client.connection.state is ConnectionState.OPEN
        client.feed(settings([(Setting.ENABLE_PUSH, 1)]))
        assert client.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_bound_the_table_that_our_blocks_use(self) -> None:
        client = ClientEnd()
        client.feed(settings([(Setting.HEADER_TABLE_SIZE, 0)]))
        first = client.connection.encode(REQUEST_TEMPLATE)
        assert first[0] == 0x20  # a size update to 0 (RFC 7541 6.3)
        assert client.connection.encode(REQUEST_TEMPLATE) == first[1:]


class TestInitialWindowSize:
    """Section 6.9.2."""

    def test_changes_the_windows_of_streams_by_the_difference(self) -> None:
        client = ClientEnd()
        stream = client.call()
        client.feed(window_update(1, 100), settings([(Setting.INITIAL_WINDOW_SIZE, 70_000)]))
        assert stream.send_window == 70_100
        assert client.call().send_window == 70_000

    def test_makes_a_window_negative_that_has_to_grow_again_first(self) -> None:
        client = ClientEnd()
        stream = client.call()
        client.connection.send_body(stream, bytes(10_000), end_stream=False)
        client.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 1_000)]))
        assert stream.send_window == -9_000
        client.connection.take()
        client.connection.send_body(stream, b"late", end_stream=True)
        assert client.sent() == []
        client.feed(window_update(1, 9_000))
        assert client.sent() == []
        client.feed(window_update(1, 3))
        assert body_of(client.sent(), 1) == b"lat"
        client.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 1_001)]))
        assert body_of(client.sent(), 1) == b"e"

    def test_is_acknowledged_before_the_data_that_it_lets_go(self) -> None:
        """C-core ends a call whose data come before the acknowledgement of the window that they need."""
        client = ClientEnd()
        stream = client.call()
        client.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 0)]))
        client.connection.send_body(stream, b"waits", end_stream=True)
        client.connection.take()
        client.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 5)]))
        assert [kind for kind, *_ in client.sent()] == [SETTINGS, DATA]

    def test_does_not_change_the_connections_window(self) -> None:
        client = ClientEnd()
        client.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 1)]))
        assert client.connection.send_window == 65_535

    def test_counts_as_the_frame_says_it_last(self) -> None:
        client = ClientEnd()
        stream = client.call()
        client.feed(settings([(Setting.INITIAL_WINDOW_SIZE, size) for size in (MOST, 0, 70_000)]))
        assert stream.send_window == 70_000

    def test_out_of_range_before_the_last_ends_the_connection(self) -> None:
        client = ClientEnd()
        client.feed(settings([(Setting.INITIAL_WINDOW_SIZE, size) for size in (MOST + 1, 70_000)]))
        assert client.failed_with(ErrorCode.FLOW_CONTROL_ERROR)

    def test_that_takes_a_stream_over_the_most_ends_the_connection(self) -> None:
        client = ClientEnd()
        client.call()
        client.feed(window_update(1, 1), settings([(Setting.INITIAL_WINDOW_SIZE, MOST)]))
        assert client.failed_with(ErrorCode.FLOW_CONTROL_ERROR)


class TestWindowUpdate:
    """Section 6.9."""

    @pytest.mark.parametrize("stream_id", [0, 1])
    @LENGTHS_BUT_4
    def test_of_another_size_ends_the_connection(self, length: int, stream_id: int) -> None:
        server = ServerEnd()
        server.request()
        server.feed(frame(WINDOW_UPDATE, 0, stream_id, bytes(length)))
        assert server.failed_with(ErrorCode.FRAME_SIZE_ERROR)

    def test_by_nothing_is_an_error_of_its_stream(self) -> None:
        server = ServerEnd()
        server.request()
        assert server.feed(window_update(1, 0)) == [("reset", 1, ErrorCode.PROTOCOL_ERROR)]
        assert server.reset_with(1, ErrorCode.PROTOCOL_ERROR)
        server.feed(frame(WINDOW_UPDATE, 0, 0, b"\x80\0\0\0"))  # the reserved bit adds nothing
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_over_the_most_is_an_error_of_its_stream(self) -> None:
        """Section 6.9.1."""
        server = ServerEnd()
        stream = server.request()
        server.feed(window_update(1, MOST - 65_535))
        assert stream.send_window == MOST
        assert server.feed(window_update(1, 1)) == [("reset", 1, ErrorCode.FLOW_CONTROL_ERROR)]
        assert server.reset_with(1, ErrorCode.FLOW_CONTROL_ERROR)

    def test_over_the_most_on_the_connection_ends_it(self) -> None:
        server = ServerEnd()
        server.feed(window_update(0, MOST - 65_535))
        assert server.connection.send_window == MOST
        server.feed(window_update(0, 1))
        assert server.failed_with(ErrorCode.FLOW_CONTROL_ERROR)

    @BOTH
    def test_on_an_idle_stream_ends_the_connection(self, end: type[End]) -> None:
        """Section 5.1."""
        one = end()
        one.feed(window_update(1, 1))
        assert one.failed_with(ErrorCode.PROTOCOL_ERROR)

    @pytest.mark.parametrize("increment", [0, 1])
    def test_on_a_stream_that_is_over_was_on_its_way(self, increment: int) -> None:
        """Section 5.1."""
        server = ServerEnd()
        server.connection.send_head(server.request(end_stream=True), block(*RESPONSE), end_stream=True)
        server.connection.take()
        assert server.feed(window_update(1, increment)) == []
        assert server.sent() == []

    def test_on_a_half_closed_stream_lets_its_answer_go_on(self) -> None:
        server = ServerEnd()
        stream = server.request(end_stream=True)
        stream.own_window = -stream.send_window
        server.connection.send_head(stream, block(*RESPONSE), end_stream=False)
        server.connection.send_body(stream, b"x", end_stream=True)
        server.connection.take()
        server.feed(window_update(1, 1))
        assert body_of(server.sent(), 1) == b"x"


class TestPing:
    """Section 6.7."""

    @BOTH
    def test_is_answered_with_its_payload(self, end: type[End]) -> None:
        one = end()
        assert one.feed(frame(PING, 0, 0, b"01234567")) == []
        assert one.sent() == [Frame(PING, ACK, 0, b"01234567")]

    @BOTH
    def test_that_was_answered_is_told_to_the_owner(self, end: type[End]) -> None:
        one = end()
        one.connection.ping(b"01234567")
        assert one.sent() == [Frame(PING, 0, 0, b"01234567")]
        assert one.feed(frame(PING, ACK, 0, b"01234567")) == [("pinged", b"01234567")]
        assert one.sent() == []

    @pytest.mark.parametrize("flags", [0, ACK])
    @pytest.mark.parametrize("length", [0, 7, 9])
    def test_of_another_size_ends_the_connection(self, length: int, flags: int) -> None:
        server = ServerEnd()
        server.feed(frame(PING, flags, 0, bytes(length)))
        assert server.failed_with(ErrorCode.FRAME_SIZE_ERROR)

    def test_on_a_stream_ends_the_connection(self) -> None:
        server = ServerEnd()
        server.feed(frame(PING, 0, 1, bytes(8)))
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)


class TestRstStream:
    """Section 6.4."""

    def test_ends_its_stream_without_an_answer(self) -> None:
        server = ServerEnd()
        server.request()
        assert server.feed(rst_stream(1, ErrorCode.CANCEL)) == [("reset", 1, ErrorCode.CANCEL)]
        assert server.sent() == []
        assert server.connection.streams == {}

    def test_may_carry_a_code_that_nobody_registered(self) -> None:
        server = ServerEnd()
        server.request()
        assert server.feed(rst_stream(1, 0xFFFF_FFFF)) == [("reset", 1, 0xFFFF_FFFF)]

    def test_on_a_stream_that_is_over_is_ignored(self) -> None:
        server = ServerEnd()
        server.request()
        server.feed(rst_stream(1, ErrorCode.CANCEL))
        assert server.feed(rst_stream(1, ErrorCode.CANCEL)) == []
        assert server.connection.state is ConnectionState.OPEN

    @BOTH
    @pytest.mark.parametrize("stream_id", [0, 1, 2])
    def test_on_an_idle_stream_or_none_ends_the_connection(self, end: type[End], stream_id: int) -> None:
        one = end()
        one.feed(rst_stream(stream_id, 0))
        assert one.failed_with(ErrorCode.PROTOCOL_ERROR)

    @LENGTHS_BUT_4
    def test_of_another_size_ends_the_connection(self, length: int) -> None:
        server = ServerEnd()
        server.request()
        server.feed(frame(RST_STREAM, 0, 1, bytes(length)))
        assert server.failed_with(ErrorCode.FRAME_SIZE_ERROR)


class TestGoaway:
    """Section 6.8."""

    @BOTH
    def test_is_told_to_the_owner_with_its_reason(self, end: type[End]) -> None:
        one = end()
        assert one.feed(goaway(0, ErrorCode.ENHANCE_YOUR_CALM, b"too many\xff")) == [
            ("going away", "the peer is going away: ENHANCE_YOUR_CALM, too many\N{REPLACEMENT CHARACTER}")
        ]
        assert one.connection.state is ConnectionState.DRAINING

    def test_may_come_again_and_without_a_reason(self) -> None:
        server = ServerEnd()
        told = ("going away", "the peer is going away: NO_ERROR")
        assert server.feed(goaway(MOST, 0), goaway(0, 0)) == [told, told]

    def test_leaves_the_connection_able_to_take_settings(self) -> None:
        server = ServerEnd()
        server.feed(goaway(0, 0), settings([]))
        assert server.sent() == [Frame(SETTINGS, ACK, 0, b"")]
        assert server.connection.state is ConnectionState.DRAINING

    def test_has_a_reason_of_a_bounded_length(self) -> None:
        server = ServerEnd()
        ((_, reason),) = server.feed(goaway(0, 0, b"x" * 1000))
        assert len(reason) < 400

    def test_on_a_stream_ends_the_connection(self) -> None:
        server = ServerEnd()
        server.feed(frame(GOAWAY, 0, 1, bytes(8)))
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    @pytest.mark.parametrize("length", [0, 7])
    def test_that_is_too_short_ends_the_connection(self, length: int) -> None:
        server = ServerEnd()
        server.feed(frame(GOAWAY, 0, 0, bytes(length)))
        assert server.failed_with(ErrorCode.FRAME_SIZE_ERROR)


class TestPriority:
    """Section 6.3; deprecated, so only its form is checked."""

    @BOTH
    @pytest.mark.parametrize("stream_id", [1, 2, 99])
    def test_is_ignored_on_any_stream(self, end: type[End], stream_id: int) -> None:
        one = end()
        assert one.feed(frame(PRIORITY, 0, stream_id, b"\x80\0\0\0\xff")) == []
        assert one.sent() == []

    def test_on_no_stream_ends_the_connection(self) -> None:
        server = ServerEnd()
        server.feed(frame(PRIORITY, 0, 0, bytes(5)))
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    @pytest.mark.parametrize(
        ("payload", "code"),
        [(bytes(4), ErrorCode.FRAME_SIZE_ERROR), (bytes(6), ErrorCode.FRAME_SIZE_ERROR), (b"\0\0\0\1\0", ErrorCode.PROTOCOL_ERROR)],
    )
    def test_of_another_size_or_that_depends_on_itself_resets_the_stream(self, payload: bytes, code: ErrorCode) -> None:
        """Self-dependency: RFC 7540 5.3.1."""
        server = ServerEnd()
        server.request()
        assert server.feed(frame(PRIORITY, 0, 1, payload)) == [("reset", 1, code)]
        assert server.reset_with(1, code)

    def test_that_is_wrong_on_an_idle_stream_ends_the_connection_since_that_cannot_be_reset(self) -> None:
        """Section 6.4: no RST_STREAM for an idle stream."""
        server = ServerEnd()
        server.feed(frame(PRIORITY, 0, 1, bytes(4)))
        assert server.failed_with(ErrorCode.FRAME_SIZE_ERROR)

    def test_that_is_wrong_on_a_stream_that_is_over_harms_nobody(self) -> None:
        server = ServerEnd()
        server.connection.send_head(server.request(end_stream=True), block(*RESPONSE), end_stream=True)
        assert server.feed(frame(PRIORITY, 0, 1, bytes(4))) == []
        assert server.feed(headers(3, block((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"))))[0][:2] == ("head", 3)
