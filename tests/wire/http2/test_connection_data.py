"""DATA and the receiving side of flow control (RFC 9113 5.1, 6.1, 6.9, 8.1.1)."""

import pytest

from tests.wire.http2.recording import REQUEST, RESPONSE, TRAILERS, ClientEnd, Frame, ServerEnd, block, data, headers
from towpath._wire.http2 import ErrorCode, Limits
from towpath._wire.http2.frames import DATA, PADDED, WINDOW_UPDATE, frame, rst_stream

SMALL = Limits(stream_window=65_535, connection_window=65_535)
LENGTH = (b"content-length", b"10")


def padded(stream_id: int, payload: bytes, padding: int, *, end_stream: bool = False) -> bytes:
    return frame(DATA, PADDED | end_stream, stream_id, bytes([padding]) + payload + bytes(padding))


def update(stream_id: int, increment: int) -> Frame:
    return Frame(WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


class TestWhere:
    @pytest.mark.parametrize("stream_id", [0, 1, 2, 3])
    def test_data_on_a_stream_that_nobody_opened_ends_the_connection(self, stream_id: int) -> None:
        """Sections 5.1 and 6.1."""
        for end in (ServerEnd(), ClientEnd()):
            end.feed(data(stream_id, b"x"))
            assert end.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_data_after_the_end_of_the_stream_resets_it(self) -> None:
        server = ServerEnd()
        server.request(end_stream=True)
        assert server.feed(data(1, b"x")) == [("reset", 1, ErrorCode.STREAM_CLOSED)]
        assert server.reset_with(1, ErrorCode.STREAM_CLOSED)

    def test_data_on_a_closed_stream_resets_it(self) -> None:
        client = ClientEnd()
        client.call(end_stream=True)
        client.feed(headers(1, block(*RESPONSE), end_stream=True))
        assert client.feed(data(1, b"x")) == []
        assert client.reset_with(1, ErrorCode.STREAM_CLOSED)
        client.feed(data(1, b"x"))
        assert client.sent() == []

    def test_data_on_a_stream_that_the_peer_reset_is_an_error_of_the_stream(self) -> None:
        server = ServerEnd()
        server.request()
        server.feed(rst_stream(1, ErrorCode.CANCEL), data(1, b"x"))
        assert server.reset_with(1, ErrorCode.STREAM_CLOSED)

    def test_data_on_a_stream_that_we_reset_is_ignored(self) -> None:
        """Section 5.1: the peer sent it before it knew."""
        server = ServerEnd()
        server.request().reset(ErrorCode.CANCEL)
        server.connection.take()
        assert server.feed(data(1, b"x"), data(1, b"x", end_stream=True)) == []
        assert server.sent() == []

    def test_data_before_the_head_of_the_response_is_malformed(self) -> None:
        """Section 8.1."""
        client = ClientEnd()
        client.call()
        assert client.feed(data(1, b"x")) == [("reset", 1, ErrorCode.PROTOCOL_ERROR)]
        assert client.reset_with(1, ErrorCode.PROTOCOL_ERROR)

    def test_the_last_data_of_both_sides_closes_the_stream(self) -> None:
        client = ClientEnd()
        client.call(end_stream=True)
        client.feed(headers(1, block(*RESPONSE)))
        assert client.feed(data(1, b"x", end_stream=True)) == [("data", 1, b"x", True)]
        assert client.connection.streams == {}


class TestPadding:
    """Section 6.1."""

    @pytest.mark.parametrize("padding", [0, 1, 255])
    def test_is_taken_off(self, padding: int) -> None:
        server = ServerEnd()
        server.request()
        assert server.feed(padded(1, b"body", padding, end_stream=True)) == [("data", 1, b"body", True)]

    def test_may_be_all_there_is(self) -> None:
        server = ServerEnd()
        server.request()
        assert server.feed(padded(1, b"", 7)) == [("data", 1, b"", False)]

    @pytest.mark.parametrize("payload", [b"\1", b"\2x", b"\xffbody"])
    def test_longer_than_its_frame_ends_the_connection(self, payload: bytes) -> None:
        server = ServerEnd()
        server.request()
        server.feed(frame(DATA, PADDED, 1, payload))
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_without_its_length_ends_the_connection(self) -> None:
        """Section 4.2: too small for its mandatory data."""
        server = ServerEnd()
        server.request()
        server.feed(frame(DATA, PADDED, 1))
        assert server.failed_with(ErrorCode.FRAME_SIZE_ERROR)

    def test_counts_for_flow_control_and_is_given_back_unasked(self) -> None:
        server = ServerEnd(SMALL)
        stream = server.request()
        for _ in range(200):
            server.feed(padded(1, b"", 255))
        assert stream.recv_window + stream.unconsumed == 65_535
        assert {each.stream_id for each in server.sent()} == {0, 1}


class TestWindows:
    """Section 6.9."""

    def test_of_a_stream_is_given_back_when_half_of_it_was_consumed(self) -> None:
        server = ServerEnd(Limits(stream_window=65_536))
        stream = server.request()
        server.feed(*[data(1, bytes(16_384))] * 2)
        stream.consumed(32_767)
        assert server.sent() == []
        stream.consumed(1)
        assert server.sent() == [update(1, 32_768)]
        assert stream.recv_window == 65_536

    def test_of_a_stream_that_is_over_is_not_given_back(self) -> None:
        server = ServerEnd(SMALL)
        stream = server.request()
        server.feed(*[data(1, bytes(16_384))] * 3)
        server.feed(data(1, bytes(10), end_stream=True))
        server.connection.take()
        stream.consumed(49_162)
        assert server.sent() == []

    def test_of_a_response_is_given_back_while_it_comes(self) -> None:
        client = ClientEnd(SMALL, consuming=True)
        client.call(end_stream=True)
        client.feed(headers(1, block(*RESPONSE)), *[data(1, bytes(16_384))] * 2)
        assert update(1, 32_768) in client.sent()

    def test_of_the_connection_is_given_back_though_nothing_is_consumed(self) -> None:
        server = ServerEnd(Limits(connection_window=65_536))
        server.request()
        server.feed(*[data(1, bytes(16_384))] * 2)
        assert server.sent() == [update(0, 32_768)]

    def test_of_the_connection_counts_data_of_streams_that_are_over(self) -> None:
        server = ServerEnd(Limits(connection_window=65_536))
        server.request().reset(ErrorCode.CANCEL)
        server.connection.take()
        server.feed(*[data(1, bytes(16_384))] * 2)
        assert server.sent() == [update(0, 32_768)]

    def test_of_a_stream_cannot_be_overrun(self) -> None:
        server = ServerEnd(SMALL)
        server.request(1)
        server.request(3)
        server.feed(*[data(1, bytes(16_384))] * 3)
        assert server.feed(data(1, bytes(16_384)))[-1] == ("reset", 1, ErrorCode.FLOW_CONTROL_ERROR)
        assert server.reset_with(1, ErrorCode.FLOW_CONTROL_ERROR)
        assert server.feed(data(3, b"unharmed")) == [("data", 3, b"unharmed", False)]

    def test_of_the_connection_cannot_be_overrun(self) -> None:
        server = ServerEnd(Limits(max_frame_size=2**17, connection_window=65_535))
        server.request()
        server.feed(data(1, bytes(65_536)))
        assert server.failed_with(ErrorCode.FLOW_CONTROL_ERROR)


class TestContentLength:
    """Section 8.1.1."""

    def server(self) -> ServerEnd:
        server = ServerEnd()
        server.feed(headers(1, block(*REQUEST, LENGTH)))
        return server

    def test_that_fits_is_taken(self) -> None:
        assert self.server().feed(data(1, bytes(4)), data(1, bytes(6), end_stream=True))[-1] == ("data", 1, bytes(6), True)

    def test_does_not_count_padding(self) -> None:
        assert self.server().feed(padded(1, bytes(10), 20, end_stream=True)) == [("data", 1, bytes(10), True)]

    def test_may_be_followed_by_trailers(self) -> None:
        assert self.server().feed(data(1, bytes(10)), headers(1, block(*TRAILERS), end_stream=True))[-1] == ("trailers", 1, TRAILERS)

    @pytest.mark.parametrize(
        "frames",
        [
            [data(1, bytes(11))],
            [data(1, bytes(9), end_stream=True)],
            [data(1, bytes(10)), data(1, b"x", end_stream=True)],
            [data(1, bytes(9)), headers(1, block(*TRAILERS), end_stream=True)],
        ],
    )
    def test_that_does_not_fit_resets_the_stream(self, frames: list[bytes]) -> None:
        server = self.server()
        assert server.feed(*frames)[-1] == ("reset", 1, ErrorCode.PROTOCOL_ERROR)
        assert server.reset_with(1, ErrorCode.PROTOCOL_ERROR)

    def test_without_a_body_resets_the_stream(self) -> None:
        server = ServerEnd()
        assert server.feed(headers(1, block(*REQUEST, LENGTH), end_stream=True)) == []
        assert server.reset_with(1, ErrorCode.PROTOCOL_ERROR)

    def test_of_nothing_fits_no_body(self) -> None:
        server = ServerEnd()
        assert server.feed(headers(1, block(*REQUEST, (b"content-length", b"0")), end_stream=True))[0][0] == "head"

    def test_of_a_response_counts_too(self) -> None:
        client = ClientEnd()
        client.call(end_stream=True)
        client.feed(headers(1, block(*RESPONSE, LENGTH)))
        assert client.feed(data(1, bytes(11))) == [("reset", 1, ErrorCode.PROTOCOL_ERROR)]

    def test_of_a_response_that_is_its_head_alone_does_not_count(self) -> None:
        """Section 8.1.1: as in an answer to HEAD."""
        client = ClientEnd()
        client.call(end_stream=True)
        assert client.feed(headers(1, block(*RESPONSE, LENGTH), end_stream=True))[0][0] == "head"
