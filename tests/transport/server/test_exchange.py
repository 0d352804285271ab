"""Calls that stream on the server, played frame by frame: what a peer may do wrong, and what a stopped one may cost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import StreamServiceClient

from tests.deadlines import missed
from tests.echo_service import PATIENCE, serving, turn_until
from tests.stream_service import Streams, answers
from tests.transport.raw_peer import RawPeer, raw_client
from tests.transport.server.test_grpc_unary import status_of
from towpath._core.context import CallOptions, Context
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel
from towpath._transport.server import unfinished_stream
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.hpack import literal
from towpath._wire.http2 import ErrorCode, Limits, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

SERVICE = b"/stream.v1.StreamService/"


def head(method: bytes, *fields: tuple[bytes, bytes]) -> bytes:
    every = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", SERVICE + method),
        (b":authority", b"test"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *fields,
    )
    return b"".join(literal(*field) for field in every)


def begin(peer: RawPeer, method: bytes, *bodies: bytes, end: bool = True, fields: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    peer.send(frames.HEADERS, END_HEADERS, 1, head(method, *fields))
    for body in bodies:
        peer.send(frames.DATA, 0, 1, body)
    if end:
        peer.send(frames.DATA, END_STREAM, 1)


@pytest.mark.parametrize("bodies", [[], [message_frame(b"")] * 2, [b"\0\0\0\0\5x"], [b"\7"], [message_frame(b"\xff")], [b"\2\0\0\0\0"]])
async def test_anything_but_one_message_is_internal_where_requests_do_not_stream(bodies: list[bytes]) -> None:
    async with serving(Streams()) as server, raw_client(server.address) as peer:
        begin(peer, b"Repeat", *bodies)
        assert (await status_of(peer, 1))[0] == Code.INTERNAL


@pytest.mark.parametrize("body", [b"\0\0\0\0\5x", b"\7", message_frame(b"\xff"), b"\2\0\0\0\0", b"\1\0\0\0\0"])
async def test_a_stream_of_requests_that_cannot_be_read_ends_with_internal(body: bytes) -> None:
    streams = Streams()
    async with serving(streams) as server, raw_client(server.address) as peer:
        begin(peer, b"Collect", message_frame(b""), body)
        assert (await status_of(peer, 1))[0] == Code.INTERNAL
        await streams.until(lambda: streams.seen["ended"] == 1)


async def test_a_request_that_announces_too_much_ends_the_call_and_its_handler() -> None:
    streams = Streams()
    async with serving(streams, message_limit=100) as server, raw_client(server.address) as peer:
        begin(peer, b"Collect", message_frame(b""), b"\0\0\0\0\x65", end=False)
        assert await status_of(peer, 1) == (Code.RESOURCE_EXHAUSTED, "a message is larger than the limit of 100 bytes")
        await streams.until(lambda: streams.seen["ended"] == 1)
        (link,) = server.links
        await turn_until(lambda: not link.calls and not link.connection.streams)


async def test_a_malformed_timeout_is_refused_before_the_handler() -> None:
    streams = Streams()
    async with serving(streams) as server, raw_client(server.address) as peer:
        begin(peer, b"Collect", message_frame(b""), fields=((b"grpc-timeout", b"soon"),))
        assert (await status_of(peer, 1))[0] == Code.INVALID_ARGUMENT
        assert not streams.seen


async def test_trailers_end_a_stream_of_requests() -> None:
    async with serving(Streams()) as server, raw_client(server.address) as peer:
        begin(peer, b"Collect", message_frame(b""), end=False)
        peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1)
        assert await status_of(peer, 1) == (0, "")


async def test_a_head_that_ends_the_request_ends_the_stream_of_requests() -> None:
    async with serving(Streams()) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, head(b"Collect"))
        assert await status_of(peer, 1) == (0, "")


async def test_an_answer_before_the_last_request_tells_the_client_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished_stream, "_LINGER", 0.0)
    streams = Streams()
    async with serving(streams) as server, raw_client(server.address) as peer:
        begin(peer, b"Collect", message_frame(pb.CollectRequest(end=pb.End(code=9)).SerializeToString()), end=False)
        assert (await status_of(peer, 1))[0] == Code.FAILED_PRECONDITION
        _, _, _, code = await peer.until(frames.RST_STREAM, 1)
        assert int.from_bytes(code, "big") == ErrorCode.NO_ERROR


async def test_a_reader_that_stops_holds_the_handler_back_and_its_deadline_still_holds() -> None:
    streams = Streams()
    request = pb.RepeatRequest(answers=answers([1000] * 2_000)).SerializeToString()
    async with serving(streams) as server, raw_client(server.address) as peer:
        begin(peer, b"Repeat", message_frame(request), fields=((b"grpc-timeout", b"300m"),))
        await streams.until(lambda: streams.seen["begun"] == 1)
        _, _, _, code = await peer.until(frames.RST_STREAM, 1)
        assert int.from_bytes(code, "big") == ErrorCode.CANCEL
        assert 65_535 // 1000 <= streams.seen["sent"] <= 2 * 65_535 // 1000 + 10
        await streams.until(lambda: streams.seen["ended"] == 1)
        (link,) = server.links
        assert not link.connection.streams


async def test_the_end_waits_behind_the_data_and_the_client_is_then_told_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished_stream, "_LINGER", 0.0)
    streams = Streams()
    request = pb.ConverseRequest(answers=answers([70_000]), end=pb.End(code=10)).SerializeToString()
    async with serving(streams) as server, raw_client(server.address) as peer:
        begin(peer, b"Converse", message_frame(request), end=False)
        await streams.until(lambda: streams.seen["ended"] == 1)
        peer.send(frames.WINDOW_UPDATE, 0, 1, (1 << 20).to_bytes(4, "big"))
        peer.send(frames.WINDOW_UPDATE, 0, 0, (1 << 20).to_bytes(4, "big"))
        assert (await status_of(peer, 1))[0] == Code.ABORTED
        _, _, _, code = await peer.until(frames.RST_STREAM, 1)
        assert int.from_bytes(code, "big") == ErrorCode.NO_ERROR


async def test_a_handler_that_does_not_read_holds_the_client_back() -> None:
    """More than a window is never held for it, and the part of one message."""

    class Deaf(Streams):
        async def collect(self, requests: AsyncIterator[pb.CollectRequest], ctx: Context) -> pb.CollectResponse:
            await self.release.wait()
            return await super().collect(requests, ctx)

    deaf = Deaf()
    window = 65_535
    async with serving(deaf, limits=Limits(stream_window=window)) as server, Channel(server.address) as channel:
        call = StreamServiceClient(channel).collect()
        sending = asyncio.ensure_future(send_all(call, [pb.CollectRequest(payload=bytes(1000))] * 500))
        await turn_until(lambda: any(link.connection.streams for link in server.links))
        (link,) = server.links
        (stream,) = link.connection.streams.values()
        await turn_until(lambda: stream.recv_window < 2000)
        assert not sending.done()
        deaf.release.set()
        await sending
        response = await call
        assert (response.count, response.size) == (500, 500_000)


async def test_a_large_message_behind_a_small_one_comes_whole_to_a_handler_that_reads_late() -> None:
    class Late(Streams):
        async def collect(self, requests: AsyncIterator[pb.CollectRequest], ctx: Context) -> pb.CollectResponse:
            await self.release.wait()
            return await super().collect(requests, ctx)

    late = Late()
    async with serving(late) as server, Channel(server.address) as channel:
        call = StreamServiceClient(channel).collect([pb.CollectRequest(payload=bytes(size)) for size in (1, 1 << 20)])
        await turn_until(lambda: any(link.connection.streams for link in server.links))
        (link,) = server.links
        (stream,) = link.connection.streams.values()
        await turn_until(lambda: stream.recv_window == 0)
        late.release.set()
        assert (await call).size == (1 << 20) + 1


async def send_all(call: Any, requests: list[pb.CollectRequest]) -> None:
    for request in requests:
        assert await call.send(request)


async def test_what_is_not_of_the_responses_type_is_a_bug_of_the_handler() -> None:
    class Wrong(Streams):
        async def repeat(self, request: pb.RepeatRequest, ctx: Context) -> AsyncIterator[pb.RepeatResponse]:
            yield pb.CollectResponse()  # type: ignore[misc]

    async with serving(Wrong()) as server, Channel(server.address) as channel:
        with pytest.raises(RpcError) as caught:
            await anext(StreamServiceClient(channel).repeat(pb.RepeatRequest()))
        assert caught.value.code is Code.INTERNAL
        assert caught.value.message.startswith("internal error, request id ")


async def test_a_handler_that_holds_on_after_the_end_is_told() -> None:
    class Clinging(Streams):
        async def converse(self, requests: AsyncIterator[pb.ConverseRequest], ctx: Context) -> AsyncIterator[pb.ConverseResponse]:
            exchange: Any = requests
            try:
                await self._note("begun")
                await asyncio.sleep(1e6)
            except asyncio.CancelledError:
                for step in (anext(exchange), exchange.send(pb.ConverseResponse())):
                    with pytest.raises(RpcError, match="has ended"):
                        await step
                await self._note("told")
            yield pb.ConverseResponse()

    clinging = Clinging()
    async with serving(clinging) as server, Channel(server.address) as channel:

        async def attempt(seconds: float) -> None:
            with pytest.raises(RpcError) as caught:
                await anext(StreamServiceClient(channel).converse([], CallOptions(timeout=seconds)))
            assert caught.value.code is Code.DEADLINE_EXCEEDED

        await missed(attempt, lambda: clinging.seen["begun"])
        await clinging.until(lambda: clinging.seen["told"] == clinging.seen["begun"])


async def test_two_tasks_on_one_side_of_a_call_are_refused() -> None:
    class Twice(Streams):
        async def converse(self, requests: AsyncIterator[pb.ConverseRequest], ctx: Context) -> AsyncIterator[pb.ConverseResponse]:
            exchange: Any = requests
            first = asyncio.ensure_future(anext(exchange, None))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="two tasks iterate"):
                await anext(exchange)
            big = pb.ConverseResponse(payload=bytes(1 << 20))
            sending = asyncio.ensure_future(exchange.send(big))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="two tasks send"):
                await exchange.send(big)
            await self._note("refused")
            await first
            await sending
            return
            yield

    twice = Twice()
    async with serving(twice) as server, Channel(server.address) as channel:
        call = StreamServiceClient(channel).converse(options=CallOptions(timeout=PATIENCE))
        await twice.until(lambda: twice.seen["refused"] == 1)
        assert len((await anext(call)).payload) == 1 << 20
        assert len((await anext(call)).payload) == 1 << 20
        await call.half_close()
        assert [answer async for answer in call] == []


async def test_a_server_that_shuts_down_ends_streams_with_unavailable() -> None:
    streams = Streams()
    async with serving(streams) as server, Channel(server.address) as channel:
        async with StreamServiceClient(channel).repeat(pb.RepeatRequest(answers=answers([1]), forever=True)) as call:
            await anext(call)
            await server.close(0)
            with pytest.raises(RpcError) as caught:
                await anext(call)
            assert caught.value.code is Code.UNAVAILABLE
        await streams.until(lambda: streams.seen["ended"] == 1)
