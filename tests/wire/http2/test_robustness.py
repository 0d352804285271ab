"""Whatever a peer sends, `receive` does not raise; and how its bytes were cut into pieces changes nothing."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.http2.recording import (
    REQUEST,
    REQUEST_TEMPLATE,
    RESPONSE,
    RESPONSE_TEMPLATE,
    TRAILERS,
    TRAILERS_TEMPLATE,
    ClientEnd,
    End,
    Event,
    Frame,
    RecordingStream,
    ServerEnd,
    block,
    parse,
)
from towpath._wire.http2 import ClientConnection, ErrorCode, ServerConnection, frames
from towpath._wire.http2.frames import PREFACE, RST_STREAM, Setting
from towpath._wire.http2.states import ConnectionState

pytestmark = pytest.mark.untraced

GREETING = PREFACE + frames.settings([(Setting.INITIAL_WINDOW_SIZE, 100_000), (Setting.HEADER_TABLE_SIZE, 100)])


def client_session() -> bytes:
    """What a real client sends: calls with recurring heads and bodies, a reset, a ping."""
    client = ClientEnd(begun=False)
    sent = bytearray(client.connection.take())
    client.feed(frames.settings([]))
    for number in range(4):
        stream = RecordingStream(client.connection, [])
        client.connection.open(stream)
        client.connection.send_whole(stream, client.connection.encode(REQUEST_TEMPLATE), b"body %d" % number, None)
        if number == 2:
            stream.reset(ErrorCode.CANCEL)
    client.connection.ping(b"01234567")
    return bytes(sent + client.connection.take())


def server_session() -> bytes:
    """What a real server sends to a client with three calls under way."""
    server = ServerEnd(begun=False)
    server.feed(GREETING)
    for number in range(3):
        connection, stream = server.connection, server.request(1 + 2 * number, end_stream=True)
        connection.send_whole(stream, connection.encode(RESPONSE_TEMPLATE), b"body", TRAILERS_TEMPLATE)
    server.connection.announce_shutdown()
    return server.connection.take()


CLIENT_SESSION, SERVER_SESSION = client_session(), server_session()

kinds = st.integers(0, 10)
stream_ids = st.sampled_from([0, 1, 2, 3, 5, 7, 2**31 - 1, 2**31 + 1])
payloads = st.binary(max_size=40) | st.sampled_from(
    [bytes(4), bytes(5), bytes(8), b"\0\0\0\1", b"\x7f\xff\xff\xff", block(*REQUEST), block(*RESPONSE), block(*TRAILERS), b"\x82\x86\x84"]
)
any_frame = st.builds(frames.frame, kinds, st.integers(0, 255), stream_ids, payloads)
valid_frame = st.sampled_from(
    [
        frames.frame(frames.HEADERS, 4, 1, block(*REQUEST)),
        frames.frame(frames.HEADERS, 5, 3, block(*REQUEST)),
        frames.frame(frames.HEADERS, 0, 5, block(*REQUEST)[:9]),
        frames.frame(frames.CONTINUATION, 4, 5, block(*REQUEST)[9:]),
        frames.frame(frames.HEADERS, 4, 1, block(*RESPONSE)),
        frames.frame(frames.HEADERS, 5, 1, block(*TRAILERS)),
        frames.frame(frames.DATA, 0, 1, b"data"),
        frames.frame(frames.DATA, 1, 1, b"data"),
        frames.frame(frames.PING, 0, 0, b"01234567"),
        frames.settings([(Setting.INITIAL_WINDOW_SIZE, 0)]),
        frames.window_update(0, 100),
        frames.window_update(1, 100),
        frames.rst_stream(1, 8),
        frames.goaway(1, 0),
    ]
)
sequences = st.lists(valid_frame | any_frame, max_size=20).map(b"".join)


class Busy:
    """One end that also sends on every stream it may send on, so that what is received meets states and queues of all kinds."""

    @staticmethod
    def server() -> ServerEnd:
        return ServerEnd(begun=False)

    @staticmethod
    def client(*, begun: bool = True) -> ClientEnd:
        client = ClientEnd(begun=begun)
        for number in range(3 if begun else 0):
            stream = client.call()
            client.connection.send_body(stream, bytes(40_000), end_stream=number == 1)
        return client


def survives(end: End, pieces: list[bytes]) -> list[Event]:
    """Feed the pieces and answer what was opened; what the connection then is has to hold together."""
    connection = end.connection
    for piece in pieces:
        end.feed(piece)
        for stream in list(connection.streams.values()):
            if isinstance(end, ServerEnd) and stream.queue is None and stream.state in {1, 3}:
                connection.send_head(stream, connection.encode(RESPONSE_TEMPLATE), end_stream=False)
                connection.send_body(stream, bytes(30_000), end_stream=False, trailers=block(*TRAILERS))
    sent = parse(connection.take())
    assert all(stream.state in {1, 2, 3} and stream.id == stream_id for stream_id, stream in connection.streams.items())
    assert all(stream in connection.streams.values() for stream in connection.starved)
    assert [each.kind for each in sent].count(frames.GOAWAY) <= 1
    if connection.state is ConnectionState.CLOSED:
        assert connection.streams == {}
        assert end.owner.events.count(("failed",)) == 1
        assert sent[-1].kind == frames.GOAWAY
    assert no_reset_of_an_idle_stream(end, sent)
    return end.owner.events


def no_reset_of_an_idle_stream(end: End, sent: list[Frame]) -> bool:
    """RFC 9113 6.4 forbids it."""
    connection = end.connection
    assert isinstance(connection, ServerConnection | ClientConnection)
    return not any(each.kind == RST_STREAM and connection.is_idle(each.stream_id) for each in sent)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places taken modulo their length."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_random_bytes_never_raise(data: bytes) -> None:
    for end in (Busy.server(), Busy.client(begun=False), Busy.client()):
        survives(end, [data])
    survives(ServerEnd(begun=False), [GREETING, data])


@settings(max_examples=400)
@given(sequences)
def test_random_frames_never_raise(data: bytes) -> None:
    survives(Busy.server(), [GREETING, data])
    survives(Busy.client(), [data])


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["flip", "drop", "double", "insert"]), st.integers(0, 255)), max_size=6))
def test_mutated_sessions_never_raise(mutations: list[tuple[int, str, int]]) -> None:
    for end, session in ((Busy.server(), CLIENT_SESSION), (Busy.client(begun=False), SERVER_SESSION), (Busy.client(), SERVER_SESSION)):
        data = bytearray(session)
        for place, mutation, byte in mutations:
            at = place % len(data)
            if mutation == "flip":
                data[at] ^= byte
            elif mutation == "drop":
                del data[at : at + 1 + byte % 16]
            elif mutation == "double":
                data[at:at] = data[at : at + byte]
            else:
                data.insert(at, byte)
            data = data or bytearray(b"\0")
        survives(end, [bytes(data)])


@settings(max_examples=200)
@given(sequences, st.lists(st.integers(0, 10**6), max_size=12))
def test_bytes_mean_the_same_in_pieces_of_any_size(data: bytes, places: list[int]) -> None:
    for make, session in ((Busy.server, GREETING + data), (Busy.client, data), (Busy.server, CLIENT_SESSION)):
        whole, pieces, bytewise = make(), make(), make()
        whole.feed(session)
        pieces.feed(*cut(session, places))
        bytewise.feed(*(bytes([byte]) for byte in session))
        assert whole.owner.events == pieces.owner.events == bytewise.owner.events
        assert whole.owner.reasons == pieces.owner.reasons == bytewise.owner.reasons
        assert whole.connection.state is pieces.connection.state is bytewise.connection.state
        assert whole.connection.take() == pieces.connection.take() == bytewise.connection.take()


def test_real_sessions_are_fit_to_be_mutated() -> None:
    assert [event[0] for event in survives(Busy.server(), [CLIENT_SESSION])].count("head") == 4
    assert [event[0] for event in survives(Busy.client(), [SERVER_SESSION])].count("trailers") == 3
