"""Responses that take long to read are read in a thread, by every kind of client."""

import asyncio
from typing import Any

import pytest
from everything.v1 import everything_pb2 as pb

from tests.echo_service import serving, turn_until
from tests.everything_service import EACH, GIVE, LIMIT, Everything, costly, crowded, stream, thread_taken
from towpath._core.calls.asynchronous import BidiStreamingCall
from towpath._core.calls.sync_calls import LoopRunner, SyncBidiStreamingCall, SyncExchange
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions

PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])


def channel(address: str, protocol: str) -> Channel:
    return Channel(address, options=ChannelOptions(protocol=protocol), message_limit=LIMIT)


@PROTOCOLS
async def test_an_answer(protocol: str) -> None:
    async with serving(Everything()) as server, channel(server.address, protocol) as client:
        give = client.bind(GIVE)
        assert await give(costly(), None) == costly()
        with pytest.raises(RpcError, match="more than 32768 messages") as caught:
            await give(crowded(), None)
        assert caught.value.code is Code.RESOURCE_EXHAUSTED
        assert await give(pb.Everything(an_int32=1), None) == pb.Everything(an_int32=1)


@PROTOCOLS
async def test_the_loop_goes_on_meanwhile(protocol: str) -> None:
    async with serving(Everything(), message_limit=64 * LIMIT) as server, channel(server.address, protocol) as client:
        give = client.bind(GIVE)
        with thread_taken() as release:
            waiting = asyncio.ensure_future(give(costly(), None))
            assert await give(pb.Everything(an_int32=1), None) == pb.Everything(an_int32=1)
            release.set()
            assert await waiting == costly()


@PROTOCOLS
async def test_the_responses_of_a_stream_keep_their_order(protocol: str) -> None:
    async with serving(Everything(), message_limit=64 * LIMIT) as server, channel(server.address, protocol) as client:
        call = stream(client)
        for message in (costly(), pb.Everything(an_int32=1), costly()):
            await call.send(message)
        await call.half_close()
        assert [message async for message in call] == [costly(), pb.Everything(an_int32=1), costly()]


@PROTOCOLS
@pytest.mark.parametrize("first", [True, False])
async def test_a_stream_with_a_response_of_too_much_ends(protocol: str, first: bool) -> None:
    async with serving(Everything(), message_limit=64 * LIMIT) as server, channel(server.address, protocol) as client:
        call = stream(client)
        if not first:
            await call.send(pb.Everything())
            await anext(call)
        waiting = asyncio.ensure_future(anext(call))
        await asyncio.sleep(0)
        await call.send(crowded())
        with pytest.raises(RpcError, match="more than 32768 messages"):
            await waiting
        with pytest.raises(RpcError):
            await anext(call)


@PROTOCOLS
async def test_a_response_whose_reader_gives_up_is_the_next_one_that_is_read(protocol: str) -> None:
    async with serving(Everything(), message_limit=64 * LIMIT) as server, channel(server.address, protocol) as client:
        exchange: Any = client.bind_stream(EACH)(None, None)
        call = BidiStreamingCall(exchange, None)
        await call.send(pb.Everything())
        await anext(call)
        with thread_taken():
            waiting = asyncio.ensure_future(anext(call))
            await call.send(costly())
            await call.send(pb.Everything(an_int32=1))
            await call.half_close()
            await turn_until(exchange.task.done)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert [message async for message in call] == [costly(), pb.Everything(an_int32=1)]


async def test_a_call_that_waits_for_its_thread_can_be_cancelled() -> None:
    async with serving(Everything(), message_limit=64 * LIMIT) as server, channel(server.address, "grpc") as client:
        give = client.bind(GIVE)
        assert await give(pb.Everything(), None) == pb.Everything()
        with thread_taken():
            waiting = asyncio.ensure_future(give(costly(), None))
            await give(pb.Everything(), None)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert await give(costly(), None) == costly()


async def test_a_client_without_asyncio_reads_them_too() -> None:
    async with serving(Everything(), message_limit=64 * LIMIT) as server, channel(server.address, "grpc") as client:
        exchange: Any = client.bind_stream(EACH)(None, None)
        messages = [pb.Everything(), costly(), costly()]
        for message in messages:
            await exchange.send(message)
        await exchange.half_close()
        await turn_until(exchange.task.done)  # all have come
        call: Any = SyncBidiStreamingCall(SyncExchange(LoopRunner(asyncio.get_running_loop()), exchange))
        assert await asyncio.to_thread(list, call) == messages


async def test_a_client_without_asyncio_gets_the_error_after_what_came_before() -> None:
    async with serving(Everything(), message_limit=64 * LIMIT) as server, channel(server.address, "grpc") as client:
        exchange: Any = client.bind_stream(EACH)(None, None)
        for message in (pb.Everything(), crowded()):
            await exchange.send(message)
        await exchange.half_close()
        await turn_until(exchange.task.done)
        call: Any = SyncBidiStreamingCall(SyncExchange(LoopRunner(asyncio.get_running_loop()), exchange))

        def read() -> Any:
            found = [next(call)]
            with pytest.raises(RpcError, match="more than 32768 messages"):
                next(call)
            return found

        assert await asyncio.to_thread(read) == [pb.Everything()]
