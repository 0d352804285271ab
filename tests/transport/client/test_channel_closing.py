"""Ending a channel: calls under way, calls that wait, and servers that do not read."""

import asyncio
import socket

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, request_of_size, serving, turn_until
from tests.transport.fleet import states
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel
from towpath._transport.client.endpoints.endpoint import State
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import Setting

PATIENT = CallOptions(timeout=PATIENCE)


async def test_a_closed_channel_refuses_calls() -> None:
    async with serving(Echo()) as server:
        async with Channel(server.address) as channel:
            await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
        with pytest.raises(RpcError) as caught:
            await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
        assert (caught.value.code, caught.value.message) == (Code.CANCELLED, f"the channel to {server.address} is closed")
        await channel.close()


async def test_closing_ends_calls_under_way() -> None:
    echo = Echo()
    async with serving(echo) as server, Channel(server.address) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        await channel.close()
        with pytest.raises(RpcError, match="UNAVAILABLE"):
            await call
        await echo.until(lambda: echo.seen["cancelled"] == 1)


async def test_closing_while_connecting_ends_the_calls_that_wait() -> None:
    with socket.create_server(("127.0.0.1", 0)) as blackhole:
        async with asyncio.timeout(PATIENCE), Channel(f"127.0.0.1:{blackhole.getsockname()[1]}") as channel:
            call = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(), PATIENT))
            await turn_until(lambda: states(channel) == [State.CONNECTING])
            await channel.close()
            with pytest.raises(RpcError, match="is closed") as caught:
                await call
    assert caught.value.code is Code.CANCELLED


async def test_closing_does_not_wait_for_a_server_that_stopped_reading() -> None:
    reading = asyncio.Event()

    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer, [(Setting.INITIAL_WINDOW_SIZE, frames.MAX_WINDOW)])
        peer.writer.write(frames.window_update(0, frames.MAX_WINDOW - frames.DEFAULT_WINDOW))
        peer.writer.transport.pause_reading()
        await reading.wait()

    async with asyncio.timeout(PATIENCE), raw_server(behave) as address, Channel(address) as channel:
        calls = [asyncio.create_task(EchoServiceClient(channel).say(request_of_size(4 << 20), PATIENT)) for _ in range(16)]
        await turn_until(lambda: (link := channel.pool.sole) is not None and len(link.connection.streams) == 16 and link.paused)
        await channel.close()
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, RpcError)
            assert error.code is Code.UNAVAILABLE
        reading.set()
