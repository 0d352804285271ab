"""Calls that wait for room on a connection: whose turn it is, and who gets the place of a call that does not use it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1.stream_pb2 import ConverseRequest
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from towpath._core.context import CallOptions, Context
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions
from towpath._wire.http2 import Limits

PATIENT = CallOptions(timeout=PATIENCE)
TOO_LARGE = CallOptions(timeout=PATIENCE, metadata=[("much", "x" * 70_000)])
"""What the head of a call cannot carry, which is found out once it has its turn."""


class Ordered(Echo):
    """Notes the order in which its calls begin."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[int] = []

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        self.begun.append(request.n)
        return await super().say(request, ctx)


@asynccontextmanager
async def occupied(protocol: str = "grpc") -> AsyncIterator[tuple[Ordered, Channel]]:
    """A server that takes one call at a time, over the one connection of a channel, and has one that ends with `release`."""
    echo = Ordered()
    async with (
        serving(echo, limits=Limits(max_concurrent_streams=1)) as server,
        Channel(server.address, options=ChannelOptions(max_connections=1, protocol=protocol)) as channel,
    ):
        first = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        yield echo, channel
        echo.release.set()
        await first


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
async def test_calls_have_their_turns_in_the_order_in_which_they_came(protocol: str) -> None:
    async with occupied(protocol) as (echo, channel):
        client = EchoServiceClient(channel)
        calls: list[asyncio.Task[pb.SayResponse]] = []
        for n in range(10):
            calls.append(asyncio.create_task(client.say(pb.SayRequest(n=n), PATIENT)))
            await turn_until(lambda n=n: channel.pool.waiting == n + 1)
        calls[3].cancel()
        echo.release.set()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(ended[3], asyncio.CancelledError)
        assert echo.begun == [0, 1, 2, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
async def test_the_place_of_a_call_whose_head_cannot_be_written_is_the_next_ones(protocol: str) -> None:
    async with occupied(protocol) as (echo, channel):
        client = EchoServiceClient(channel)
        bad = asyncio.create_task(client.say(pb.SayRequest(n=1), TOO_LARGE))
        await turn_until(lambda: channel.pool.waiting == 1)
        streamed = asyncio.create_task(anext(StreamServiceClient(channel).converse([ConverseRequest()], TOO_LARGE)))
        await turn_until(lambda: channel.pool.waiting == 2)
        good = asyncio.create_task(client.say(pb.SayRequest(n=2), PATIENT))
        await turn_until(lambda: channel.pool.waiting == 3)
        echo.release.set()
        for failing in (bad, streamed):
            with pytest.raises(RpcError, match="metadata are larger") as caught:
                await failing
            assert caught.value.code is Code.RESOURCE_EXHAUSTED
        assert (await good).n == 2
        assert echo.begun == [2]


async def test_a_turn_that_comes_as_its_call_is_cancelled_is_the_next_ones() -> None:
    async with occupied() as (echo, channel):
        client = EchoServiceClient(channel)
        cancelled = asyncio.create_task(client.say(pb.SayRequest(n=1), PATIENT))
        await turn_until(lambda: channel.pool.waiting == 1)
        good = asyncio.create_task(client.say(pb.SayRequest(n=2), PATIENT))
        await turn_until(lambda: channel.pool.waiting == 2)
        echo.release.set()
        await turn_until(lambda: channel.pool.waiting == 1)  # its turn has come, and it has not gone on yet
        cancelled.cancel()
        assert (await good).n == 2
        assert cancelled.cancelled()


async def test_a_turn_over_a_connection_that_ends_its_calls_is_looked_for_anew() -> None:
    async with occupied() as (echo, channel):
        (endpoint,) = channel.pool.endpoints.values()
        waiting = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(n=1), PATIENT))
        await turn_until(lambda: channel.pool.waiting == 1)
        link = endpoint.link
        assert link is not None
        channel.pool.wake_one(link)  # though there is no room: it waits again
        await turn_until(lambda: channel.pool.waiting == 1)
        echo.release.set()
        assert (await waiting).n == 1
