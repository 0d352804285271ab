"""Fields over a limit of their reader: the caller learns which limit it was, and keeps its connection."""

from typing import Any, Literal

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from google.rpc.error_details_pb2 import ErrorInfo

from tests.echo_service import PATIENCE, Echo, serving
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._transport import Channel, ChannelOptions
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http.fields import list_size
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, Setting

LARGE = "e" * 17_000


@pytest.mark.parametrize("protocol", ["grpc", "connect", "grpc-web"])
async def test_metadata_over_the_limit_are_refused_in_words(protocol: Literal["grpc", "grpc-web", "connect"]) -> None:
    options = ChannelOptions(protocol=protocol)
    async with serving(Echo()) as server, Channel(server.address, options=options) as channel:
        client = EchoServiceClient(channel)
        for _ in range(2):
            with pytest.raises(RpcError) as caught:
                await client.say(pb.SayRequest(), CallOptions(timeout=PATIENCE, metadata=[("authorization", LARGE)]))
            assert "over the limit" in str(caught.value) or "431" in str(caught.value) or "exceeds the limit" in str(caught.value)
            if protocol != "grpc-web":
                assert caught.value.code is Code.RESOURCE_EXHAUSTED
                assert "exceeds the limit of 16384 bytes" in caught.value.message
        assert (await client.say(pb.SayRequest(id="a"), CallOptions(timeout=PATIENCE))).id == "a"


async def test_a_browser_gets_431_with_the_reason() -> None:
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        head = request_head(b"", (b":path", b"/v1/anything"), (b"content-type", b"application/json"), (b"cookie", LARGE.encode()))
        peer.send(frames.HEADERS, 0, 1, head[:16_000])
        peer.send(frames.CONTINUATION, END_HEADERS, 1, head[16_000:])
        assert peer.fields(await peer.until(frames.HEADERS, 1))[b":status"] == b"431"
        assert b"exceeds the limit of 16384 bytes" in (await peer.until(frames.DATA, 1))[3]
        peer.send(frames.DATA, END_STREAM, 1, b"{}")
        assert all(kind != frames.GOAWAY for kind, *_ in await peer.until_silent_with(b"all read"))


class Talkative(Echo):
    """Answers with metadata as large as asked."""

    async def say(self, request: pb.SayRequest, ctx: Any) -> pb.SayResponse:
        ctx.reply.headers = Metadata([("h", "x" * request.n)])
        ctx.reply.trailers = Metadata([("t", "x" * len(request.payload))])
        if request.id:
            raise RpcError(Code.ABORTED, request.id, [ErrorInfo(reason="R" * 500)], metadata=Metadata([("m", "y" * 500)]))
        return pb.SayResponse()


SMALL = [(Setting.MAX_HEADER_LIST_SIZE, 1000)]
JSON = (b"content-type", b"application/grpc+json")


async def ended(peer: RawPeer, *more: tuple[bytes, bytes], body: bytes) -> dict[bytes, bytes]:
    """The trailers of a call."""
    peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", *more))
    peer.send(frames.DATA, END_STREAM, 1, message_frame(body))
    while True:
        frame = await peer.until(frames.HEADERS, 1)
        found = peer.fields(frame)
        assert list_size(found.items()) <= 1000
        if frame[1] & END_STREAM:
            return found


@pytest.mark.parametrize("more", [(), (JSON,)], ids=["unary", "exchange"])
async def test_an_error_too_large_for_its_caller_keeps_its_code_and_says_what_is_missing(more: tuple[tuple[bytes, bytes], ...]) -> None:
    body = b'{"id":"taken"}' if more else pb.SayRequest(id="taken").SerializeToString()
    async with serving(Talkative()) as server, raw_client(server.address, SMALL) as peer:
        found = await ended(peer, *more, body=body)
        assert found[b"grpc-status"] == b"%d" % Code.ABORTED
        assert found[b"grpc-message"].startswith(b"taken (the trailers are left out, ")


@pytest.mark.parametrize("more", [(), (JSON,)], ids=["unary", "exchange"])
async def test_a_reply_whose_trailers_are_too_large_for_its_caller_fails_in_words(more: tuple[tuple[bytes, bytes], ...]) -> None:
    request = pb.SayRequest(payload=bytes(2000))
    body = b'{"payload":"' + b"AAAA" * 700 + b'"}' if more else request.SerializeToString()
    async with serving(Talkative()) as server, raw_client(server.address, SMALL) as peer:
        found = await ended(peer, *more, body=body)
        assert found[b"grpc-status"] == b"%d" % Code.RESOURCE_EXHAUSTED
        assert found[b"grpc-message"].startswith(b"the call has succeeded")


async def test_a_reply_whose_headers_are_too_large_for_its_caller_fails_in_words() -> None:
    async with serving(Talkative()) as server, raw_client(server.address, SMALL) as peer:
        found = await ended(peer, body=pb.SayRequest(n=2000).SerializeToString())
        assert found[b"grpc-status"] == b"%d" % Code.RESOURCE_EXHAUSTED
        assert found[b"grpc-message"] == b"the call has succeeded, with more metadata than its caller takes"
