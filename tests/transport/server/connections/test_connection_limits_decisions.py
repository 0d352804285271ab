"""The limits on connections tell of each connection that they turn away or let go, once and by the reason."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from towpath._core.context import CallOptions
from towpath._core.decisions import Decision
from towpath._transport import Channel, ConnectionLimits, Server
from towpath._transport.server.connections.connection_limits import (
    FLOOD,
    HEAD_TIMEOUT,
    IDLE_TIMEOUT,
    MADE_ROOM,
    MAX_AGE,
    TOO_MANY,
    TOO_MANY_OF_PEER,
    UNUSED_TIMEOUT,
)
from towpath._wire.http1 import Http1Limits
from towpath._wire.http2 import Limits, frames
from towpath._wire.http2.frames import PREFACE
from towpath.testing import Simulation, simulate

GREETING = PREFACE + frames.settings([])
ANSWERED = b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n"


def about_a_connection(reason: str, *, rejected: bool) -> Decision:
    return Decision("", "connections", reason, shadow=False, ctx=None, rejected=rejected)


@asynccontextmanager
async def connected(server: Server, said: bytes) -> AsyncIterator[asyncio.StreamReader]:
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    try:
        yield reader
    finally:
        writer.close()


async def end_of(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(PATIENCE):
        try:
            while await reader.read(1 << 16):
                pass
        except ConnectionError:
            return  # it was cut off


async def test_one_too_many_of_a_peer_is_rejected() -> None:
    told: list[Decision] = []
    async with serving(Echo(), connections=ConnectionLimits(per_peer=1), signal=told.append) as server, connected(server, b""):
        await turn_until(lambda: server.connections.newcomers)
        assert not told
        async with connected(server, b"") as late:
            await end_of(late)
    assert told == [about_a_connection(TOO_MANY_OF_PEER, rejected=True)]


async def test_one_too_many_is_rejected_where_all_are_busy() -> None:
    told: list[Decision] = []
    limits = ConnectionLimits(total=1)
    async with serving(echo := Echo(), connections=limits, signal=told.append) as server, Channel(server.address) as busy:
        calling = asyncio.ensure_future(EchoServiceClient(busy).sleep(pb.SleepRequest(seconds=FOREVER), CallOptions(timeout=PATIENCE)))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        async with connected(server, GREETING) as late:
            await end_of(late)
        assert told == [about_a_connection(TOO_MANY, rejected=True)]
        echo.release.set()
        await calling


@pytest.mark.parametrize("said", [b"", GREETING], ids=["silent", "HTTP/2"])
async def test_who_makes_room_for_another_has_lost_no_call(said: bytes) -> None:
    told: list[Decision] = []
    async with serving(Echo(), connections=ConnectionLimits(total=1), signal=told.append) as server, connected(server, said) as early:
        await turn_until(lambda: server.links if said else server.connections.newcomers)
        async with connected(server, b""):
            await end_of(early)
            assert told == [about_a_connection(MADE_ROOM, rejected=False)]


@pytest.mark.parametrize(
    ("limits", "said", "decision"),
    [
        (ConnectionLimits(head_timeout=0.05), b"", about_a_connection(HEAD_TIMEOUT, rejected=True)),
        (ConnectionLimits(head_timeout=0.05), GREETING + b"\0\0\x08\x06", about_a_connection(HEAD_TIMEOUT, rejected=True)),
        (ConnectionLimits(head_timeout=0.05), b"GET / HT", about_a_connection(HEAD_TIMEOUT, rejected=True)),
        (ConnectionLimits(unused_timeout=0.05, head_timeout=0.2), GREETING, about_a_connection(UNUSED_TIMEOUT, rejected=False)),
        (ConnectionLimits(idle_timeout=0.05), ANSWERED, about_a_connection(IDLE_TIMEOUT, rejected=False)),
        (ConnectionLimits(max_age=0.05), ANSWERED, about_a_connection(MAX_AGE, rejected=False)),
    ],
    ids=["silent", "half a frame", "half a head", "unused", "idle", "old"],
)
def test_a_connection_whose_time_is_over_is_told_once(limits: ConnectionLimits, said: bytes, decision: Decision) -> None:
    told: list[Decision] = []

    async def main(simulation: Simulation) -> None:
        server = Server([Echo()], connections=limits, signal=told.append)
        await server.start(sock=simulation.node("server").listen(8080), insecure=True)
        reader, writer = await asyncio.open_connection("server", 8080)
        writer.write(said)
        await end_of(reader)
        writer.close()
        await asyncio.sleep(1)
        assert not server.links
        await server.close(0)

    simulate(main)
    assert told == [decision]


async def test_who_floods_is_rejected() -> None:
    told: list[Decision] = []
    limits = Limits(overhead_burst=10, overhead_per_second=0)
    flood = GREETING + frames.frame(frames.PING, 0, 0, bytes(8)) * 11
    async with serving(Echo(), limits=limits, signal=told.append) as server, connected(server, flood) as reader:
        await end_of(reader)
    assert told == [about_a_connection(FLOOD, rejected=True)]


async def test_who_asks_for_nothing_too_often_over_http1_is_rejected() -> None:
    told: list[Decision] = []
    limits = Http1Limits(overhead_burst=3, overhead_per_second=0)
    async with serving(Echo(), http1_limits=limits, signal=told.append) as server, connected(server, ANSWERED * 5) as reader:
        async with asyncio.timeout(PATIENCE):
            answers = await reader.read(-1)
    assert answers.count(b"HTTP/1.1 404") == 4
    assert answers.count(b"connection: close") == 1
    assert told == [about_a_connection(FLOOD, rejected=True)]


async def test_who_only_breaks_the_protocol_is_not_said_to_flood() -> None:
    told: list[Decision] = []
    async with serving(Echo(), signal=told.append) as server, connected(server, GREETING + frames.window_update(0, 0)) as reader:
        await end_of(reader)
    assert told == []
