"""Calls over Connect and gRPC-Web, answered frame by frame by a server that may get anything wrong: unary ones and
streams."""

import asyncio
from typing import Literal

import pytest
from echo.v1 import echo_pb2
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import PATIENCE
from tests.transport.client.test_grpc_unary import Script, head
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._core.context import CallOptions, Reply
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._transport import Channel, ChannelOptions
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.grpc.framing import pack_prefix
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_STREAM

Protocol = Literal["grpc", "connect", "grpc-web"]
SAID = echo_pb2.SayResponse(id="answer").SerializeToString()
REPEATED = message_frame(pb.RepeatResponse(index=7).SerializeToString())
OK = (b":status", b"200")
PROTO = (b"content-type", b"application/proto")
STREAM = (b"content-type", b"application/connect+proto")
WEB = (b"content-type", b"application/grpc-web+proto")
END = pack_prefix(2, 2) + b"{}"
WEB_END = pack_prefix(0x80, 16) + b"grpc-status: 0\r\n"


def behaviour(script: Script, seen: list[bytes]):
    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer)
        await peer.until(frames.DATA, 1)
        script(peer, 1)
        while True:
            kind, _, _, payload = await peer.frame()
            if kind == frames.RST_STREAM:
                seen.append(payload)

    return behave


async def unary(protocol: Protocol, script: Script, reply: Reply | None = None) -> echo_pb2.SayResponse | RpcError:
    server = raw_server(behaviour(script, []))
    options = ChannelOptions(protocol=protocol)
    async with asyncio.timeout(PATIENCE), server as address, Channel(address, message_limit=1000, options=options) as channel:
        try:
            return await EchoServiceClient(channel).say(echo_pb2.SayRequest(), CallOptions(timeout=PATIENCE, reply=reply))
        except RpcError as error:
            return error


async def stream(protocol: Protocol, script: Script) -> tuple[list[int], RpcError | None, Reply]:
    server = raw_server(behaviour(script, []))
    options = ChannelOptions(protocol=protocol)
    seen: list[int] = []
    async with asyncio.timeout(PATIENCE), server as address, Channel(address, message_limit=1000, options=options) as channel:
        call = StreamServiceClient(channel).repeat(pb.RepeatRequest(), CallOptions(timeout=PATIENCE))
        try:
            async for response in call:
                seen += [response.index]
        except RpcError as error:
            return seen, error, call.reply
        return seen, None, call.reply


def answered(*fields: tuple[bytes, bytes], body: tuple[bytes, ...] = (), trailers: tuple[tuple[bytes, bytes], ...] = ()) -> Script:
    """A head, a body in pieces, and an end: with the head, with the last piece, or with trailers."""

    def script(peer: RawPeer, number: int) -> None:
        head(peer, number, *fields, end=not body and not trailers)
        for index, piece in enumerate(body):
            peer.send(frames.DATA, END_STREAM if index == len(body) - 1 and not trailers else 0, number, piece)
        if trailers:
            head(peer, number, *trailers, end=True)

    return script


@pytest.mark.parametrize(
    ("protocol", "script"),
    [
        ("connect", answered(OK, PROTO, body=(SAID,))),
        ("connect", answered(OK, PROTO, body=(SAID[:3], b"", SAID[3:]))),
        ("connect", answered(OK, PROTO, body=(SAID,), trailers=((b"x", b"1"),))),
        ("grpc-web", answered(OK, WEB, body=(message_frame(SAID) + WEB_END,))),
        ("grpc-web", answered(OK, WEB, body=(message_frame(SAID), WEB_END))),
        ("grpc-web", answered(OK, WEB, body=(message_frame(SAID),), trailers=((b"grpc-status", b"0"),))),
    ],
)
async def test_a_unary_answer_may_end_in_several_ways(protocol: Protocol, script: Script) -> None:
    assert await unary(protocol, script) == echo_pb2.SayResponse(id="answer")


async def test_an_answer_of_its_head_alone_is_an_empty_message() -> None:
    reply = Reply()
    assert await unary("connect", answered(OK, PROTO, (b"a", b"1"), (b"trailer-b", b"2")), reply) == echo_pb2.SayResponse()
    assert (reply.headers, reply.trailers) == (Metadata([("a", "1")]), Metadata([("b", "2")]))


@pytest.mark.parametrize(
    ("protocol", "script", "code", "text"),
    [
        ("connect", answered((b":status", b"503")), Code.UNAVAILABLE, "does not speak Connect"),
        ("connect", answered(OK, WEB, body=(SAID,)), Code.UNKNOWN, "does not speak Connect"),
        ("connect", answered(OK, PROTO, body=(bytes(1001),)), Code.RESOURCE_EXHAUSTED, "larger than the limit"),
        ("connect", answered(OK, PROTO, body=(bytes(1001), b"more")), Code.RESOURCE_EXHAUSTED, "larger than the limit"),
        ("connect", answered(OK, PROTO, body=(b"\xff",)), Code.INTERNAL, "the answer is not a echo.v1.SayResponse"),
        ("grpc-web", answered(OK, WEB, (b"grpc-status", b"5")), Code.NOT_FOUND, ""),
        ("grpc-web", answered(OK, WEB, body=(message_frame(SAID) * 2,)), Code.INTERNAL, "more than one message"),
        ("grpc-web", answered(OK, WEB, body=(message_frame(SAID),)), Code.INTERNAL, "without trailers"),
        ("connect", lambda peer, number: peer.writer.write(frames.rst_stream(number, ErrorCode.CANCEL)), Code.CANCELLED, "CANCEL"),
    ],
)
async def test_what_a_server_gets_wrong_has_a_name(protocol: Protocol, script: Script, code: Code, text: str) -> None:
    error = await unary(protocol, script)
    assert isinstance(error, RpcError)
    assert error.code is code
    assert text in error.message


@pytest.mark.parametrize(
    ("protocol", "script"),
    [
        ("connect", answered(OK, STREAM, body=(REPEATED + REPEATED + END,))),
        ("connect", answered(OK, STREAM, body=(REPEATED[:4], REPEATED[4:] + REPEATED + END[:3], END[3:]))),
        ("grpc-web", answered(OK, WEB, body=(REPEATED, REPEATED, WEB_END))),
        ("grpc-web", answered(OK, WEB, body=(REPEATED * 2,), trailers=((b"grpc-status", b"0"),))),
    ],
)
async def test_a_stream_may_end_in_several_ways(protocol: Protocol, script: Script) -> None:
    seen, error, _ = await stream(protocol, script)
    assert (seen, error) == ([7, 7], None)


@pytest.mark.parametrize(
    ("protocol", "script", "code", "text", "read"),
    [
        ("connect", answered(OK, PROTO, body=(REPEATED,)), Code.UNKNOWN, "does not speak Connect", 0),
        ("connect", answered(OK, STREAM), Code.INTERNAL, "without its last message", 0),
        ("connect", answered(OK, STREAM, body=(REPEATED,)), Code.INTERNAL, "without its last message", 1),
        ("connect", answered(OK, STREAM, body=(REPEATED + END + b"\0",)), Code.INTERNAL, "ended within a message", 1),
        ("connect", answered(OK, STREAM, body=(REPEATED, pack_prefix(0, 1001))), Code.RESOURCE_EXHAUSTED, "the limit of 1000 bytes", 1),
        ("connect", answered(OK, STREAM, body=(message_frame(b"\xff") + END,)), Code.INTERNAL, "not a stream.v1.RepeatResponse", 0),
        ("grpc-web", answered(OK, WEB, (b"grpc-status", b"9")), Code.FAILED_PRECONDITION, "", 0),
        ("grpc-web", answered(OK, WEB, body=(REPEATED,)), Code.INTERNAL, "without trailers", 1),
    ],
)
async def test_a_stream_that_goes_wrong_fails_after_what_came(protocol: Protocol, script: Script, code: Code, text: str, read: int) -> None:
    seen, error, _ = await stream(protocol, script)
    assert error is not None
    assert (len(seen), error.code) == (read, code)
    assert text in error.message


async def test_an_answer_before_the_request_has_ended_ends_the_call() -> None:
    seen: list[bytes] = []
    server = raw_server(behaviour(answered(OK, STREAM, body=(REPEATED + END,)), seen))
    options = ChannelOptions(protocol="connect")
    async with asyncio.timeout(PATIENCE), server as address, Channel(address, options=options) as channel:
        call = StreamServiceClient(channel).converse(options=CallOptions(timeout=PATIENCE))
        assert await call.send(pb.ConverseRequest())
        assert [response.index async for response in call] == [7]
        while not seen:  # noqa: ASYNC110 # the peer tells nobody what it has read
            await asyncio.sleep(0)
    assert seen == [ErrorCode.NO_ERROR.to_bytes(4, "big")]


async def test_a_unary_answer_before_the_request_has_ended_ends_the_call() -> None:
    seen: list[bytes] = []
    server = raw_server(behaviour(answered(OK, PROTO, body=(SAID,)), seen))
    options = ChannelOptions(protocol="connect")
    async with asyncio.timeout(PATIENCE), server as address, Channel(address, options=options) as channel:
        request = echo_pb2.SayRequest(payload=bytes(1 << 20))  # more than the window that the server gives
        assert (await EchoServiceClient(channel).say(request, CallOptions(timeout=PATIENCE))).id == "answer"
        while not seen:  # noqa: ASYNC110 # the peer tells nobody what it has read
            await asyncio.sleep(0)
    assert seen == [ErrorCode.NO_ERROR.to_bytes(4, "big")]
