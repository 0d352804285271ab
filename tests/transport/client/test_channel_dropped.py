"""Channels that nobody closes, and nobody holds any more: their connections end, and a warning says so."""

import asyncio
import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient, EchoServiceSyncClient

from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from towpath import connect, connect_sync
from towpath._core.context import CallOptions
from towpath._transport import Channel, ChannelOptions

PATIENT = CallOptions(timeout=PATIENCE)


@contextmanager
def told() -> Iterator[list[str]]:
    """The warnings within the block, but for those of what another test has left behind."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
        gc.collect()
        said = [str(warning.message) for warning in caught if warning.category is ResourceWarning]
        texts += [text for text in said if text.startswith("the channel to ")]


@pytest.mark.parametrize("make", [Channel, connect])
@pytest.mark.parametrize("protocol", ["grpc", "connect"])
async def test_a_dropped_channel_closes_its_connections_and_warns(make: Any, protocol: str) -> None:
    async with serving(Echo()) as server:
        with told() as texts:
            client = EchoServiceClient(make(server.address, options=ChannelOptions(protocol=protocol, max_age=0.05)))
            gc.collect()
            await client.say(pb.SayRequest(), PATIENT)  # the client alone keeps the channel
            assert server.links
            del client
            gc.collect()
            await turn_until(lambda: not server.links)
        assert texts == [f"the channel to {server.address} was dropped without being closed; close it, or use it with `async with`"]


async def test_a_call_under_way_keeps_its_channel() -> None:
    async with serving(echo := Echo()) as server:
        with told() as texts:
            call = asyncio.create_task(EchoServiceClient(Channel(server.address)).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
            await echo.until(lambda: echo.seen["sleep"] == 1)
            gc.collect()
            echo.release.set()
            await call
            del call
            gc.collect()
            await turn_until(lambda: not server.links)
        assert len(texts) == 1


async def test_one_that_was_closed_or_never_used_says_nothing() -> None:
    async with serving(Echo()) as server:
        with told() as texts:
            Channel(server.address)
            async with Channel(server.address) as channel:
                await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
            del channel
        assert not texts


def test_one_whose_loop_has_ended_says_nothing() -> None:
    async def use() -> Channel:
        async with serving(Echo()) as server:
            channel = Channel(server.address)
            await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
        await turn_until(lambda: channel.pool.sole is None)
        return channel

    with asyncio.Runner() as runner:
        channel = runner.run(use())
    with told() as texts:
        del channel
    assert not texts


async def test_a_forked_process_leaves_the_connections_of_its_parent() -> None:
    async with serving(Echo()) as server:
        with told() as texts:
            channel = Channel(server.address)
            await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
            own = os.getpid
            try:
                os.getpid = lambda: -1
                pool = channel.pool
                del channel
                gc.collect()
            finally:
                os.getpid = own
            assert server.links
            await pool.close()
        assert not texts


async def test_a_dropped_sync_channel_closes_its_connections_and_warns() -> None:
    async with serving(Echo()) as server:
        with told() as texts:

            def use() -> None:
                EchoServiceSyncClient(connect_sync(server.address)).say(pb.SayRequest(), PATIENT)

            await asyncio.to_thread(use)
            gc.collect()
            await turn_until(lambda: not server.links)
        assert len(texts) == 1
