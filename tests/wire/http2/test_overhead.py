"""What is counted of frames that are no part of a call, and what earns them."""

from collections.abc import Callable

import pytest

from tests.wire.http2.recording import REQUEST, RESPONSE, RESPONSE_TEMPLATE, ClientEnd, End, ServerEnd, block, data, headers
from towpath._wire.http2 import ErrorCode, Limits, frames
from towpath._wire.http2.frames import ACK, GOAWAY, PADDED, PING, PRIORITY, RST_STREAM, SETTINGS, frame, settings, window_update
from towpath._wire.http2.overhead import EARNED, UNWANTED, too_much
from towpath._wire.http2.states import ConnectionState

BURST = 100
LIMITS = Limits(overhead_burst=BURST, overhead_per_second=10, reset_burst=1_000_000)
BOTH = pytest.mark.parametrize("end", [ServerEnd, ClientEnd])

OVERHEAD = {
    "PING": frame(PING, 0, 0, bytes(8)),
    "an acknowledgement of PING": frame(PING, ACK, 0, bytes(8)),
    "SETTINGS": settings([]),
    "an acknowledgement of SETTINGS": frame(SETTINGS, ACK, 0),
    "GOAWAY": frames.goaway(frames.MAX_STREAM_ID, 0),
    "PRIORITY": frame(PRIORITY, 0, 1, bytes(4) + b"\1"),
    "PRIORITY of a stream that is idle": frame(PRIORITY, 0, 9999, bytes(4) + b"\1"),
    "WINDOW_UPDATE of the connection": window_update(0, 1),
    "WINDOW_UPDATE of a stream": window_update(1, 1),
    "WINDOW_UPDATE of a stream that has ended": window_update(3, 1),
    "an unknown frame": frame(0xFA, 0, 0),
    "an unknown frame of a stream": frame(0xFA, 0xFF, 77, b"grease"),
    "RST_STREAM of a stream that has ended": frames.rst_stream(3, 8),
    "DATA without data": data(1, b""),
    "DATA of one byte": data(1, b"x"),
    "DATA of padding": frame(frames.DATA, PADDED, 1, b"\0"),
    "DATA of much padding": frame(frames.DATA, PADDED, 1, b"\xff" + bytes(255)),
    "DATA of one byte on a stream that was reset": data(3, b"x"),
}


def with_streams(end: type[End]) -> End:
    """An end whose first stream is under way and whose second was reset by it, and which has tokens as at its beginning."""
    assert issubclass(end, ServerEnd | ClientEnd)
    one = end(LIMITS, consuming=True)
    if isinstance(one, ServerEnd):
        streams = [one.request(1), one.request(3)]
    else:
        streams = [one.call(), one.call()]
        one.feed(headers(1, block(*RESPONSE)))
    streams[1].reset(ErrorCode.CANCEL)
    one.connection.take()
    one.owner.time += 1000
    return one


def taken(one: End, piece: bytes | Callable[[], bytes], most: int = 10 * BURST) -> int:
    """How often the peer may send a piece in a row."""
    for count in range(most):
        one.feed(piece if isinstance(piece, bytes) else piece())
        if one.connection.state is ConnectionState.CLOSED:
            assert one.failed_with(ErrorCode.ENHANCE_YOUR_CALM)
            return count
    return most


@BOTH
@pytest.mark.parametrize("piece", OVERHEAD.values(), ids=OVERHEAD)
class TestOverhead:
    def test_beyond_the_burst_ends_the_connection(self, end: type[End], piece: bytes) -> None:
        assert BURST <= taken(with_streams(end), piece) <= BURST + 1  # the first of small pieces of data is none

    def test_goes_on_as_time_passes(self, end: type[End], piece: bytes) -> None:
        one = with_streams(end)
        for _ in range(5 * BURST):
            one.owner.time += 0.1
            one.feed(piece)
        assert one.connection.state is not ConnectionState.CLOSED

    def test_costs_nobody_who_is_served(self, end: type[End], piece: bytes) -> None:
        """As many as are earned, with each frame of a body that is sent."""
        one = with_streams(end)
        one.feed(window_update(0, 1 << 20), window_update(1, 1 << 20))
        stream = one.connection.streams[1]
        if isinstance(one, ServerEnd):
            one.connection.send_head(stream, one.connection.encode(RESPONSE_TEMPLATE), end_stream=False)
        for _ in range(BURST):
            one.connection.send_piece(stream, b"tiny")
            one.feed(*[piece] * EARNED)
        assert one.connection.state is not ConnectionState.CLOSED


class TestCallsThatComeToNothing:
    """They cost what a call earns and one more."""

    @staticmethod
    def next_head(server: ServerEnd, head: bytes, step: int = 2) -> Callable[[], bytes]:
        return lambda: headers((server.connection.last_peer_stream or -1) + step, head, end_stream=True)

    def test_malformed(self) -> None:
        server = ServerEnd(LIMITS)
        assert taken(server, self.next_head(server, block(*REQUEST, (b"Upper", b"x")))) <= BURST + 1

    def test_beyond_the_concurrent_streams(self) -> None:
        server = ServerEnd(Limits(overhead_burst=BURST, overhead_per_second=10, max_concurrent_streams=1))
        server.request(1)
        assert taken(server, self.next_head(server, block(*REQUEST))) <= BURST + 1

    def test_after_the_last_that_is_accepted(self) -> None:
        server = ServerEnd(LIMITS)
        server.connection.stop_accepting()
        assert taken(server, self.next_head(server, block(*REQUEST))) <= BURST + 1

    def test_not_wanted_by_who_is_asked(self) -> None:
        server = ServerEnd(LIMITS)
        accept = server.owner.accept

        def unwanted(*arguments: object) -> object:
            server.connection.count_unwanted()
            return accept(*arguments)  # type: ignore[arg-type] # passed on as they came

        server.owner.accept = unwanted  # type: ignore[assignment, method-assign] # the owner of this test alone
        assert taken(server, self.next_head(server, block(*REQUEST))) <= BURST + 1

    def test_skipped_ids_earn_nothing(self) -> None:
        """A client may skip ids, and each of them costs it nothing."""
        server = ServerEnd(LIMITS)
        assert taken(server, self.next_head(server, block(*REQUEST, (b"Upper", b"x")), step=2002)) <= BURST + 1
        assert server.connection.opened() <= BURST + 2

    @pytest.mark.parametrize(("ids", "opened"), [((), 0), ((1,), 1), ((3,), 1), ((1, 3, 5), 3), ((5, 7, 13), 3), ((1, 99, 101), 3)])
    def test_what_was_opened_is_known_exactly(self, ids: tuple[int, ...], opened: int) -> None:
        server = ServerEnd()
        server.feed(*[headers(stream_id, block(*REQUEST), end_stream=True) for stream_id in ids])
        assert server.connection.opened() == opened

    def test_trailers_of_what_was_reset(self) -> None:
        server = ServerEnd(LIMITS)
        server.request(1).reset(ErrorCode.CANCEL)
        assert taken(server, headers(1, block((b"x", b"y")), end_stream=True)) <= BURST + EARNED

    def test_answers_to_what_was_reset(self) -> None:
        client = ClientEnd(LIMITS)
        client.call().reset(ErrorCode.CANCEL)
        assert taken(client, headers(1, block(*RESPONSE))) <= BURST + EARNED

    def test_announcements_of_an_answer(self) -> None:
        client = ClientEnd(LIMITS)
        client.call()
        assert taken(client, headers(1, block((b":status", b"103")))) <= BURST + EARNED


def test_calls_that_are_served_are_never_counted() -> None:
    server = ServerEnd(Limits(overhead_burst=2, overhead_per_second=0, max_concurrent_streams=10_000))
    server.feed(*[headers(stream_id, block(*REQUEST)) + data(stream_id, b"hello", end_stream=True) for stream_id in range(1, 4001, 2)])
    assert server.connection.state is ConnectionState.OPEN
    assert len(server.owner.streams) == 2000


def test_ids_that_are_skipped_pay_for_no_resets() -> None:
    """CVE-2023-44487 with gaps between the ids."""
    server = ServerEnd(Limits(reset_burst=10, resets_per_second=2))
    ids = iter(range(1, 100_000, 40))

    def taken_back() -> bool:
        stream_id = next(ids)
        server.feed(headers(stream_id, block(*REQUEST)), frames.rst_stream(stream_id, ErrorCode.CANCEL))
        return server.connection.state is ConnectionState.OPEN

    assert sum(1 for _ in iter(taken_back, False)) <= 20
    assert server.failed_with(ErrorCode.ENHANCE_YOUR_CALM)


@BOTH
class TestData:
    def test_of_few_bytes_behind_other_data_is_free(self, end: type[End]) -> None:
        """A separator that is written by itself, or what is left of a message at the end of a frame."""
        one = with_streams(end)
        assert taken(one, data(1, b"an item") + data(1, b",")) == 10 * BURST

    def test_that_ends_a_stream_is_free(self, end: type[End]) -> None:
        assert issubclass(end, ServerEnd | ClientEnd)
        one = end(Limits(overhead_burst=2, overhead_per_second=0, max_concurrent_streams=10_000))
        for stream_id in range(1, 1001, 2):
            if isinstance(one, ServerEnd):
                one.feed(headers(stream_id, block(*REQUEST)), data(stream_id, b"", end_stream=True))
            else:
                one.call(end_stream=True)
                one.feed(headers(stream_id, block(*RESPONSE)), data(stream_id, b"", end_stream=True))
        assert one.connection.state is ConnectionState.OPEN

    def test_is_still_told_apart_when_the_window_has_grown_in_between(self, end: type[End]) -> None:
        one = with_streams(end)
        for _ in range(200):  # more than the connection's window
            one.feed(data(1, bytes(16_384)), data(1, bytes(16_384)))
            one.feed(data(1, b"x"))
        assert one.connection.state is ConnectionState.OPEN
        assert taken(one, data(1, b"x")) <= BURST + 1


class TestWindowsThatOpenByteByByte:
    def test_earn_nothing(self) -> None:
        server = ServerEnd(LIMITS)
        server.feed(settings([(frames.Setting.INITIAL_WINDOW_SIZE, 0)]))
        stream = server.request(1, end_stream=True)
        server.connection.send_head(stream, server.connection.encode(RESPONSE_TEMPLATE), end_stream=False)
        server.connection.send_body(stream, bytes(100_000), end_stream=True)
        assert taken(server, window_update(1, 1)) <= BURST // 2 + EARNED

    def test_that_are_as_large_as_what_is_read_are_free(self) -> None:
        server = ServerEnd(LIMITS)
        server.feed(settings([(frames.Setting.INITIAL_WINDOW_SIZE, 0)]))
        stream = server.request(1, end_stream=True)
        server.connection.send_head(stream, server.connection.encode(RESPONSE_TEMPLATE), end_stream=False)
        server.connection.send_body(stream, bytes(10 * BURST * 256), end_stream=True)
        assert taken(server, window_update(1, 256) + window_update(0, 256), most=10 * BURST - 1) == 10 * BURST - 1


@pytest.mark.parametrize(("kind", "name"), [(PING, "PING"), (GOAWAY, "GOAWAY"), (RST_STREAM, "RST_STREAM"), (0xFA, "unknown")])
def test_the_peer_is_told_what_was_too_much(kind: int, name: str) -> None:
    assert name in too_much(kind)


def test_a_call_that_comes_to_nothing_earns_nothing() -> None:
    assert UNWANTED > EARNED
