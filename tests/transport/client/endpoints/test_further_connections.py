"""A second connection where the server takes no more streams on the first, in every protocol, and what becomes of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1.stream_pb2 import ConverseRequest
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError, SetupError
from towpath._transport import Channel, ChannelOptions, Server
from towpath._transport.client.endpoints import further_connections
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._wire.http2 import Limits
from towpath._wire.http2.frames import Setting
from towpath.testing import Simulation, simulate

PATIENT = CallOptions(timeout=PATIENCE)
FULL = pb.SleepRequest(seconds=FOREVER)


@asynccontextmanager
async def full(streams: int = 1, **options: Any) -> AsyncIterator[tuple[Echo, Server, Channel, EchoServiceClient, list[asyncio.Task[Any]]]]:
    """A server that takes `streams` calls on a connection, a channel with as many under way, and these calls."""
    async with (
        serving(echo := Echo(), limits=Limits(max_concurrent_streams=streams)) as server,
        Channel(server.address, options=ChannelOptions(**options)) as channel,
    ):
        client = EchoServiceClient(channel)
        calls = [asyncio.create_task(client.sleep(FULL, PATIENT)) for _ in range(streams)]
        await echo.until(lambda: echo.seen["sleep"] == streams)
        yield echo, server, channel, client, calls
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


def further(channel: Channel) -> list[ClientLink]:
    (endpoint,) = channel.pool.endpoints.values()
    return endpoint.further.links


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
async def test_a_call_beyond_the_servers_limit_goes_over_another_connection(protocol: str) -> None:
    async with full(2, protocol=protocol) as (echo, server, channel, client, _):
        for n in range(4):
            assert (await client.say(pb.SayRequest(n=n), PATIENT)).n == n
        assert len(server.links) == 2
        with pytest.raises(RpcError, match="UNIMPLEMENTED"):  # a stream finds its place as well
            async for _ in StreamServiceClient(channel).converse([ConverseRequest()], PATIENT):
                pass
        assert echo.seen["say"] == 4


async def test_there_are_as_many_as_are_allowed_and_then_calls_wait() -> None:
    async with full(1, max_connections=3) as (echo, server, channel, client, calls):
        calls += [asyncio.create_task(client.sleep(FULL, PATIENT)) for _ in range(5)]
        await echo.until(lambda: echo.seen["sleep"] == 3)
        await turn_until(lambda: channel.pool.waiting == 3)
        assert len(server.links) == 3
        echo.release.set()
        await asyncio.gather(*calls)
        assert len(server.links) == 3
        with pytest.raises(SetupError, match="max_connections is 0; give 1 or more"):
            ChannelOptions(max_connections=0)


async def test_an_idle_one_is_given_back_and_a_used_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(further_connections, "_LOOK", 0.02)
    async with full() as (_, server, channel, client, calls):
        calls.append(asyncio.create_task(client.sleep(FULL, PATIENT)))
        await turn_until(lambda: len(further(channel)) == 1 and further(channel)[0].connection.streams)
        (used,) = further(channel)
        calls.append(asyncio.create_task(client.sleep(FULL, PATIENT)))
        await turn_until(lambda: len(further(channel)) == 2 and further(channel)[1].connection.streams)
        calls.pop().cancel()
        await turn_until(lambda: further(channel) == [used])
        await turn_until(lambda: len(server.links) == 2)


def test_one_that_is_old_ends_with_its_calls() -> None:
    async def main(simulation: Simulation) -> None:
        server = Server([echo := Echo()], limits=Limits(max_concurrent_streams=1))
        await server.start(sock=simulation.node("server").listen(8080), insecure=True)
        async with Channel("server:8080", insecure=True, options=ChannelOptions(max_age=100)) as channel:
            client = EchoServiceClient(channel)
            calls = [asyncio.create_task(client.sleep(FULL, CallOptions(timeout=FOREVER))) for _ in range(2)]
            await asyncio.sleep(1)
            (old,) = further(channel)
            await asyncio.sleep(150)
            assert old not in further(channel)
            assert old is not channel.pool.sole
            assert not any(call.done() for call in calls)
            echo.release.set()
            await asyncio.gather(*calls)
            await old.closed
        await server.close(0)

    simulate(main)


async def test_the_second_takes_the_place_of_the_first() -> None:
    async with full() as (_, server, channel, client, calls):
        await client.say(pb.SayRequest(), PATIENT)
        first, (second,) = channel.pool.sole, further(channel)
        assert first is not None
        first.abort()
        await turn_until(lambda: channel.pool.sole is second)
        await client.say(pb.SayRequest(), PATIENT)
        assert not further(channel)
        with pytest.raises(RpcError, match="UNAVAILABLE"):
            await calls[0]
        second.abort()
        await turn_until(lambda: channel.pool.sole is None)
        await client.say(pb.SayRequest(), PATIENT)
        await turn_until(lambda: len(server.links) == 1)


async def test_a_second_that_is_lost_or_seems_dead_is_left() -> None:
    async with full() as (_, _server, channel, client, _calls):
        (endpoint,) = channel.pool.endpoints.values()
        for leave in (ClientLink.abort, endpoint.replace):
            await client.say(pb.SayRequest(), PATIENT)
            (second,) = further(channel)
            leave(second)
            await second.closed
            assert not further(channel)


async def test_one_that_cannot_be_had_costs_a_pause_and_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(further_connections, "_PAUSE", 0.01)
    made: list[RawPeer] = []

    async def behave(peer: RawPeer) -> None:
        made.append(peer)
        if len(made) == 1:
            await http2_preface(peer, [(Setting.MAX_CONCURRENT_STREAMS, 1)])
            while True:
                await peer.frame()

    async with raw_server(behave) as address, Channel(address) as channel:
        client = EchoServiceClient(channel)
        calls = [asyncio.create_task(client.say(pb.SayRequest(), PATIENT)) for _ in range(2)]
        await turn_until(lambda: channel.pool.waiting == 1 and len(made) == 2)
        while len(made) < 3:
            with pytest.raises(RpcError) as caught:
                await client.say(pb.SayRequest(), CallOptions(timeout=0.02))
            assert caught.value.code is Code.DEADLINE_EXCEEDED
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


async def test_one_that_comes_too_late_is_let_go() -> None:
    released = asyncio.Event()
    made: list[RawPeer] = []

    async def behave(peer: RawPeer) -> None:
        made.append(peer)
        if len(made) == 2:
            await released.wait()
        await http2_preface(peer, [(Setting.MAX_CONCURRENT_STREAMS, 1)])
        while True:
            await peer.frame()

    async with raw_server(behave) as address, Channel(address) as channel:
        client = EchoServiceClient(channel)
        calls = [asyncio.create_task(client.say(pb.SayRequest(), PATIENT)) for _ in range(2)]
        await turn_until(lambda: len(made) == 2)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        first = channel.pool.sole
        assert first is not None
        first.abort()
        await turn_until(lambda: channel.pool.sole is None)
        (endpoint,) = channel.pool.endpoints.values()
        assert endpoint.tasks
        released.set()
        await turn_until(lambda: not endpoint.tasks)
        await turn_until(lambda: not endpoint.links)
