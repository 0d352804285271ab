"""Frames in their order (RFC 9113 3.4, 4.1, 4.2, 4.3, 5.5, 6.10): what a connection takes, and how it ends if the rules are broken."""

import pytest

from tests.wire.http2.recording import (
    REQUEST,
    RESPONSE,
    ClientEnd,
    End,
    Frame,
    ServerEnd,
    block,
    continuation,
    data,
    goaway_last,
    headers,
)
from towpath._wire.http2 import ErrorCode, Limits
from towpath._wire.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Setting,
    frame,
    settings,
    window_update,
)
from towpath._wire.http2.states import ConnectionState

BOTH = pytest.mark.parametrize("end", [ServerEnd, ClientEnd])


class TestBeginning:
    @BOTH
    def test_both_sides_announce_their_settings_and_open_the_connection_window(self, end: type[End]) -> None:
        sent = end(Limits(connection_window=100_000), begun=False).sent()
        assert sent[0].kind == SETTINGS
        assert sent[1:] == [Frame(WINDOW_UPDATE, 0, 0, (100_000 - 65_535).to_bytes(4, "big"))]

    @BOTH
    def test_a_window_of_the_protocols_own_size_needs_no_update(self, end: type[End]) -> None:
        assert [each.kind for each in end(Limits(connection_window=65_535), begun=False).sent()] == [SETTINGS]

    @BOTH
    @pytest.mark.parametrize(
        "first",
        [frame(PING, 0, 0, b"01234567"), frame(SETTINGS, ACK, 0), headers(1, block(*REQUEST)), frame(0xFA, 0, 0), data(1, b"")],
    )
    def test_the_first_frame_has_to_be_settings(self, end: type[End], first: bytes) -> None:
        """Section 3.4."""
        one = end(begun=False)
        if end is ServerEnd:
            one.feed(PREFACE)
        one.feed(first)
        assert one.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_a_server_that_does_not_speak_http2_is_quoted(self) -> None:
        client = ClientEnd(begun=False)
        client.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert client.failed_with(ErrorCode.PROTOCOL_ERROR)
        assert "HTTP/1.1 400 Bad" in client.owner.reasons[0]

    @BOTH
    def test_the_owner_hears_that_the_peers_limits_are_known_and_each_time_that_they_change(self, end: type[End]) -> None:
        one = end(begun=False)
        if end is ServerEnd:
            one.feed(PREFACE)
        assert one.feed(settings([])) == [("ready",)]
        assert one.connection.state is ConnectionState.OPEN
        assert one.feed(settings([])) == [("ready",)]


class TestFrameHeader:
    @BOTH
    @pytest.mark.parametrize("kind", [DATA, HEADERS, SETTINGS, PING, CONTINUATION, 0xFA])
    def test_a_frame_over_the_limit_ends_the_connection_before_it_has_come(self, end: type[End], kind: int) -> None:
        """Section 4.2."""
        one = end()
        one.feed(frame(kind, 0, 1, bytes(16_385))[:9])
        assert one.failed_with(ErrorCode.FRAME_SIZE_ERROR)

    def test_a_frame_at_the_limit_is_taken(self) -> None:
        server = ServerEnd()
        server.request()
        assert server.feed(data(1, bytes(16_384))) == [("data", 1, bytes(16_384), False)]

    def test_a_higher_limit_is_kept_as_announced(self) -> None:
        server = ServerEnd(Limits(max_frame_size=20_000))
        server.request()
        assert server.feed(data(1, bytes(20_000))) == [("data", 1, bytes(20_000), False)]
        server.feed(data(1, bytes(20_001)))
        assert server.failed_with(ErrorCode.FRAME_SIZE_ERROR)

    def test_the_reserved_bit_of_the_stream_id_is_ignored(self) -> None:
        """Section 4.1."""
        server = ServerEnd()
        assert server.feed(frame(HEADERS, 0x5, 0x8000_0001, block(*REQUEST)))[0][:2] == ("head", 1)

    @pytest.mark.parametrize("flags", [0x80, 0x40, 0x10, 0x02])
    def test_flags_without_a_meaning_are_ignored(self, flags: int) -> None:
        """Section 4.1."""
        server = ServerEnd()
        assert server.feed(headers(1, block(*REQUEST), flags=flags))[0][:2] == ("head", 1)

    @BOTH
    @pytest.mark.parametrize("stream_id", [0, 1, 2, 77])
    @pytest.mark.parametrize("kind", [0xA, 0x10, 0xFF])
    def test_frames_of_unknown_types_are_ignored(self, end: type[End], kind: int, stream_id: int) -> None:
        """Section 5.5."""
        one = end()
        assert one.feed(frame(kind, 0xFF, stream_id, b"anything")) == []
        assert one.sent() == []
        assert one.connection.state is ConnectionState.OPEN

    @BOTH
    def test_a_push_is_refused_since_it_is_disabled(self, end: type[End]) -> None:
        """Sections 6.6 and 8.4."""
        one = end()
        one.feed(frame(PUSH_PROMISE, 0x4, 1, b"\0\0\0\2" + block(*REQUEST)))
        assert one.failed_with(ErrorCode.PROTOCOL_ERROR)


class TestHeaderBlockInPieces:
    """Sections 4.3 and 6.10."""

    def test_is_one_block_with_the_flags_of_its_first_frame(self) -> None:
        server = ServerEnd()
        whole = block(*REQUEST)
        assert server.feed(headers(1, whole[:5], end_stream=True, end_headers=False), continuation(1, whole[5:9], end_headers=False)) == []
        assert server.feed(continuation(1, whole[9:], end_headers=True)) == [("head", 1, REQUEST[2][1], (), True)]
        assert server.feed(frame(PING, 0, 0, bytes(8))) == []

    def test_may_have_empty_pieces(self) -> None:
        server = ServerEnd()
        pieces = [
            headers(1, b"", end_headers=False),
            continuation(1, block(*REQUEST), end_headers=False),
            continuation(1, b"", end_headers=True),
        ]
        assert server.feed(*pieces) == [("head", 1, REQUEST[2][1], (), False)]

    def test_may_be_an_answer(self) -> None:
        client = ClientEnd()
        client.call(end_stream=True)
        whole = block(*RESPONSE)
        assert client.feed(headers(1, whole[:3], end_headers=False), continuation(1, whole[3:], end_headers=True)) == [
            ("head", 1, b"200", (), False)
        ]

    @pytest.mark.parametrize(
        "other",
        [
            frame(PING, 0, 0, bytes(8)),
            frame(DATA, 0, 1, b""),
            headers(1, block(*REQUEST)),
            headers(3, block(*REQUEST)),
            frame(PRIORITY, 0, 1, bytes(5)),
            frame(RST_STREAM, 0, 1, bytes(4)),
            frame(SETTINGS, 0, 0),
            frame(GOAWAY, 0, 0, bytes(8)),
            window_update(0, 1),
            frame(0xFA, 0, 0),
        ],
    )
    def test_is_interrupted_by_nothing(self, other: bytes) -> None:
        server = ServerEnd()
        server.feed(headers(1, block(*REQUEST)[:5], end_headers=False), other)
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_continues_on_its_own_stream(self) -> None:
        server = ServerEnd()
        server.feed(headers(1, block(*REQUEST)[:5], end_headers=False), continuation(3, b"", end_headers=True))
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    @pytest.mark.parametrize("stream_id", [0, 1, 3])
    def test_does_not_continue_once_it_has_ended(self, stream_id: int) -> None:
        server = ServerEnd()
        server.feed(headers(1, block(*REQUEST)), continuation(stream_id, b"", end_headers=True))
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_comes_in_a_bounded_number_of_frames(self) -> None:
        """Section 10.5.1, CVE-2024-27316."""
        server = ServerEnd(Limits(max_continuations=3))
        server.feed(headers(1, b"", end_headers=False), *[continuation(1, b"", end_headers=False)] * 3)
        assert server.connection.state is ConnectionState.OPEN
        server.feed(continuation(1, b"", end_headers=False))
        assert server.failed_with(ErrorCode.ENHANCE_YOUR_CALM)

    def test_comes_in_a_bounded_number_of_bytes(self) -> None:
        server = ServerEnd(Limits(max_header_block=20_000))
        server.feed(headers(1, bytes(16_000), end_headers=False), continuation(1, bytes(4_000), end_headers=False))
        assert server.connection.state is ConnectionState.OPEN
        server.feed(continuation(1, b"\0", end_headers=False))
        assert server.failed_with(ErrorCode.ENHANCE_YOUR_CALM)


class TestEnd:
    def test_a_connection_that_has_ended_takes_nothing_more(self) -> None:
        server = ServerEnd()
        server.feed(frame(PING, 0, 0, b""), headers(1, block(*REQUEST)))
        assert [each.kind for each in server.sent()] == [GOAWAY]
        assert server.owner.events == [("failed",)]
        server.feed(headers(1, block(*REQUEST)))
        assert server.owner.events == [("failed",)]

    def test_every_stream_hears_of_it_before_the_owner_closes(self) -> None:
        server = ServerEnd()
        server.request(1)
        server.request(3)
        assert server.feed(frame(PING, 0, 0, b"")) == [("reset", 1, -1), ("reset", 3, -1), ("failed",)]
        (goaway,) = server.sent()
        assert goaway_last(goaway) == 3
        assert server.connection.streams == {}

    @BOTH
    def test_a_reason_is_told_to_the_peer_in_few_bytes(self, end: type[End]) -> None:
        one = end()
        one.connection.fail(ErrorCode.INTERNAL_ERROR, "x" * 1000)
        (goaway,) = one.sent()
        assert goaway.payload[8:] == b"x" * 256

    @BOTH
    def test_a_transport_that_is_gone_ends_the_streams_and_sends_nothing(self, end: type[ServerEnd] | type[ClientEnd]) -> None:
        one = end()
        stream = one.request() if isinstance(one, ServerEnd) else one.call()
        one.connection.lost("broken pipe")
        one.connection.lost("broken pipe")
        assert one.owner.events == [("reset", stream.id, -1)]
        assert one.sent() == []

    def test_settings_are_acknowledged_in_the_order_of_what_follows(self) -> None:
        server = ServerEnd()
        server.feed(settings([(Setting.MAX_FRAME_SIZE, 20_000)]) + frame(PING, 0, 0, b"01234567"))
        assert server.sent() == [Frame(SETTINGS, ACK, 0, b""), Frame(PING, ACK, 0, b"01234567")]
