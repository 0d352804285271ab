"""How many connections a server takes, and what becomes of those that have grown old."""

import asyncio

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo, serving, turn_until
from towpath.core.context import CallOptions
from towpath.core.errors import Code, RpcError
from towpath.transport import Channel, ConnectionLimits
from towpath.transport.connections import Connections

PATIENT = CallOptions(timeout=PATIENCE)
WAITING = CallOptions(timeout=PATIENCE, wait_for_ready=True)


@pytest.mark.parametrize("limits", [ConnectionLimits(total=2), ConnectionLimits(per_peer=2)])
async def test_one_connection_too_many_is_closed_and_its_place_is_free_again_later(limits: ConnectionLimits) -> None:
    async with serving(Echo(), connections=limits) as server:
        host, port = server.address.split(":")
        silent = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        await turn_until(lambda: len(server.fronts) == 2)
        async with Channel(server.address) as channel:
            client = EchoServiceClient(channel)
            with pytest.raises(RpcError) as caught:
                await client.say(pb.SayRequest(), PATIENT)
            assert caught.value.code is Code.UNAVAILABLE
            silent[0][1].close()
            await turn_until(lambda: len(server.fronts) == 1)
            assert (await client.say(pb.SayRequest(id="a"), WAITING)).id == "a"
        await turn_until(lambda: not server.links)
        async with Channel(server.address) as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(id="b"), PATIENT)).id == "b"
        silent[1][1].close()


def test_peers_are_counted_apart() -> None:
    connections = Connections(ConnectionLimits(total=3, per_peer=2))
    assert [connections.admit(peer) for peer in "aaabb"] == [True, True, False, True, False]
    connections.leave("a")
    assert connections.admit("b")
    connections.leave("a")
    assert connections.admit("a")


async def test_an_old_connection_is_left_without_losing_a_call() -> None:
    async with serving(echo := Echo(), connections=ConnectionLimits(max_age=0.05)) as server, Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        seen = set()
        slow = asyncio.ensure_future(client.sleep(pb.SleepRequest(seconds=PATIENCE), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        async with asyncio.timeout(PATIENCE):
            while len(seen) < 4:
                await client.say(pb.SayRequest(), PATIENT)
                seen.add(channel._pool.sole)
                await asyncio.sleep(0)
        echo.release.set()
        await slow


@pytest.mark.parametrize("limits", [{"total": 0}, {"per_peer": -1}, {"max_age": 0}])
def test_limits_that_let_nobody_in_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="give more than 0"):
        ConnectionLimits(**limits)
