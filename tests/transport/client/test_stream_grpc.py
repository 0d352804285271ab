"""One streaming call over gRPC on the client, answered frame by frame by a server that may get anything wrong."""

import asyncio

import pytest
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import REPEAT

from tests.echo_service import PATIENCE
from tests.transport.client.test_grpc_unary import GRPC, OK, Script, head
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._core.calls.asynchronous import ServerStreamingCall
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_STREAM

MESSAGE = message_frame(pb.RepeatResponse(index=7).SerializeToString())


async def end_of(script: Script, *, read: int = 0) -> tuple[list[int], RpcError | None]:
    """The indexes that come and the error that ends a call which a server answers by `script`; `read` are taken through `receive`."""

    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer)
        await peer.until(frames.DATA, 1)
        script(peer, 1)
        await peer.frame()

    seen: list[int] = []
    async with asyncio.timeout(PATIENCE), raw_server(behave) as address, Channel(address, message_limit=1000) as channel:
        exchange = channel.bind_stream(REPEAT)(pb.RepeatRequest(), CallOptions(timeout=PATIENCE))
        call = ServerStreamingCall(exchange)
        try:
            for _ in range(read):
                response = await exchange.receive()
                assert response is not None
                seen.append(response.index)
            async for response in call:
                seen += [response.index]
        except RpcError as error:
            return seen, error
        else:
            return seen, None
        finally:
            await call.aclose()


def answered(*bodies: bytes, trailers: tuple[tuple[bytes, bytes], ...] | None = OK) -> Script:
    def script(peer: RawPeer, stream: int) -> None:
        head(peer, stream, *GRPC)
        for body in bodies:
            peer.send(frames.DATA, 0, stream, body)
        if trailers is not None:
            head(peer, stream, *trailers, end=True)

    return script


@pytest.mark.parametrize("size", [1, 2, 5, 6, 100])
async def test_messages_may_come_in_any_number_of_pieces(size: int) -> None:
    body = MESSAGE * 3
    assert await end_of(answered(*(body[start : start + size] for start in range(0, len(body), size)))) == ([7, 7, 7], None)


@pytest.mark.parametrize("read", [0, 1])
@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (message_frame(b"\xff"), "a response is not a stream.v1.RepeatResponse"),
        (b"\2\0\0\0\0", "compressed flag is 2"),
        (b"\1\0\0\0\0", "grpc-encoding names no compression"),
        (MESSAGE[:-1], "ended within a message"),
        (b"\0\0", "ended within a message"),
    ],
)
async def test_what_cannot_be_read_fails_the_call_after_what_could(bad: bytes, text: str, read: int) -> None:
    seen, error = await end_of(answered(MESSAGE + bad), read=read)
    assert seen == [7]
    assert error is not None
    assert error.code is Code.INTERNAL
    assert text in error.message


async def test_a_response_that_cannot_be_read_fails_who_receives_it() -> None:
    """Waiting for it, and not finding it there."""

    def script(peer: RawPeer, stream: int) -> None:
        answered(message_frame(b"\xff"), trailers=None)(peer, stream)

    _, error = await end_of(script)
    assert error is not None
    assert "a response is not" in error.message


async def test_a_message_that_announces_too_much_fails_the_call() -> None:
    seen, error = await end_of(answered(MESSAGE, b"\0\0\0\xff\xff", trailers=None))
    assert seen == [7]
    assert error is not None
    assert error.code is Code.RESOURCE_EXHAUSTED


async def test_an_end_without_trailers_is_internal() -> None:
    def script(peer: RawPeer, stream: int) -> None:
        head(peer, stream, *GRPC)
        peer.send(frames.DATA, END_STREAM, stream, MESSAGE)

    seen, error = await end_of(script)
    assert seen == [7]
    assert error is not None
    assert (error.code, error.message) == (Code.INTERNAL, "the server ended the call without trailers")


async def test_an_answer_that_is_not_grpc_is_told_as_such() -> None:
    def script(peer: RawPeer, stream: int) -> None:
        head(peer, stream, (b":status", b"503"), (b"content-type", b"text/html"))
        peer.send(frames.DATA, END_STREAM, stream, b"<h1>no</h1>")

    _, error = await end_of(script)
    assert error is not None
    assert error.code is Code.UNAVAILABLE


async def test_trailers_alone_are_an_answer() -> None:
    def script(peer: RawPeer, stream: int) -> None:
        head(peer, stream, *GRPC, (b"grpc-status", b"5"), (b"grpc-message", b"gone"), end=True)

    _, error = await end_of(script)
    assert error is not None
    assert (error.code, error.message) == (Code.NOT_FOUND, "gone")


async def test_a_reset_ends_the_call() -> None:
    def script(peer: RawPeer, stream: int) -> None:
        head(peer, stream, *GRPC)
        peer.send(frames.RST_STREAM, 0, stream, int(ErrorCode.ENHANCE_YOUR_CALM).to_bytes(4, "big"))

    _, error = await end_of(script)
    assert error is not None
    assert error.code is Code.RESOURCE_EXHAUSTED
