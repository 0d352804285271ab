"""What one connection takes in one turn of the loop, however much has come."""

import pytest

from tests.wire.http2.recording import (
    REQUEST,
    RESPONSE,
    RESPONSE_TEMPLATE,
    ClientEnd,
    End,
    RecordingStream,
    ServerEnd,
    block,
    data,
    headers,
)
from towpath._wire.http2 import Limits, frames
from towpath._wire.http2.frames import DATA, FRAME_HEADER_SIZE, PING, Setting, frame, settings, window_update
from towpath._wire.http2.states import ConnectionState

PATIENT = Limits(overhead_burst=1_000_000, max_concurrent_streams=10_000, stream_window=1 << 24)
MIB = 1 << 20


def turns(one: End, come: bytes) -> int:
    """How many turns the bytes take."""
    one.connection.receive(come)
    count = 1
    while one.connection.behind:
        one.connection.go_on()
        count += 1
    return count


@pytest.mark.parametrize("end", [ServerEnd, ClientEnd])
def test_small_frames_take_a_turn_for_each_16_kib(end: type[End]) -> None:
    assert issubclass(end, ServerEnd | ClientEnd)
    one = end(PATIENT)
    ping = frame(PING, 0, 0, bytes(8))
    assert turns(one, ping * 1000) == 1
    assert turns(one, ping * 10_000) in (10, 11)
    assert len(one.sent()) == 11_000


def test_calls_take_a_turn_for_each_128() -> None:
    server = ServerEnd(PATIENT)
    calls = b"".join(headers(stream_id, block(*REQUEST), end_stream=True) for stream_id in range(1, 2001, 2))
    assert 6 <= turns(server, calls) <= 8
    assert [event[1] for event in server.owner.events] == [*range(1, 2001, 2)]


def test_data_takes_one_turn_however_much_it_is() -> None:
    server = ServerEnd(PATIENT, consuming=True)
    stream = server.request(1)
    assert turns(server, data(1, bytes(16_384)) * 40) == 1
    assert len(stream.received) == 40 * 16_384


def test_what_comes_while_something_is_behind_comes_after_it() -> None:
    server = ServerEnd(PATIENT)
    server.connection.receive(b"".join(headers(each, block(*REQUEST), end_stream=True) for each in range(1, 801, 2)))
    assert server.connection.behind
    server.connection.receive(headers(801, block(*REQUEST), end_stream=True))
    turns(server, headers(803, block(*REQUEST), end_stream=True))
    assert [event[1] for event in server.owner.events] == [*range(1, 804, 2)]


def test_a_fault_ends_what_is_behind() -> None:
    server = ServerEnd(PATIENT)
    server.connection.receive(frame(PING, 0, 0, bytes(8)) * 5000 + frame(PING, 0, 0, b"") + headers(1, block(*REQUEST)))
    assert server.connection.behind
    turns(server, b"")
    assert server.connection.state is ConnectionState.CLOSED
    assert server.owner.streams == []
    assert not server.connection.behind


class TestQueues:
    """One frame may open the windows of all streams."""

    @staticmethod
    def waiting(*sizes: int) -> tuple[ServerEnd, list[RecordingStream]]:
        server = ServerEnd(PATIENT)
        server.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 0)]))
        streams = [server.request(2 * number + 1, end_stream=True) for number in range(len(sizes))]
        for stream, size in zip(streams, sizes, strict=True):
            server.connection.send_head(stream, server.connection.encode(RESPONSE_TEMPLATE), end_stream=False)
            server.connection.send_body(stream, bytes(size), end_stream=True)
        server.sent()
        return server, streams

    @staticmethod
    def gone(server: ServerEnd) -> int:
        return sum(len(each.payload) for each in server.sent() if each.kind == DATA)

    def test_that_the_window_of_the_connection_lets_go_leave_in_portions(self) -> None:
        server, _ = self.waiting(*[MIB] * 6)
        server.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 2 * MIB)]))
        self.gone(server)
        server.connection.receive(window_update(0, 1 << 28))
        portions = [self.gone(server)]
        while server.connection.behind:
            server.connection.go_on()
            portions.append(self.gone(server))
        assert sum(portions) == 6 * MIB - 65_535
        assert max(portions) <= MIB + 16_384 + FRAME_HEADER_SIZE

    def test_that_their_own_windows_let_go_leave_in_portions(self) -> None:
        server, streams = self.waiting(*[MIB] * 6)
        server.feed(window_update(0, 1 << 28))
        server.connection.receive(b"".join(window_update(stream.id, 2 * MIB) * 2 for stream in streams))
        portions = [self.gone(server)]
        while server.connection.behind:
            server.connection.go_on()
            portions.append(self.gone(server))
        assert portions == [MIB] * 6
        assert all(stream.queued == 0 for stream in streams)

    def test_that_settings_let_go_leave_in_portions(self) -> None:
        server, streams = self.waiting(*[MIB] * 6)
        server.feed(window_update(0, 1 << 28))
        server.connection.receive(settings([(Setting.INITIAL_WINDOW_SIZE, 2 * MIB)]))
        assert server.connection.behind
        assert self.gone(server) == MIB
        turns(server, b"")
        assert self.gone(server) == 5 * MIB
        assert all(stream.queued == 0 for stream in streams)

    def test_that_wait_for_their_own_windows_are_not_behind(self) -> None:
        server, _ = self.waiting(MIB, 100)
        server.feed(window_update(0, 1 << 28))
        server.connection.receive(window_update(1, MIB))
        assert self.gone(server) == MIB
        server.connection.receive(settings([(Setting.INITIAL_WINDOW_SIZE, 0)]) + window_update(3, 0x7FFF) + settings([]))
        assert turns(server, b"") <= 2
        assert self.gone(server) == 100

    def test_of_a_stream_that_is_over_are_passed_over(self) -> None:
        server, streams = self.waiting(MIB, MIB, 100)
        server.feed(window_update(0, 1 << 28))
        server.connection.receive(window_update(1, MIB) + window_update(3, MIB) + window_update(5, 1))
        assert server.connection.behind
        server.connection.receive(frames.rst_stream(3, 8))
        turns(server, b"")
        assert streams[2].queued == 99


def test_answers_take_turns_too() -> None:
    client = ClientEnd(PATIENT)
    for _ in range(1000):
        client.call(end_stream=True)
    assert (
        turns(client, b"".join(headers(each, block(*RESPONSE)) + data(each, b"hello", end_stream=True) for each in range(1, 2001, 2))) > 1
    )
    assert client.connection.streams == {}


@pytest.mark.parametrize("opened", ["all at once", "one by one"])
def test_of_many_streams_that_may_send_64_go_on_in_a_turn(opened: str) -> None:
    """However little waits: whoever made it is told that it has gone, and makes the next piece."""
    server = ServerEnd(PATIENT)
    server.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 0)]), window_update(0, 1 << 28))
    streams = [server.request(stream_id) for stream_id in range(1, 2001, 2)]
    for stream in streams:
        server.connection.send_head(stream, server.connection.encode(RESPONSE_TEMPLATE), end_stream=False)
        server.connection.send_body(stream, b"little", end_stream=False)
    server.sent()
    one_by_one = b"".join(window_update(stream.id, 100) for stream in streams)
    server.connection.receive(settings([(Setting.INITIAL_WINDOW_SIZE, 100)]) if opened == "all at once" else one_by_one)
    gone: list[int] = []
    while True:
        frames_ = [one for one in server.sent() if one.kind == DATA]
        assert len(frames_) <= 64
        gone += [one.stream_id for one in frames_]
        if not server.connection.behind:
            break
        server.connection.go_on()
    assert gone == [stream.id for stream in streams]
    assert not server.connection.starved
