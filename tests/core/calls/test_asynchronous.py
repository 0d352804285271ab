"""Streaming calls from the application's side, over a real connection: every way to leave one, and every way to be told of its end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import COLLECT, CONVERSE, REPEAT, StreamServiceClient

from tests.echo_service import PATIENCE, serving, turn_until
from tests.stream_service import Streams, answers
from towpath._core.calls.asynchronous import BidiStreamingCall, ClientExchange, ClientStreamingCall, ServerStreamingCall
from towpath._core.context import CallOptions, Context
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY, Metadata
from towpath._transport import Channel
from towpath._transport.connection_driver import MAX_SEND_QUEUE

PATIENT = CallOptions(timeout=PATIENCE)
FOREVER = pb.RepeatRequest(answers=answers([1]), forever=True)
END = pb.End(code=Code.ABORTED, message="enough")


@asynccontextmanager
async def channel_to(streams: Streams) -> AsyncIterator[Channel]:
    async with serving(streams) as server, Channel(server.address) as channel:
        yield channel


@asynccontextmanager
async def client_of(streams: Streams) -> AsyncIterator[StreamServiceClient]:
    async with channel_to(streams) as channel:
        yield StreamServiceClient(channel)


async def test_responses_come_in_order_and_then_the_end() -> None:
    async with client_of(Streams()) as client:
        call = client.repeat(pb.RepeatRequest(answers=answers([3, 0, 2])))
        assert [(response.index, len(response.payload)) async for response in call] == [(0, 3), (1, 0), (2, 2)]
        assert [response async for response in call] == []


async def test_what_came_before_an_error_is_delivered_before_it() -> None:
    async with client_of(Streams()) as client:
        call = client.repeat(pb.RepeatRequest(answers=answers([1, 1]), end=END))
        assert [(await anext(call)).index, (await anext(call)).index] == [0, 1]
        for _ in range(2):
            with pytest.raises(RpcError) as caught:
                await anext(call)
            assert (caught.value.code, caught.value.message) == (Code.ABORTED, "enough")


async def test_a_stream_has_no_deadline_unless_somebody_sets_one() -> None:
    streams = Streams()
    async with channel_to(streams) as channel:
        exchange = channel.bind_stream(REPEAT)(FOREVER, None)
        async with ServerStreamingCall(exchange) as call:
            await anext(call)
            await streams.until(lambda: streams.seen["waiting"] == 1)
            assert exchange.ctx.deadline is None
            with pytest.raises(RpcError) as caught:
                async for _ in StreamServiceClient(channel).repeat(FOREVER, CallOptions(timeout=0.05)):
                    pass
        assert caught.value.code is Code.DEADLINE_EXCEEDED


async def test_leaving_the_block_cancels_the_call() -> None:
    streams = Streams()
    async with client_of(streams) as client:
        async with client.repeat(FOREVER) as call:
            await anext(call)
        await streams.until(lambda: streams.seen["ended"] == 1)
        with pytest.raises(RpcError) as caught:
            await anext(call)
        assert caught.value.code is Code.CANCELLED


async def test_cancelling_who_waits_for_a_message_cancels_the_call() -> None:
    streams = Streams()
    async with client_of(streams) as client:
        call = client.repeat(FOREVER)
        await anext(call)
        reader = asyncio.ensure_future(anext(call))
        await asyncio.sleep(0)  # the reader finds nothing, and waits
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await streams.until(lambda: streams.seen["ended"] == 1)


async def test_a_call_that_is_dropped_is_cancelled_and_says_so() -> None:
    streams = Streams()
    async with client_of(streams) as client:
        call = client.repeat(FOREVER)
        await anext(call)
        dropped = [call]
        del call
        with pytest.warns(ResourceWarning, match="Repeat was dropped before its end"):
            dropped.clear()
        await streams.until(lambda: streams.seen["ended"] == 1)


async def test_two_readers_are_refused() -> None:
    streams = Streams()
    async with client_of(streams) as client, client.repeat(FOREVER) as call:
        await anext(call)
        first = asyncio.ensure_future(anext(call))
        await asyncio.sleep(0)  # the first reader finds nothing, and waits
        with pytest.raises(RuntimeError, match="two tasks read the same call"):
            await anext(call)
        call.cancel()
        with pytest.raises(RpcError):
            await first


async def test_requests_may_come_from_an_iterable_of_either_kind() -> None:
    async def later() -> AsyncIterator[pb.CollectRequest]:
        for size in (1, 2):
            yield pb.CollectRequest(payload=bytes(size))

    async with client_of(Streams()) as client:
        assert (await client.collect(later())).size == 3
        assert (await client.collect([pb.CollectRequest(payload=b"xy")])).size == 2
        assert (await client.collect([])).count == 0


async def test_requests_may_be_sent_one_by_one() -> None:
    streams = Streams()
    async with client_of(streams) as client:
        call = client.collect()
        for _ in range(3):
            assert await call.send(pb.CollectRequest(payload=b"x"))
        response = await call
        assert (response.count, response.size) == (3, 3)


async def test_one_source_of_requests_is_enough() -> None:
    async with client_of(Streams()) as client:
        call = client.collect([])
        for step in (call.send(pb.CollectRequest()), call.half_close()):
            with pytest.raises(RuntimeError, match="takes its requests from what it was given"):
                await step
        await call


async def test_an_iterator_that_fails_ends_the_call_and_its_error_is_told() -> None:
    def broken() -> Iterator[pb.ConverseRequest]:
        yield pb.ConverseRequest(answers=answers([1]))
        raise KeyError("broken")

    async def other() -> AsyncIterator[pb.ConverseRequest]:
        yield pb.ConverseRequest(answers=answers([1]))
        raise RpcError(Code.DATA_LOSS, "of another call")

    streams = Streams()
    async with client_of(streams) as client:
        with pytest.raises(KeyError, match="broken"):
            async for _ in client.converse(broken()):
                pass
        with pytest.raises(RpcError, match="DATA_LOSS: of another call"):
            async for _ in client.converse(other()):
                pass
        await streams.until(lambda: streams.seen["ended"] == streams.seen["begun"])


class Panic(BaseException):
    """As bindings to Rust raise it."""


async def failing(error: BaseException | None) -> AsyncIterator[pb.CollectRequest]:
    """One request, then `error`, or without one the cancellation of something that was awaited."""
    yield pb.CollectRequest()
    if error is not None:
        raise error
    lost = asyncio.get_running_loop().create_future()
    lost.cancel()
    await lost


@pytest.mark.parametrize("error", [Panic("broken"), SystemExit("broken"), None])
async def test_an_iterator_may_fail_in_any_way(error: BaseException | None) -> None:
    streams = Streams()
    expected = (RpcError, "cancelled by where its requests come from") if error is None else (type(error), "broken")
    async with serving(streams) as server, Channel(server.address) as channel:
        client = StreamServiceClient(channel)
        with pytest.raises(expected[0], match=expected[1]):
            await client.collect(failing(error))
        requests = failing(error)
        call = client.converse(pb.ConverseRequest() async for _ in requests)
        with pytest.raises(expected[0], match=expected[1]):
            await anext(call)
        (link,) = server.links
        await turn_until(lambda: not link.calls and not link.connection.streams)


async def test_an_iterator_that_waits_is_cancelled_with_its_call() -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def waiting() -> AsyncIterator[pb.CollectRequest]:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        yield pb.CollectRequest()

    async with client_of(Streams()) as client:
        call = asyncio.ensure_future(client.collect(waiting()))
        await entered.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await left.wait()


async def test_a_server_that_ends_early_stops_the_requests() -> None:
    def endless() -> Iterator[pb.ConverseRequest]:
        while True:
            yield pb.ConverseRequest(payload=bytes(1000), end=END)

    async with client_of(Streams()) as client:
        with pytest.raises(RpcError, match="enough"):
            async for _ in client.converse(endless()):
                pass
        async with client.converse() as call:
            await call.send(pb.ConverseRequest(end=END))
            with pytest.raises(RpcError, match="enough"):
                await anext(call)
            with pytest.raises(RpcError, match="enough"):
                await call.send(pb.ConverseRequest())


async def test_sending_on_a_call_that_ended_well_says_that_nobody_listens() -> None:
    async with client_of(Streams()) as client:
        call = client.converse()
        await call.half_close()
        assert [response async for response in call] == []
        assert await call.send(pb.ConverseRequest()) is False
        await call.half_close()


async def test_requests_stop_once_the_server_has_answered() -> None:
    class Hasty(Streams):
        async def collect(self, requests: AsyncIterator[pb.CollectRequest], ctx: Context) -> pb.CollectResponse:
            return pb.CollectResponse(count=-1)

    taken: list[pb.CollectRequest] = []

    def endless() -> Iterator[pb.CollectRequest]:
        while True:
            taken.append(pb.CollectRequest(payload=bytes(1000)))  # so that few of them fill the window
            yield taken[-1]

    async with channel_to(Hasty()) as channel:
        exchange = channel.bind_stream(COLLECT)(None, None)
        assert (await ClientStreamingCall(exchange, endless())).count == -1
        taken.clear()
        again = ClientStreamingCall(exchange, endless())
        await asyncio.sleep(0)  # in which it sends until nobody listens
        await again.aclose()
        assert len(taken) == 1


async def test_headers_come_before_the_first_message_and_trailers_after_the_last() -> None:
    options = CallOptions(metadata=Metadata([("head-a", "1"), ("trail-a", "2")]))
    async with client_of(Streams()) as client:
        async with client.converse(options=options) as call:
            await call.send(pb.ConverseRequest(answers=answers([1])))
            assert (await call.headers()).get("head-a") == "1"
            assert call.reply.trailers is EMPTY
            await call.half_close()
            assert len([response async for response in call]) == 1
            assert call.reply.trailers.get("trail-a") == "2"
        failing = client.repeat(pb.RepeatRequest(end=END), options)
        assert await failing.headers() == EMPTY
        with pytest.raises(RpcError):
            await anext(failing)


async def test_waiting_for_a_connection_is_part_of_the_call() -> None:
    """Nothing answers there: who waits to send, to half-close and to read is told, and none of it hangs when cancelled."""
    async with Channel("127.0.0.1:1") as channel:
        client = StreamServiceClient(channel)
        for step in ("send", "half_close", "read"):
            call = client.converse()
            if step == "half_close":
                await call.half_close()
            with pytest.raises(RpcError) as caught:
                await (call.send(pb.ConverseRequest()) if step == "send" else anext(call))
            assert caught.value.code is Code.UNAVAILABLE
        collecting = client.collect(options=CallOptions(timeout=0.2, wait_for_ready=True))
        senders = [asyncio.ensure_future(step) for step in (collecting.send(pb.CollectRequest()), collecting.half_close())]
        await asyncio.sleep(0)
        senders[0].cancel()
        await asyncio.wait(senders)
        assert senders[0].cancelled()
        with pytest.raises(RpcError):
            await collecting


async def test_a_response_too_few_or_too_many_is_an_error_of_the_server() -> None:
    """A bidi method called as if only its requests streamed."""
    async with channel_to(Streams()) as channel:
        for sizes, text in (([], "ended without a response"), ([1, 1], "answered with more than one message")):
            call = ClientStreamingCall(channel.bind_stream(CONVERSE)(None, None), [pb.ConverseRequest(answers=answers(sizes))])
            with pytest.raises(RpcError, match=text):
                await call
            await call.aclose()


async def stream_of(exchange: ClientExchange[Any, Any]) -> Any:
    """The stream that a call runs on, once it has one."""
    await turn_until(lambda: exchange.wire is not None)
    return exchange.wire


async def test_a_large_message_behind_a_small_one_comes_whole_to_who_reads_late() -> None:
    async with channel_to(Streams()) as channel:
        exchange = channel.bind_stream(REPEAT)(pb.RepeatRequest(answers=answers([1, 1 << 20])), None)
        async with ServerStreamingCall(exchange) as call:
            stream = await stream_of(exchange)
            await turn_until(lambda: stream.recv_window == 0)
            assert [len(response.payload) async for response in call] == [1, 1 << 20]


async def test_cancelling_a_call_frees_who_waits_for_room() -> None:
    async with channel_to(Streams()) as channel:
        exchange = channel.bind_stream(CONVERSE)(None, None)
        call = BidiStreamingCall(exchange)
        request = pb.ConverseRequest(payload=bytes(1 << 20), answers=answers([1 << 20] * 4))

        async def talk() -> None:
            while await call.send(request):
                pass

        talking = asyncio.ensure_future(talk())
        stream = await stream_of(exchange)
        await turn_until(lambda: stream.queued >= MAX_SEND_QUEUE)
        call.cancel()
        with pytest.raises(RpcError) as caught:
            await talking
        assert caught.value.code is Code.CANCELLED


async def test_a_call_that_is_cancelled_within_a_message_says_that_it_was_cancelled() -> None:
    async with channel_to(Streams()) as channel:
        exchange = channel.bind_stream(REPEAT)(pb.RepeatRequest(answers=answers([1 << 20])), None)
        call = ServerStreamingCall(exchange)
        stream = await stream_of(exchange)
        await turn_until(lambda: stream.recv_window < stream.connection.initial_window)  # a part of the message has come
        call.cancel()
        with pytest.raises(RpcError) as caught:
            await anext(call)
        assert caught.value.code is Code.CANCELLED


async def test_a_call_may_be_half_closed_with_requests_still_waiting() -> None:
    async with client_of(Streams()) as client:
        call = client.collect()
        await call.send(pb.CollectRequest(payload=bytes(100_000)))
        sending = asyncio.ensure_future(call.send(pb.CollectRequest(payload=bytes(200_000))))
        await sending
        await call.half_close()
        with pytest.raises(RuntimeError, match="was half-closed"):
            await call.send(pb.CollectRequest())
        assert (await call).size == 300_000


async def test_cancelling_who_waits_for_room_cancels_the_call() -> None:
    streams = Streams()
    async with channel_to(streams) as channel:
        exchange = channel.bind_stream(CONVERSE)(None, None)
        call = BidiStreamingCall(exchange)
        request = pb.ConverseRequest(payload=bytes(1 << 20), answers=answers([1 << 20] * 4))

        async def talk() -> None:
            while True:  # the handler stops reading once its own answers have no room
                await call.send(request)

        talking = asyncio.ensure_future(talk())
        stream = await stream_of(exchange)
        await turn_until(lambda: stream.queued >= MAX_SEND_QUEUE)
        talking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await talking
        await streams.until(lambda: streams.seen["ended"] == 1)
        await call.aclose()
