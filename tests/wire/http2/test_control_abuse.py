"""What a peer may not do even with frames that are each in order (RFC 9113, section 10.5)."""

import pytest

from tests.wire.http2.recording import (
    REQUEST,
    RESPONSE_TEMPLATE,
    TRAILERS_TEMPLATE,
    ClientEnd,
    End,
    ServerEnd,
    block,
    headers,
)
from towpath._wire.http2 import LOST, ErrorCode, Limits, frames
from towpath._wire.http2.frames import ACK, PING, PRIORITY, SETTINGS, Setting, frame, settings
from towpath._wire.http2.states import ConnectionState

BOTH = pytest.mark.parametrize("end", [ServerEnd, ClientEnd])


class TestUnreadReplies:
    """What a peer may demand of us while it does not read (RFC 9113, section 10.5; CVE-2019-9512, 9514 and 9515)."""

    DEMANDS = pytest.mark.parametrize(
        "demand",
        [frame(PING, 0, 0, bytes(8)), settings([]), frame(PRIORITY, 0, 1, bytes(4))],
        ids=["PING", "SETTINGS", "RST_STREAM"],
    )

    @staticmethod
    def with_a_stream(end: type[End]) -> End:
        assert issubclass(end, ServerEnd | ClientEnd)
        one = end(Limits(overhead_burst=1_000_000))
        if isinstance(one, ServerEnd):
            one.request(1)
        else:
            one.call()
        return one

    @BOTH
    @DEMANDS
    def test_beyond_ten_thousand_end_the_connection(self, end: type[End], demand: bytes) -> None:
        one = self.with_a_stream(end)
        one.connection.writing_paused()
        one.feed(demand * 10_000)
        assert one.connection.state is ConnectionState.OPEN
        one.feed(demand)
        assert one.failed_with(ErrorCode.ENHANCE_YOUR_CALM)

    @BOTH
    @DEMANDS
    def test_are_as_many_as_asked_for_if_the_peer_reads(self, end: type[End], demand: bytes) -> None:
        one = self.with_a_stream(end)
        one.connection.writing_paused()
        one.feed(demand * 9_999)
        one.connection.writing_resumed()
        one.feed(demand * 5_000)
        one.connection.writing_paused()
        one.feed(demand * 10_000)
        assert one.connection.state is ConnectionState.OPEN
        assert len(one.sent()) >= 24_999


class TestRareFrames:
    """SETTINGS and GOAWAY, of which an honest peer sends a few."""

    RARE = pytest.mark.parametrize(
        "rare",
        [settings([]), settings([(Setting.INITIAL_WINDOW_SIZE, 1)]), frame(SETTINGS, ACK, 0), frames.goaway(frames.MAX_STREAM_ID, 0)],
        ids=["SETTINGS", "WINDOW", "ACK", "GOAWAY"],
    )

    @BOTH
    @RARE
    def test_too_fast_end_the_connection(self, end: type[End], rare: bytes) -> None:
        assert issubclass(end, ServerEnd | ClientEnd)
        one = end(Limits(overhead_burst=10, overhead_per_second=2))
        one.feed(rare * 8)  # two came with the beginning
        assert one.connection.state is not ConnectionState.CLOSED
        one.feed(rare)
        assert one.failed_with(ErrorCode.ENHANCE_YOUR_CALM)

    @BOTH
    @RARE
    def test_as_time_passes_go_on(self, end: type[End], rare: bytes) -> None:
        assert issubclass(end, ServerEnd | ClientEnd)
        one = end(Limits(overhead_burst=10, overhead_per_second=2))
        for _ in range(100):
            one.owner.time += 0.5
            one.feed(rare)
        assert one.connection.state is not ConnectionState.CLOSED

    @BOTH
    def test_with_a_hundred_parameters_are_taken_and_with_thousands_not(self, end: type[End]) -> None:
        assert issubclass(end, ServerEnd | ClientEnd)
        one = end()
        one.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 7)] * 128))
        assert one.connection.peer_initial_window == 7
        one.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 7)] * 129))
        assert one.failed_with(ErrorCode.ENHANCE_YOUR_CALM)


class TestCallsTakenBack:
    """CVE-2023-44487: a client opens streams and resets them before they are answered."""

    LIMITS = Limits(reset_burst=10, resets_per_second=2)

    @staticmethod
    def reset(server: ServerEnd, stream_id: int) -> bool:
        """Whether the connection survives one more call that is taken back."""
        server.feed(headers(stream_id, block(*REQUEST)), frames.rst_stream(stream_id, ErrorCode.CANCEL))
        return server.connection.state is ConnectionState.OPEN

    def test_too_fast_end_the_connection(self) -> None:
        server = ServerEnd(self.LIMITS)
        stream_ids = iter(range(1, 1000, 2))
        survived = sum(1 for _ in iter(lambda: self.reset(server, next(stream_ids)), False))
        assert 10 <= survived <= 20
        assert server.failed_with(ErrorCode.ENHANCE_YOUR_CALM)
        assert server.owner.events[-2] == ("reset", 2 * survived + 1, LOST), "the handler of the last one was not told"

    def test_as_time_passes_go_on(self) -> None:
        server = ServerEnd(self.LIMITS)
        for stream_id in range(1, 201, 2):
            server.owner.time += 0.5
            assert self.reset(server, stream_id)

    def test_by_faults_that_make_us_reset_them_count_too(self) -> None:
        """CVE-2025-8671."""
        server = ServerEnd(self.LIMITS)
        for stream_id in range(1, 51, 2):
            server.feed(headers(stream_id, block(*REQUEST)), frames.window_update(stream_id, 0))
        assert server.failed_with(ErrorCode.ENHANCE_YOUR_CALM)

    def test_behind_the_answer_cost_nothing(self) -> None:
        server = ServerEnd(self.LIMITS)
        for stream_id in range(1, 201, 2):
            stream = server.request(stream_id, end_stream=True)
            server.connection.send_whole(stream, server.connection.encode(RESPONSE_TEMPLATE), b"", TRAILERS_TEMPLATE)
            server.feed(frames.rst_stream(stream_id, ErrorCode.NO_ERROR))
        assert server.connection.state is ConnectionState.OPEN

    def test_by_a_server_are_its_own_affair(self) -> None:
        client = ClientEnd(self.LIMITS)
        for _ in range(100):
            stream = client.call()
            client.feed(frames.rst_stream(stream.id, ErrorCode.REFUSED_STREAM))
        assert client.connection.state is ConnectionState.OPEN
