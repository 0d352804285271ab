"""A server that is short of connections: what its log says, and how many sockets it has all the same."""

import asyncio
import logging
from contextlib import AsyncExitStack

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo, serving, turn_until
from tests.transport.slow_client import connected, posted, refused
from towpath._core import clock
from towpath._core.context import CallOptions
from towpath._transport import Channel, ConnectionLimits
from towpath._transport.server.connections.open_connections import Connections

ASKED = b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n"


def test_the_log_has_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    connections, now = Connections(ConnectionLimits(total=1, per_peer=1)), 1000.0
    with clock.using(lambda: now):
        assert connections.admit("a")
        for _ in range(500):
            assert not connections.admit("b")
        assert not connections.admit("a")
        now += 59.9
        connections.expire()
        assert len(caplog.records) == 1
        now += 0.1
        connections.expire()
        now += 600
        connections.expire()
    first, second = (record.getMessage() for record in caplog.records)
    assert "TOO_MANY_CONNECTIONS 1; 1 are open of the 1" in first
    assert "TOO_MANY_CONNECTIONS 499, TOO_MANY_CONNECTIONS_OF_PEER 1; 1 are open of the 1" in second


async def test_connections_that_gave_up_their_places_take_few_descriptors() -> None:
    async with serving(Echo(), connections=ConnectionLimits(total=4)) as server, AsyncExitStack() as clients:
        most, now = 0, clock.now()
        with clock.using(lambda: now):
            for _ in range(60):
                client = await clients.enter_async_context(connected(server, ASKED))
                assert await asyncio.get_running_loop().sock_recv(client, 1) == b"H"
                most = max(most, len(server.links))
                server.connections.expire()
                now += 3
        assert 4 < most <= 4 + 16 + 1
        await turn_until(lambda: len(server.links) <= 4 + 16)


async def test_a_client_between_two_calls_keeps_its_place() -> None:
    held = posted("/echo.v1.EchoService/Sleep", "application/json", body=b'{"seconds":1000}')
    service = serving(echo := Echo(), connections=ConnectionLimits(total=2))
    async with service as server, Channel(server.address) as channel, connected(server, held):
        await echo.until(lambda: echo.seen["sleep"] == 1)
        now = clock.now()
        with clock.using(lambda: now):
            for _ in range(5):
                await EchoServiceClient(channel).say(pb.SayRequest(), CallOptions(timeout=PATIENCE))
                for _ in range(3):
                    await refused(server)
                now += 1
        assert len(server.links) == 2
        echo.release.set()
