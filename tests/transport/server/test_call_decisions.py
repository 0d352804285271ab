"""The message limit rejects calls, and tells of each once; an error of the caller is no decision."""

from typing import Any, Literal

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo, serving
from tests.stream_service import Streams
from tests.transport.raw_peer import raw_client, request_head
from tests.transport.server.test_exchange import begin
from tests.transport.server.test_grpc_unary import status_of
from towpath._core.context import CallOptions
from towpath._core.decisions import Decision
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions
from towpath._transport.server.call import MESSAGE_TOO_LARGE
from towpath._wire.compression import GZIP
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

LIMIT = 100


def only(told: list[Decision]) -> Decision:
    (decision,) = told
    return decision


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
async def test_a_call_with_too_large_a_message_is_told_with_its_context(protocol: Literal["grpc", "grpc-web", "connect"]) -> None:
    told: list[Decision] = []
    options = CallOptions(timeout=PATIENCE, tenant="acme")
    async with (
        serving(Echo(), message_limit=LIMIT, signal=told.append) as server,
        Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel,
    ):
        client = EchoServiceClient(channel)
        await client.say(pb.SayRequest(id="small"), options)
        assert not told
        with pytest.raises(RpcError) as caught:
            await client.say(pb.SayRequest(id="x" * 2 * LIMIT), options)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    decision = only(told)
    assert decision[:4] == ("echo.v1.EchoService/Say", "transport", MESSAGE_TOO_LARGE, False)
    assert decision.rejected
    assert decision.ctx is not None
    assert (decision.ctx.tenant, decision.ctx.peer.partition(":")[0], len(decision.ctx.request_id)) == ("acme", "127.0.0.1", 32)


BODIES: dict[str, tuple[bytes, ...]] = {
    "announced": (b"\0\0\0\0\x65",),
    "announced in pieces": (b"\0\0", b"\0\0\x65"),
    "once decompressed": (message_frame(pb.SayRequest(id="x" * 2 * LIMIT).SerializeToString(), GZIP),),
}


@pytest.mark.parametrize("bodies", BODIES.values(), ids=BODIES.keys())
async def test_a_unary_message_is_too_large_in_whichever_way_it_shows(bodies: tuple[bytes, ...]) -> None:
    told: list[Decision] = []
    async with serving(Echo(), message_limit=LIMIT, signal=told.append) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", (b"grpc-encoding", b"gzip")))
        for body in bodies:
            peer.send(frames.DATA, 0, 1, body)
        peer.send(frames.DATA, END_STREAM, 1)
        assert (await status_of(peer, 1))[0] == Code.RESOURCE_EXHAUSTED
        await peer.until_silent_with(b"the end!")
    assert only(told).reason == MESSAGE_TOO_LARGE


@pytest.mark.parametrize("body", [b"\0\0\0\0\x65", BODIES["once decompressed"][0]], ids=["announced", "once decompressed"])
async def test_a_stream_is_told_once_in_whose_midst_too_large_a_message_comes(body: bytes) -> None:
    told: list[Decision] = []
    streams = Streams()
    async with serving(streams, message_limit=LIMIT, signal=told.append) as server, raw_client(server.address) as peer:
        begin(peer, b"Collect", message_frame(b""), body, fields=((b"grpc-encoding", b"gzip"),))
        assert (await status_of(peer, 1))[0] == Code.RESOURCE_EXHAUSTED
        await streams.until(lambda: streams.seen["ended"] == 1)
    assert only(told)[:3] == ("stream.v1.StreamService/Collect", "transport", MESSAGE_TOO_LARGE)


async def test_what_is_wrong_with_a_request_is_an_error_and_no_decision() -> None:
    told: list[Decision] = []
    wrong: list[tuple[bytes, bytes, tuple[Any, ...]]] = [
        (b"Nothing", b"", ()),
        (b"Say", b"\xff", ()),
        (b"Say", b"", ((b"grpc-timeout", b"soon"),)),
        (b"Say", b"", ((b"grpc-encoding", b"brotli"),)),
        (b"Fail", pb.FailRequest(code=Code.RESOURCE_EXHAUSTED).SerializeToString(), ()),  # its handler's, and so no decision of ours
    ]
    async with serving(Echo(), signal=told.append) as server, raw_client(server.address) as peer:
        for number, (method, message, fields) in enumerate(wrong):
            peer.call(2 * number + 1, method, message, *fields)
            assert (await status_of(peer, 2 * number + 1))[0] != 0
    assert not told
