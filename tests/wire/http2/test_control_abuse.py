"""What a peer may not do even with frames that are each in order (RFC 9113, section 10.5)."""

import pytest

from tests.wire.http2.recording import ClientEnd, End, ServerEnd
from towpath.wire.http2 import ErrorCode
from towpath.wire.http2.frames import PING, PRIORITY, frame, settings
from towpath.wire.http2.states import ConnectionState

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
        one = end()
        assert isinstance(one, ServerEnd | ClientEnd)
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
