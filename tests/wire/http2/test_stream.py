import pytest

from tests.wire.http2.recording import RESPONSE, TRAILERS, ClientEnd, Frame, ServerEnd, block, data, headers
from towpath._wire.http2 import ErrorCode, Stream
from towpath._wire.http2.frames import RST_STREAM
from towpath._wire.http2.states import StreamState


def test_a_stream_begins_idle_without_an_id_and_with_both_initial_windows() -> None:
    client = ClientEnd()
    stream = Stream(client.connection)
    assert (stream.id, stream.state, stream.queue, stream.queued) == (0, StreamState.IDLE, None, 0)
    assert (stream.send_window, stream.recv_window) == (65_535, 256 * 1024)


def test_a_stream_that_overrides_nothing_hears_everything_in_silence() -> None:
    client = ClientEnd()
    stream = Stream(client.connection)
    assert stream.arrived() is None
    client.connection.open(stream)
    client.connection.send_head(stream, block(), end_stream=False)
    client.connection.send_body(stream, b"x", end_stream=True)
    client.feed(headers(1, block(*RESPONSE)), data(1, b"x"), headers(1, block(*TRAILERS), end_stream=True))
    assert stream.state == StreamState.CLOSED
    other = Stream(client.connection)
    client.connection.open(other)
    client.connection.lost("gone")


@pytest.mark.parametrize("code", [ErrorCode.CANCEL, ErrorCode.NO_ERROR])
def test_a_reset_ends_both_sides_with_its_code(code: ErrorCode) -> None:
    server = ServerEnd()
    stream = server.request()
    stream.reset(code)
    assert stream.state == StreamState.CLOSED
    assert server.sent() == [Frame(RST_STREAM, 0, 1, code.to_bytes(4, "big"))]


def test_a_reset_of_a_closed_stream_does_nothing() -> None:
    server = ServerEnd()
    stream = server.request(end_stream=True)
    server.connection.send_head(stream, block(*RESPONSE), end_stream=True)
    server.connection.take()
    stream.reset(ErrorCode.CANCEL)
    assert server.sent() == []


def test_a_stream_that_has_ended_gives_no_window_back() -> None:
    server = ServerEnd()
    stream = server.request()
    stream.reset(ErrorCode.CANCEL)
    server.connection.take()
    stream.consumed(2**20)
    assert server.sent() == []
