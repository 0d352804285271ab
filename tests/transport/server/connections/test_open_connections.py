"""A server that is short of connections: what its log says, and how many sockets it has all the same."""

import asyncio
import logging
from contextlib import AsyncExitStack

import pytest

from tests.echo_service import Echo, serving, turn_until
from tests.transport.slow_client import connected
from towpath._core import clock
from towpath._transport import ConnectionLimits
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
        most = 0
        for _ in range(60):
            client = await clients.enter_async_context(connected(server, ASKED))
            await asyncio.get_running_loop().sock_recv(client, 1)
            most = max(most, len(server.links))
        assert most <= 4 + 16 + 1
        await turn_until(lambda: len(server.links) <= 4 + 16)
