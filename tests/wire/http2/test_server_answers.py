"""A server's whole answers, on the short way for what recurs and on the long one for the rest: the client must not see a difference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.http2.recording import (
    REQUEST,
    RESPONSE_TEMPLATE,
    TRAILERS_TEMPLATE,
    ClientEnd,
    Frame,
    ServerEnd,
    block,
    data,
    exchange,
    headers,
)
from towpath._wire.http2 import ErrorCode, IllegalSend, Limits, ResponseTemplate, frames
from towpath._wire.http2.frames import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, Setting, settings
from towpath._wire.http2.states import ConnectionState, StreamState

ANSWER = ResponseTemplate(RESPONSE_TEMPLATE, TRAILERS_TEMPLATE)


def test_an_answer_is_head_body_and_trailers() -> None:
    server = ServerEnd()
    for stream_id in (1, 3, 5):
        stream = server.request(stream_id, end_stream=True)
        server.connection.answer(stream, ANSWER, b"body")
        head, body, trailers = server.sent()
        assert (head.kind, head.flags, head.stream_id) == (HEADERS, END_HEADERS, stream_id)
        assert body == Frame(DATA, 0, stream_id, b"body")
        assert (trailers.kind, trailers.flags, trailers.stream_id) == (HEADERS, END_HEADERS | END_STREAM, stream_id)
        assert stream.state == StreamState.CLOSED
        assert server.connection.streams == {}
        assert 65_535 - server.connection.send_window == 4 * (stream_id + 1) // 2


def test_an_answer_may_come_before_the_end_of_its_request() -> None:
    server = ServerEnd()
    for stream_id in (1, 3):
        stream = server.request(stream_id)
        server.connection.answer(stream, ANSWER, b"body")
        assert stream.state == StreamState.HALF_CLOSED_LOCAL
        assert server.connection.streams[stream_id] is stream


def test_a_second_answer_is_illegal() -> None:
    server = ServerEnd()
    server.connection.answer(server.request(1, end_stream=True), ANSWER, b"")
    stream = server.request(3)
    server.connection.answer(stream, ANSWER, b"")
    with pytest.raises(IllegalSend, match="a head cannot be sent on stream 3"):
        server.connection.answer(stream, ANSWER, b"")
    server.connection.reset(stream, ErrorCode.NO_ERROR)
    with pytest.raises(IllegalSend, match="a head cannot be sent on stream 3"):
        server.connection.answer(stream, ANSWER, b"")


@given(
    sizes=st.lists(st.sampled_from([0, 1, 70, 400, 16_384, 16_385, 40_000]), min_size=1, max_size=6),
    window=st.sampled_from([65_535, 300]),
    table=st.sampled_from([4096, 60, 0]),
    new_table=st.sampled_from([None, 4096, 0]),
)
def test_every_answer_arrives_whole(sizes: list[int], window: int, table: int, new_table: int | None) -> None:
    """Past the frame's size, past the windows, and whatever happens to the peer's table in between."""
    client = ClientEnd(Limits(max_table=table), begun=False, consuming=True)
    server = ServerEnd(begun=False)
    exchange(client, server)
    server.feed(settings([(Setting.INITIAL_WINDOW_SIZE, window)]))
    client.connection.initial_window = window  # as if it had announced that itself, which `Limits` does not allow
    for number, size in enumerate(sizes):
        if number == 2 and new_table is not None:
            server.feed(settings([(Setting.HEADER_TABLE_SIZE, min(new_table, table))]))
        stream = client.call(end_stream=False)
        server.connection.answer(server.request(stream.id), ANSWER, b"x" * size)
        exchange(server, client)
        kinds = [event[0] for event in client.owner.events if event[1:2] == (stream.id,)]
        assert (kinds[0], kinds[-1]) == ("head", "trailers")
        assert len(stream.received) == size
        client.owner.events.clear()


class TestAnsweringWithoutAStream:
    """An owner may answer a head with a head, and be troubled no further."""

    def server(self, answer: bytes = b"\x88") -> ServerEnd:
        server = ServerEnd()
        server.owner.answer = answer
        return server

    def test_the_answer_ends_the_stream_and_the_body_is_dropped(self) -> None:
        server = self.server()
        assert server.feed(headers(1, block(*REQUEST)), data(1, b"body", end_stream=True)) == [("answered",)]
        assert server.sent() == [Frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x88")]
        assert server.connection.streams == {}
        assert server.connection.state is ConnectionState.OPEN

    def test_a_request_without_a_body_is_over(self) -> None:
        server = self.server()
        server.feed(headers(1, block(*REQUEST), end_stream=True))
        server.sent()
        server.feed(data(1, b"late", end_stream=True))
        assert server.sent()[-1].kind == RST_STREAM

    def test_a_client_that_goes_on_is_told_to_stop(self) -> None:
        server = self.server()
        server.feed(headers(1, block(*REQUEST)), *[data(1, bytes(16_384))] * 7)
        assert [frame for frame in server.sent() if frame.kind != HEADERS] == []
        server.feed(data(1, bytes(16_384)), data(1, b"", end_stream=True))  # half a window, which is 256 KiB
        assert [frame for frame in server.sent() if frame.kind != HEADERS] == [Frame(RST_STREAM, 0, 1, bytes(4))]

    def test_a_client_that_comes_to_its_end_is_told_nothing(self) -> None:
        server = self.server()
        server.feed(headers(1, block(*REQUEST)), data(1, b"bo"), data(1, b"dy"), data(1, b"", end_stream=True))
        assert [frame.kind for frame in server.sent()] == [HEADERS]

    def test_a_client_that_takes_it_back_is_told_nothing_later(self) -> None:
        server = self.server()
        for stream_id in range(1, 2 * 300, 2):  # more than are kept of those whose bodies are still to come
            server.feed(headers(stream_id, block(*REQUEST)), frames.rst_stream(stream_id, ErrorCode.CANCEL))
        assert {frame.kind for frame in server.sent()} == {HEADERS}

    def test_trailers_end_it_too(self) -> None:
        server = self.server()
        server.feed(headers(1, block(*REQUEST)), headers(1, block((b"x", b"y")), end_stream=True))
        assert server.connection.state is ConnectionState.OPEN
        server.feed(data(1, b"late"))
        assert server.sent()[-1].kind == RST_STREAM

    def test_bodies_that_never_come_are_given_up(self) -> None:
        server = self.server()
        for stream_id in range(1, 2 * 300, 2):
            server.feed(headers(stream_id, block(*REQUEST)))
        told = [frame.stream_id for frame in server.sent() if frame.kind == RST_STREAM]
        assert told == list(range(1, 2 * 44, 2))

    def test_an_answer_of_any_size_goes_out_in_frames(self) -> None:
        server = self.server(bytes(20_000))
        server.feed(headers(1, block(*REQUEST)))
        head, rest = server.sent()
        assert (head.kind, head.flags, rest.kind, rest.flags) == (HEADERS, END_STREAM, CONTINUATION, END_HEADERS)
