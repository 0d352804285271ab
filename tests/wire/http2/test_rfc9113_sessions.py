"""A client and a server wired back to back in memory: what one sends is what the other hears, through every window and shutdown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.http2.recording import (
    REQUEST_TEMPLATE,
    RESPONSE_TEMPLATE,
    TRAILERS,
    TRAILERS_TEMPLATE,
    ClientEnd,
    RecordingStream,
    ServerEnd,
    exchange,
)
from towpath._wire.hpack import literal
from towpath._wire.http2 import ErrorCode, Limits
from towpath._wire.http2.states import ConnectionState, StreamState

SMALL = Limits(stream_window=65_535, connection_window=65_535)
BODY = bytes(range(256)) * 4096
"""1 MiB: sixteen windows."""


def introduced(limits: Limits = SMALL, *, consuming: bool = True) -> tuple[ClientEnd, ServerEnd]:
    client = ClientEnd(limits, begun=False, consuming=consuming)
    server = ServerEnd(limits, begun=False, consuming=consuming)
    exchange(client, server)
    assert client.owner.events == server.owner.events == [("ready",)]
    return client, server


def request(client: ClientEnd, body: bytes, literals: bytes = b"") -> RecordingStream:
    stream = RecordingStream(client.connection, client.owner.events, consuming=client.owner.consuming)
    client.connection.open(stream)
    client.connection.send_whole(stream, client.connection.encode(REQUEST_TEMPLATE, literals), body, None)
    return stream


def answer(server: ServerEnd, stream: RecordingStream, body: bytes) -> None:
    connection = server.connection
    connection.send_whole(stream, connection.encode(RESPONSE_TEMPLATE), body, TRAILERS_TEMPLATE)


def test_a_call_goes_there_and_back_and_leaves_nothing_behind() -> None:
    client, server = introduced()
    for number in range(5):
        stream = request(client, b"ping", literal(b"x-number", b"%d" % number))
        exchange(client, server)
        answer(server, server.owner.streams[-1], b"pong")
        exchange(client, server)
        assert server.owner.streams[-1].received == b"ping"
        assert stream.received == b"pong"
        assert client.owner.events[-1] == ("trailers", stream.id, TRAILERS)
        assert stream.state == server.owner.streams[-1].state == StreamState.CLOSED
    assert client.connection.streams == server.connection.streams == {}
    heads = [event for event in server.owner.events if event[0] == "head"]
    assert [event[3] for event in heads] == [((b"te", b"trailers"), (b"x-number", b"%d" % number)) for number in range(5)]


def test_bodies_larger_than_every_window_cross_in_both_directions_at_once() -> None:
    client, server = introduced()
    streams = [request(client, BODY) for _ in range(3)]
    client.feed(server.connection.take())
    server.feed(client.connection.take())
    for stream in list(server.owner.streams):
        answer(server, stream, BODY[::-1])
    exchange(client, server)
    assert [bytes(stream.received) for stream in server.owner.streams] == [BODY] * 3
    assert [bytes(stream.received) for stream in streams] == [BODY[::-1]] * 3
    assert client.connection.streams == server.connection.streams == {}


def test_trailers_wait_for_the_data_before_them() -> None:
    client, server = introduced()
    stream = request(client, b"ping")
    exchange(client, server)
    answer(server, server.owner.streams[0], BODY)
    assert server.owner.streams[0].queued > 0
    exchange(client, server)
    kinds = [event[0] for event in client.owner.events if event[0] != "ready"]
    assert kinds == ["drained"] * kinds.count("drained") + ["head", *["data"] * (len(kinds) - 2 - kinds.count("drained")), "trailers"]
    assert stream.received == BODY


def test_a_reader_that_does_not_consume_stops_its_own_stream_and_no_other() -> None:
    client, server = introduced(Limits(stream_window=65_535), consuming=False)
    slow = request(client, BODY)
    exchange(client, server)
    stuck = server.owner.streams[0]
    assert len(stuck.received) == 65_535
    assert slow.queued == len(BODY) - 65_535
    other = request(client, b"quick")
    exchange(client, server)
    assert server.owner.streams[1].received == b"quick"
    assert other.state == StreamState.HALF_CLOSED_LOCAL
    stuck.consuming = True
    stuck.consumed(len(stuck.received))
    exchange(client, server)
    assert stuck.received == BODY


def test_many_large_messages_advance_together() -> None:
    client, server = introduced()
    for _ in range(8):
        request(client, bytes(200_000))
    most_apart = 0
    for _ in range(1000):
        server.feed(client.connection.take())
        client.feed(server.connection.take())
        arrived = [len(stream.received) for stream in server.owner.streams]
        if min(arrived) < 200_000 - 65_535:
            most_apart = max(most_apart, max(arrived) - min(arrived))
    assert [len(stream.received) for stream in server.owner.streams] == [200_000] * 8
    assert most_apart <= 65_535 + 16_384  # the first window went to the first stream; since then a frame to each in turn


def test_a_shutdown_loses_no_call() -> None:
    client, server = introduced()
    early = request(client, b"early")
    exchange(client, server)
    server.connection.announce_shutdown()
    server.connection.ping(b"goodbye!")
    crossing = request(client, b"crossing")
    exchange(client, server)
    assert not client.connection.can_open()
    assert ("pinged", b"goodbye!") in server.owner.events
    server.connection.stop_accepting()
    for stream in list(server.owner.streams):
        answer(server, stream, b"done")
    exchange(client, server)
    assert early.received == crossing.received == b"done"
    assert client.connection.streams == server.connection.streams == {}
    assert client.connection.state is server.connection.state is ConnectionState.DRAINING


def test_a_call_that_comes_after_the_last_goaway_is_refused_at_its_own_end() -> None:
    client, server = introduced()
    taken = request(client, b"taken")
    exchange(client, server)
    server.connection.stop_accepting()
    late = request(client, b"late")
    exchange(client, server)
    assert ("reset", late.id, ErrorCode.REFUSED_STREAM) in client.owner.events
    assert len(server.owner.streams) == 1
    answer(server, server.owner.streams[0], b"done")
    exchange(client, server)
    assert taken.received == b"done"


@pytest.mark.parametrize("code", [ErrorCode.CANCEL, ErrorCode.NO_ERROR])
def test_a_reset_from_either_side_reaches_the_other_and_harms_no_third(code: ErrorCode) -> None:
    client, server = introduced()
    by_client, by_server, untouched = (request(client, BODY) for _ in range(3))
    server.feed(client.connection.take())
    by_client.reset(code)
    server.owner.streams[1].reset(code)
    exchange(client, server)
    assert ("reset", by_client.id, code) in server.owner.events
    assert ("reset", by_server.id, code) in client.owner.events
    assert server.owner.streams[2].received == BODY
    assert list(client.connection.streams.values()) == [untouched]


def test_trailers_that_wait_do_not_depend_on_blocks_that_overtake_them() -> None:
    """RFC 7541 2.2: blocks are decoded in the order in which they are sent, so what waits must not use the table."""
    client, server = introduced()
    large, quick = request(client, b"large"), request(client, b"quick")
    exchange(client, server)
    answer(server, server.owner.streams[0], bytes(100_000))
    answer(server, server.owner.streams[1], b"")
    exchange(client, server)
    assert len(large.received) == 100_000
    assert [event for event in client.owner.events if event[0] == "trailers"] == [
        ("trailers", quick.id, TRAILERS),
        ("trailers", large.id, TRAILERS),
    ]


@given(st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 300_000)), min_size=1, max_size=4))
def test_messages_of_any_size_arrive_whole(sizes: list[tuple[int, int]]) -> None:
    client, server = introduced()
    streams = [request(client, bytes(size)) for size, _ in sizes]
    exchange(client, server)
    for stream, (_, size) in zip(list(server.owner.streams), sizes, strict=True):
        answer(server, stream, bytes(size))
    exchange(client, server)
    assert [(len(there.received), len(back.received)) for there, back in zip(server.owner.streams, streams, strict=True)] == sizes
    assert client.connection.streams == server.connection.streams == {}
