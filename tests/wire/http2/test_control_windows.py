"""The window that a peer gives every stream, changed while streams are under way: as if each were gone through, without doing so."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.http2.recording import RESPONSE, ClientEnd, RecordingStream, ServerEnd, block, body_of, goaway_code
from towpath._wire.http2 import ErrorCode, Limits
from towpath._wire.http2.frames import DATA, DEFAULT_WINDOW, MAX_WINDOW, Setting, rst_stream, settings, window_update
from towpath._wire.http2.states import ConnectionState

GENEROUS = Limits(overhead_burst=1_000_000, reset_burst=1_000_000)


def initial(window: int) -> bytes:
    return settings([(Setting.INITIAL_WINDOW_SIZE, window)])


class Walked(dict[int, Any]):
    """Counts how often all streams are gone through."""

    walks = 0

    def values(self) -> Any:
        self.walks += 1
        return super().values()


def with_streams(end: type[ServerEnd] | type[ClientEnd], count: int = 50) -> tuple[ServerEnd | ClientEnd, list[RecordingStream], Walked]:
    """An end with streams that it has data for, and no room to send it."""
    one = end(GENEROUS)
    one.feed(initial(0))
    streams = [one.request(2 * number + 1, end_stream=True) if isinstance(one, ServerEnd) else one.call() for number in range(count)]
    for stream in streams:
        if isinstance(one, ServerEnd):
            one.connection.send_head(stream, block(*RESPONSE), end_stream=False)
        one.connection.send_body(stream, bytes(1000), end_stream=True)
    one.connection.take()
    walked = one.connection.streams = Walked(one.connection.streams)
    return one, streams, walked


@pytest.mark.parametrize("end", [ServerEnd, ClientEnd])
def test_streams_are_not_gone_through_for_every_frame(end: type[ServerEnd] | type[ClientEnd]) -> None:
    one, streams, walked = with_streams(end)
    one.feed((initial(0) + initial(1)) * 500)
    assert walked.walks <= 1
    assert [stream.send_window for stream in streams] == [0] * 50
    assert [len(body_of(one.sent(), 1)), len(streams[0].queue or ())] == [1, 1]


def test_streams_that_a_server_will_not_answer_hear_of_it_the_oldest_first() -> None:
    client, _, _ = with_streams(ClientEnd)
    client.connection.going_away(60, "going")
    refused = [event for event in client.owner.events if event[0] == "reset"]
    assert refused == [("reset", stream_id, ErrorCode.REFUSED_STREAM) for stream_id in range(61, 100, 2)]


def test_a_stream_that_had_the_largest_window_and_is_over_stands_in_no_ones_way() -> None:
    server = ServerEnd(GENEROUS)
    server.request(1)
    server.request(3)
    server.feed(window_update(1, MAX_WINDOW - DEFAULT_WINDOW), rst_stream(1, ErrorCode.CANCEL), initial(MAX_WINDOW))
    assert server.connection.state is ConnectionState.OPEN
    server.feed(window_update(3, 1))
    assert server.reset_with(3, ErrorCode.FLOW_CONTROL_ERROR)


class Model:
    """What RFC 9113 section 6.9.2 says, written down as it is read: each stream has a window of its own."""

    def __init__(self) -> None:
        self.initial = DEFAULT_WINDOW
        self.windows: dict[int, int] = {}
        self.queued: dict[int, int] = {}
        self.sent: dict[int, int] = {}
        self.fault = False

    def send(self, stream_id: int) -> None:
        size = max(0, min(self.queued[stream_id], self.windows[stream_id]))
        self.windows[stream_id] -= size
        self.queued[stream_id] -= size
        self.sent[stream_id] += size

    def settings(self, window: int) -> None:
        for stream_id in self.windows:
            self.windows[stream_id] += window - self.initial
        self.initial = window
        self.fault = any(window > MAX_WINDOW for window in self.windows.values())

    def update(self, stream_id: int, size: int) -> None:
        if self.windows[stream_id] + size > MAX_WINDOW:
            self.end(stream_id)
        else:
            self.windows[stream_id] += size
            self.send(stream_id)

    def end(self, stream_id: int) -> None:
        del self.windows[stream_id]
        del self.queued[stream_id]


def note(one: ServerEnd | ClientEnd, bodies: Counter[int]) -> None:
    """Add up what was sent of each body."""
    for each in one.sent():
        if each.kind == DATA:
            bodies[each.stream_id] += len(each.payload)


sizes = st.one_of(st.integers(0, 400), st.sampled_from([DEFAULT_WINDOW, MAX_WINDOW // 2, MAX_WINDOW - 300, MAX_WINDOW - 1, MAX_WINDOW]))
steps = st.one_of(
    st.tuples(st.just("settings"), st.just(0), sizes),
    st.tuples(st.just("update"), st.integers(0, 3), sizes.filter(bool)),
    st.tuples(st.just("body"), st.integers(0, 3), st.integers(1, 500)),
    st.tuples(st.just("reset"), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("open"), st.just(0), st.just(0)),
)


@given(st.lists(st.lists(steps, min_size=1, max_size=4), max_size=25), st.sampled_from([ServerEnd, ClientEnd]))
def test_windows_are_what_they_were_if_every_stream_were_gone_through(
    reads: list[list[tuple[str, int, int]]], end: type[ServerEnd] | type[ClientEnd]
) -> None:
    one, model = end(GENEROUS), Model()
    one.connection.send_window = 1 << 40  # what the connection as a whole may send is another matter
    streams: dict[int, RecordingStream] = {}
    bodies: Counter[int] = Counter()
    for read in reads:
        came = b""
        for kind, place, size in read:
            live = [*model.windows]
            chosen = live[place % len(live)] if live else 0
            if kind == "settings" and not model.fault:
                came += initial(size)
                model.settings(size)
            elif kind == "update" and chosen and not model.fault:
                came += window_update(chosen, size)
                model.update(chosen, size)
            elif kind == "reset" and chosen and not model.fault:
                came += rst_stream(chosen, ErrorCode.CANCEL)
                model.end(chosen)
        one.feed(came)
        if model.fault:
            goaway = one.sent()[-1]
            assert goaway_code(goaway) == ErrorCode.FLOW_CONTROL_ERROR
            assert one.connection.state is ConnectionState.CLOSED
            return
        for stream_id in model.windows:
            model.send(stream_id)
        for kind, place, size in read:  # what the layer above does comes after a read
            note(one, bodies)
            live = [*model.windows]
            if kind == "open":
                stream = one.request(2 * len(streams) + 1) if isinstance(one, ServerEnd) else one.call()
                if isinstance(one, ServerEnd):
                    one.connection.send_head(stream, block(*RESPONSE), end_stream=False)
                streams[stream.id] = stream
                model.windows[stream.id], model.queued[stream.id], model.sent[stream.id] = model.initial, 0, 0
            elif kind == "body" and live:
                stream_id = live[place % len(live)]
                one.connection.send_body(streams[stream_id], bytes(size), end_stream=False)
                model.queued[stream_id] += size
                model.send(stream_id)
        assert {stream_id: stream.send_window for stream_id, stream in one.connection.streams.items()} == model.windows
        assert {stream_id: stream.queued for stream_id, stream in one.connection.streams.items()} == model.queued
        note(one, bodies)
        assert {stream_id: bodies[stream_id] for stream_id in model.sent} == model.sent
