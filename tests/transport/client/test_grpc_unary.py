"""One call on the client, answered frame by frame by a server that may get anything wrong."""

import asyncio
from collections.abc import Callable

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._core.context import CallOptions, Reply
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel
from towpath._wire.compression import GZIP
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.hpack import literal
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

ANSWER = pb.SayResponse(id="answer", payload=bytes(20))
MESSAGE = message_frame(ANSWER.SerializeToString())
GRPC = ((b":status", b"200"), (b"content-type", b"application/grpc"))
OK = ((b"grpc-status", b"0"),)

Script = Callable[[RawPeer, int], None]


def head(peer: RawPeer, stream: int, *fields: tuple[bytes, bytes], end: bool = False) -> None:
    peer.send(frames.HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, b"".join(literal(*field) for field in fields))


def whole(peer: RawPeer, stream: int, body: bytes = MESSAGE, trailers: tuple[tuple[bytes, bytes], ...] = OK, cut: int = 1 << 14) -> None:
    head(peer, stream, *GRPC)
    for start in range(0, len(body), cut):
        peer.send(frames.DATA, 0, stream, body[start : start + cut])
    head(peer, stream, *trailers, end=True)


async def answered(
    script: Script, *, reply: Reply | None = None, calls: int = 1, message_limit: int = 1000
) -> list[pb.SayResponse | RpcError]:
    """What becomes of calls that a server answers by `script`. A well-behaved answer must still be understood on the same connection."""
    connections = 0

    async def behave(peer: RawPeer) -> None:
        nonlocal connections
        connections += 1
        await http2_preface(peer)
        for number in range(calls):
            await peer.until(frames.DATA, 2 * number + 1)
            script(peer, 2 * number + 1)
        await peer.until(frames.DATA, 2 * calls + 1)
        whole(peer, 2 * calls + 1)
        await peer.frame()

    async with asyncio.timeout(PATIENCE), raw_server(behave) as address, Channel(address, message_limit=message_limit) as channel:
        client = EchoServiceClient(channel)
        options = CallOptions(timeout=PATIENCE, reply=reply)
        ends: list[pb.SayResponse | RpcError] = []
        for _ in range(calls):
            try:
                ends.append(await client.say(pb.SayRequest(), options))
            except RpcError as error:
                ends.append(error)
        assert await client.say(pb.SayRequest(), CallOptions(timeout=PATIENCE)) == ANSWER
        assert connections == 1
    return ends


async def error_of(script: Script) -> RpcError:
    (error,) = await answered(script)
    assert isinstance(error, RpcError)
    return error


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 20, 1 << 14])
async def test_an_answer_may_come_in_any_number_of_pieces(cut: int) -> None:
    assert await answered(lambda peer, stream: whole(peer, stream, cut=cut), calls=3) == [ANSWER] * 3


async def test_empty_frames_around_the_message_mean_nothing() -> None:
    def script(peer: RawPeer, stream: int) -> None:
        head(peer, stream, *GRPC)
        for data in (b"", MESSAGE, b""):
            peer.send(frames.DATA, 0, stream, data)
        head(peer, stream, *OK, end=True)

    assert await answered(script) == [ANSWER]


async def test_headers_and_trailers_reach_who_asked_for_them() -> None:
    def script(peer: RawPeer, stream: int) -> None:
        head(peer, stream, *GRPC, (b"x-head", b"1"))
        peer.send(frames.DATA, 0, stream, MESSAGE)
        head(peer, stream, *OK, (b"x-trail-bin", b"AAE"), end=True)

    reply = Reply()
    assert await answered(script, reply=reply) == [ANSWER]
    assert (list(reply.headers), list(reply.trailers)) == ([("x-head", "1")], [("x-trail-bin", b"\0\1")])


async def test_trailers_alone_carry_the_status() -> None:
    error = await error_of(
        lambda peer, stream: head(peer, stream, *GRPC, (b"grpc-status", b"5"), (b"grpc-message", b"no%20such"), end=True)
    )
    assert (error.code, error.message) == (Code.NOT_FOUND, "no such")


async def test_the_status_counts_whatever_a_proxy_made_of_the_head() -> None:
    error = await error_of(lambda peer, stream: head(peer, stream, (b":status", b"502"), (b"grpc-status", b"5"), end=True))
    assert error.code is Code.NOT_FOUND


@pytest.mark.parametrize("end", [True, False])
async def test_an_answer_that_is_not_grpc_says_what_it_is(end: bool) -> None:
    error = await error_of(lambda peer, stream: head(peer, stream, (b":status", b"503"), (b"content-type", b"text/html"), end=end))
    assert error.code is Code.UNAVAILABLE
    assert error.message == "the peer does not speak gRPC: HTTP status 503, content-type b'text/html'"


@pytest.mark.parametrize("cut", [1, 1 << 14])
@pytest.mark.parametrize(
    ("body", "trailers", "code", "message"),
    [
        (b"", OK, Code.INTERNAL, "answered OK without a whole message"),
        (MESSAGE[:-1], OK, Code.INTERNAL, "answered OK without a whole message"),
        (MESSAGE * 2, OK, Code.INTERNAL, "answered with more than one message"),
        (MESSAGE + b"\0", OK, Code.INTERNAL, "answered with more than one message"),
        (b"\2" + MESSAGE[1:], OK, Code.INTERNAL, "compressed flag is 2"),
        (message_frame(b"", GZIP), OK, Code.INTERNAL, "grpc-encoding names no compression"),
        (message_frame(b"\xff\xff"), OK, Code.INTERNAL, "the answer is not a echo.v1.SayResponse"),
        (message_frame(bytes(1001)), OK, Code.RESOURCE_EXHAUSTED, "larger than the limit of 1000"),
        (MESSAGE, ((b"x", b"1"),), Code.UNKNOWN, "without a grpc-status"),
        (MESSAGE, ((b"grpc-status", b"99"),), Code.UNKNOWN, "unknown grpc-status"),
        (MESSAGE, ((b"grpc-status", b"10"), (b"grpc-message", b"half done")), Code.ABORTED, "half done"),
    ],
)
async def test_what_a_server_gets_wrong_has_a_name(
    body: bytes, trailers: tuple[tuple[bytes, bytes], ...], code: Code, message: str, cut: int
) -> None:
    error = await error_of(lambda peer, stream: whole(peer, stream, body, trailers, cut))
    assert error.code is code
    assert message in error.message


async def test_an_answer_without_trailers_is_internal() -> None:
    def script(peer: RawPeer, stream: int) -> None:
        head(peer, stream, *GRPC)
        peer.send(frames.DATA, END_STREAM, stream, MESSAGE)

    error = await error_of(script)
    assert (error.code, error.message) == (Code.INTERNAL, "the server ended the call without trailers")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ErrorCode.REFUSED_STREAM, Code.UNAVAILABLE),
        (ErrorCode.CANCEL, Code.CANCELLED),
        (ErrorCode.ENHANCE_YOUR_CALM, Code.RESOURCE_EXHAUSTED),
        (ErrorCode.INTERNAL_ERROR, Code.INTERNAL),
    ],
)
async def test_a_reset_is_an_error_of_its_kind(code: ErrorCode, expected: Code) -> None:
    error = await error_of(lambda peer, stream: peer.writer.write(frames.rst_stream(stream, code)))
    assert (error.code, error.message) == (expected, f"the peer reset the stream: {code.name}")


async def test_a_call_that_is_refused_behind_the_head_of_its_answer_was_begun() -> None:
    def script(peer: RawPeer, stream: int) -> None:
        head(peer, stream, *GRPC)
        peer.writer.write(frames.rst_stream(stream, ErrorCode.REFUSED_STREAM))

    assert not (await error_of(script)).unprocessed
    assert (await error_of(lambda peer, stream: peer.writer.write(frames.rst_stream(stream, ErrorCode.REFUSED_STREAM)))).unprocessed


async def test_a_reset_behind_the_whole_answer_takes_nothing_back() -> None:
    def script(peer: RawPeer, stream: int) -> None:
        whole(peer, stream)
        peer.writer.write(frames.rst_stream(stream, ErrorCode.NO_ERROR))

    assert await answered(script) == [ANSWER]


async def test_a_server_that_goes_on_after_its_message_is_stopped() -> None:
    """Else what it goes on to send would gather without a bound."""

    def script(peer: RawPeer, stream: int) -> None:
        head(peer, stream, *GRPC)
        peer.send(frames.DATA, 0, stream, MESSAGE)
        peer.send(frames.DATA, 0, stream, bytes(10_000))

    assert "more than one message" in (await error_of(script)).message
