"""HEADERS: where they may come, what may be wrong with the frame, and what with the block (RFC 9113 4.3, 5.1, 6.2, 8.2, 10.5.1)."""

import pytest

from tests.wire.http2.recording import REQUEST, RESPONSE, TRAILERS, ClientEnd, ServerEnd, block, data, headers
from towpath._wire.hpack import Encoder
from towpath._wire.http2 import ErrorCode, Limits
from towpath._wire.http2.frames import PADDED, PRIORITIZED, rst_stream
from towpath._wire.http2.states import ConnectionState

PATH = REQUEST[2][1]
BAD_BLOCK = b"\x80"  # index 0 (RFC 7541 6.1)


class TestFrame:
    """Section 6.2."""

    @pytest.mark.parametrize("padding", [0, 1, 255])
    def test_padding_is_taken_off(self, padding: int) -> None:
        server = ServerEnd()
        payload = bytes([padding]) + block(*REQUEST) + bytes(padding)
        assert server.feed(headers(1, payload, flags=PADDED)) == [("head", 1, PATH, (), False)]

    def test_priority_is_ignored(self) -> None:
        server = ServerEnd()
        assert server.feed(headers(3, b"\0\0\0\1\xff" + block(*REQUEST), flags=PRIORITIZED)) == [("head", 3, PATH, (), False)]

    def test_padding_and_priority_go_together(self) -> None:
        server = ServerEnd()
        payload = b"\3" + b"\x80\0\0\0\x10" + block(*REQUEST) + bytes(3)
        assert server.feed(headers(1, payload, flags=PADDED | PRIORITIZED, end_stream=True)) == [("head", 1, PATH, (), True)]

    @pytest.mark.parametrize("payload", [b"\1", b"\x10" + bytes(15)])
    def test_padding_longer_than_the_frame_ends_the_connection(self, payload: bytes) -> None:
        server = ServerEnd()
        server.feed(headers(1, payload, flags=PADDED))
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)

    @pytest.mark.parametrize(("payload", "flags"), [(b"", PADDED), (bytes(4), PRIORITIZED), (b"\1" + bytes(5), PADDED | PRIORITIZED)])
    def test_a_frame_without_room_for_its_own_fields_ends_the_connection(self, payload: bytes, flags: int) -> None:
        """Section 4.2: a header block cannot be lost without the connection."""
        server = ServerEnd()
        server.feed(headers(1, payload, flags=flags))
        assert server.failed_with(ErrorCode.FRAME_SIZE_ERROR)

    def test_a_stream_that_depends_on_itself_ends_the_connection(self) -> None:
        """RFC 7540 5.3.1 makes it an error of the stream; RFC 9113 5.4.2 lets it be treated as one of the connection."""
        server = ServerEnd()
        server.feed(headers(1, b"\x80\0\0\1\0" + block(*REQUEST), flags=PRIORITIZED))
        assert server.failed_with(ErrorCode.PROTOCOL_ERROR)


class TestPlace:
    """Section 5.1."""

    def test_a_stream_takes_a_head_and_trailers(self) -> None:
        server = ServerEnd()
        events = server.feed(headers(1, block(*REQUEST)), data(1, b"x"), headers(1, block(*TRAILERS), end_stream=True))
        assert events == [("head", 1, PATH, (), False), ("data", 1, b"x", False), ("trailers", 1, TRAILERS)]

    @pytest.mark.parametrize("again", [block(*REQUEST), block(*TRAILERS), b""])
    def test_trailers_have_to_end_the_stream(self, again: bytes) -> None:
        """Section 8.1."""
        server = ServerEnd()
        server.request()
        assert server.feed(headers(1, again)) == [("reset", 1, ErrorCode.PROTOCOL_ERROR)]
        assert server.reset_with(1, ErrorCode.PROTOCOL_ERROR)

    def test_trailers_have_no_pseudo_fields(self) -> None:
        """Section 8.1."""
        server = ServerEnd()
        server.request()
        assert server.feed(headers(1, block((b":path", b"/")), end_stream=True)) == [("reset", 1, ErrorCode.PROTOCOL_ERROR)]

    def test_headers_after_the_end_reset_the_stream(self) -> None:
        server = ServerEnd()
        server.request(end_stream=True)
        assert server.feed(headers(1, block(*TRAILERS), end_stream=True)) == [("reset", 1, ErrorCode.STREAM_CLOSED)]
        assert server.reset_with(1, ErrorCode.STREAM_CLOSED)

    def test_headers_on_a_closed_stream_end_the_connection(self) -> None:
        for reset in (True, False):
            server = ServerEnd()
            stream = server.request(end_stream=not reset)
            if reset:
                server.feed(rst_stream(1, ErrorCode.CANCEL))
            else:
                server.connection.send_head(stream, block(*RESPONSE), end_stream=True)
            server.feed(headers(1, block(*REQUEST)))
            assert server.failed_with(ErrorCode.STREAM_CLOSED)

    def test_headers_on_a_stream_that_we_reset_are_ignored_but_decoded(self) -> None:
        """Section 5.1: the peer sent them before it knew; section 4.3: the table has to stay in step."""
        for end in (ServerEnd(), ClientEnd()):
            encoder = Encoder()
            (end.request() if isinstance(end, ServerEnd) else end.call()).reset(ErrorCode.CANCEL)
            end.connection.take()
            assert end.feed(headers(1, encoder.encode([(b"x-new", b"value")]), end_stream=True)) == []
            assert end.sent() == []
            later = encoder.encode_indexed([(b"x-new", b"value")])
            assert later is not None
            if isinstance(end, ServerEnd):
                assert end.feed(headers(3, block(*REQUEST) + later))[0] == ("head", 3, PATH, ((b"x-new", b"value"),), False)
            else:
                end.call(end_stream=True)
                assert end.feed(headers(3, block(*RESPONSE) + later))[0] == ("head", 3, b"200", ((b"x-new", b"value"),), False)


class TestBlock:
    def test_that_cannot_be_decoded_ends_the_connection(self) -> None:
        """Section 4.3."""
        server = ServerEnd()
        server.feed(headers(1, BAD_BLOCK))
        assert server.failed_with(ErrorCode.COMPRESSION_ERROR)

    def test_that_cannot_be_decoded_ends_the_connection_wherever_it_comes(self) -> None:
        client = ClientEnd()
        client.call()
        client.feed(headers(1, BAD_BLOCK))
        assert client.failed_with(ErrorCode.COMPRESSION_ERROR)
        server = ServerEnd()
        server.request().reset(ErrorCode.CANCEL)
        server.feed(headers(1, BAD_BLOCK))
        assert server.failed_with(ErrorCode.COMPRESSION_ERROR)

    def test_with_too_large_a_list_is_accepted_as_oversized_and_keeps_the_table_in_step(self) -> None:
        """Section 10.5.1."""
        server = ServerEnd(Limits(max_header_list=1000))
        encoder = Encoder()
        first = encoder.encode([*REQUEST, (b"x-new", b"value")]) + block((b"x-large", bytes(1000)))
        (kind, fields, reason), head = server.feed(headers(1, first))
        assert (kind, fields[: len(REQUEST)]) == ("oversized", tuple(REQUEST))
        assert "exceeds the limit of 1000 bytes" in reason
        assert head == ("head", 1, b"oversized", (), False)
        later = encoder.encode([*REQUEST, (b"x-new", b"value")])
        assert server.feed(headers(3, later)) == [("head", 3, PATH, ((b"x-new", b"value"),), False)]

    def test_with_too_large_trailers_resets_the_stream(self) -> None:
        server = ServerEnd(Limits(max_header_list=1000))
        server.request()
        assert server.feed(headers(1, block((b"x-large", bytes(1000))), end_stream=True)) == [("reset", 1, ErrorCode.ENHANCE_YOUR_CALM)]
        assert server.reset_with(1, ErrorCode.ENHANCE_YOUR_CALM)

    def test_that_is_malformed_resets_the_stream_and_no_other(self) -> None:
        """Section 8.1.1."""
        server = ServerEnd()
        server.request(1)
        assert server.feed(headers(3, block(*REQUEST, (b"Upper", b"x")))) == []
        assert server.reset_with(3, ErrorCode.PROTOCOL_ERROR)
        assert server.feed(data(3, b"ignored"), data(1, b"x")) == [("data", 1, b"x", False)]
        assert server.connection.state is ConnectionState.OPEN
