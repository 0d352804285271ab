"""A pool tells when it has a connection after it had none."""

from collections import Counter

from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import turn_until
from tests.transport.fleet import EAGER, WAITING, Named, all_ready, fleet, states
from towpath._transport import Channel, ChannelOptions, Server
from towpath._transport.client.endpoints.endpoint import State


async def test_a_connection_after_none_is_told_and_a_further_one_is_not() -> None:
    asked, told = Counter[int](), Counter[str]()
    async with fleet(2, asked) as (servers, target), Channel(target, options=ChannelOptions(backoff=EAGER)) as channel:
        channel.pool.on_connected = lambda: told.update(["connected"])
        await all_ready(channel, 2)
        assert told["connected"] == 1
        await servers[0].close(0)
        await turn_until(lambda: State.READY not in states(channel)[:1])
        port = int(servers[0].address.rpartition(":")[2])
        again = Server([Named(0, asked)])
        await again.start("127.0.0.1", port)
        try:
            await all_ready(channel, 2)
            assert told["connected"] == 1  # the other endpoint was there all the time
            await servers[1].close(0)
            await again.close(0)
            await turn_until(lambda: State.READY not in states(channel))
            again = Server([Named(0, asked)])
            await again.start("127.0.0.1", port)
            await EchoServiceClient(channel).say(pb.SayRequest(), WAITING)
            assert told["connected"] == 2
        finally:
            await again.close(0)
