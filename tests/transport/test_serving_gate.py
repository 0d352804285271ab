"""A gate may hold a call back: what becomes of it then, over real sockets."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY, EchoServiceClient

from tests.echo_service import Echo, turn_until
from towpath.core.context import CallOptions, Context
from towpath.core.errors import Code, RpcError
from towpath.transport import Channel, Server


class Holding:
    """A layer that holds every call of Say back."""

    role = "holding"

    def __init__(self):
        self.held = []

    def wrap(self, method, following):
        return following

    def gate(self, method):
        return self._hold if method is SAY else None

    def _hold(self, _ctx, arrival):
        self.held.append(arrival)
        return False


class Nonsense:
    """What no request serialises to."""

    def SerializeToString(self):  # noqa: N802 # protobuf's name
        return b"\xff\xff"


@asynccontextmanager
async def stage():
    layer, echo = Holding(), Echo()
    server = Server([echo], layers=(layer,))
    await server.start("127.0.0.1", 0)
    async with Channel(server.address) as channel:
        yield layer, echo, EchoServiceClient(channel), channel
    await server.close(0)


async def call(client, layer, **options):
    task = asyncio.create_task(client.say(pb.SayRequest(id="a"), CallOptions(**options)))
    await turn_until(lambda: layer.held)
    return task, layer.held[0]


@pytest.mark.parametrize("how", ["begin", "run"])
async def test_a_call_that_is_let_in_later_is_served(how):
    async with stage() as (layer, echo, client, _):
        task, held = await call(client, layer)
        assert not echo.seen["say"]
        if how == "begin":
            held.begin()
        else:
            await held.run()
        assert (await task).id == "a"
        assert echo.seen["say"] == 1


async def test_a_call_that_is_refused_later_is_told_so():
    async with stage() as (layer, echo, client, _):
        task, held = await call(client, layer)
        held.refuse(RpcError(Code.RESOURCE_EXHAUSTED, "no room"))
        with pytest.raises(RpcError, match="no room"):
            await task
        assert held.over
        assert not echo.seen["say"]


async def test_a_call_that_was_cancelled_while_it_was_held_is_over():
    async with stage() as (layer, _, client, _):
        task, held = await call(client, layer)
        task.cancel()
        await turn_until(lambda: held.over)
        held.refuse(RpcError(Code.RESOURCE_EXHAUSTED, "no room"))  # does nothing any more


async def test_a_call_that_expired_while_it_was_held_is_over():
    async with stage() as (layer, _, client, _):
        task, held = await call(client, layer, timeout=0.05)
        with pytest.raises(RpcError) as caught:
            await task
        assert caught.value.code is Code.DEADLINE_EXCEEDED
        await turn_until(lambda: held.over)


@pytest.mark.parametrize("how", ["begin", "run"])
async def test_what_is_no_request_is_found_out_when_it_is_let_in(how):
    async with stage() as (layer, echo, _, channel):
        task = asyncio.create_task(channel.handler(SAY)(Nonsense(), Context(SAY.full_name)))
        await turn_until(lambda: layer.held)
        if how == "begin":
            layer.held[0].begin()
        else:
            await layer.held[0].run()
        with pytest.raises(RpcError) as caught:
            await task
        assert caught.value.code is Code.INTERNAL
        assert not echo.seen["say"]
