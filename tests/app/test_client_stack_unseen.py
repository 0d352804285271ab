"""Calls that no server has seen are all made again, however many they are."""

import asyncio
from collections import Counter

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient

from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath import CallOptions, connect
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.hpack import literal
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM
from towpath.telemetry import CallMetrics


class Proxy:
    """On its first connection it takes none of `calls`, and says so by GOAWAY; on those that follow it answers each."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.connections = 0
        self.answered = Counter[int]()

    async def behave(self, peer: RawPeer) -> None:
        await http2_preface(peer)
        self.connections += 1
        if self.connections == 1:
            for _ in range(self.calls):
                await peer.until(frames.HEADERS)
            peer.writer.write(frames.goaway(0, ErrorCode.NO_ERROR, b"enough requests"))
            await peer.writer.drain()
            return
        try:
            while True:
                _, _, stream, _ = await peer.until(frames.HEADERS)
                self.answered[stream] += 1
                head = literal(b":status", b"200") + literal(b"content-type", b"application/grpc")
                peer.send(frames.HEADERS, END_HEADERS, stream, head)
                peer.send(frames.DATA, 0, stream, message_frame(b""))
                peer.send(frames.HEADERS, END_HEADERS | END_STREAM, stream, literal(b"grpc-status", b"0"))
        except asyncio.IncompleteReadError:
            return


@pytest.mark.parametrize("calls", [10, 100])
async def test_calls_that_a_goaway_leaves_unseen_all_succeed(calls):
    proxy = Proxy(calls)
    async with raw_server(proxy.behave) as address, connect(address, metrics=CallMetrics()) as channel:
        client, options = EchoServiceClient(channel), CallOptions(timeout=60)
        made = [client.say(SayRequest(), options) for _ in range(calls)]
        ends = await asyncio.gather(*made, return_exceptions=True)
    assert [end for end in ends if isinstance(end, BaseException)] == []
    assert (len(proxy.answered), set(proxy.answered.values())) == (calls, {1})
