"""A call that was open for long may be taken back, however many there are: the calls know when they came."""

import time

import pytest
from echo.v1 import echo_pb2 as pb

from tests.echo_service import FOREVER, Echo, serving
from tests.transport.raw_peer import raw_client, request_head
from towpath._core import clock
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import Limits, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

CALLS = 40


@pytest.mark.parametrize("more", [(), ((b"content-type", b"application/grpc+json"),)], ids=["unary", "exchange"])
async def test_deadlines_that_pass_all_at_once_are_no_abuse(more: tuple[tuple[bytes, bytes], ...]) -> None:
    echo = Echo()
    body = b'{"seconds": %d}' % FOREVER if more else pb.SleepRequest(seconds=FOREVER).SerializeToString()
    limits = Limits(reset_burst=1, resets_per_second=0)
    async with serving(echo, limits=limits) as server, raw_client(server.address) as peer:
        for stream_id in range(1, 2 * CALLS, 2):
            peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Sleep", *more))
            peer.send(frames.DATA, END_STREAM, stream_id, message_frame(body))
        await echo.until(lambda: echo.seen["sleep"] == CALLS)
        with clock.using(lambda: time.monotonic() + 1.0):
            for stream_id in range(1, 2 * CALLS, 2):
                peer.send(frames.RST_STREAM, 0, stream_id, (8).to_bytes(4))
            assert frames.GOAWAY not in {frame[0] for frame in await peer.until_silent_with(b"hello...")}
