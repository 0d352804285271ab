"""A layer may have a call wait or reject it early: what becomes of it then, over real sockets."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY, EchoServiceClient
from google.rpc.error_details_pb2 import ErrorInfo

from tests.deadlines import missed
from tests.echo_service import Echo, turn_until
from tests.transport.raw_peer import raw_client, request_head
from towpath import connect
from towpath._core.context import CallOptions, Context, Criticality, enter, leave
from towpath._core.early_rejection import WAIT, Rejection
from towpath._core.errors import Code, RpcError
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Channel, Server
from towpath._transport.server.connections.deferred_writes import MAX_DEFERRED
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM


class Holding:
    """A layer that holds every call of Say back."""

    role = "holding"

    def __init__(self):
        self.held = []

    def wrap(self, method, following):
        return following

    def early_rejection(self, method):
        return self if method is SAY else None

    def on_headers(self, _headers, _extra):
        return None

    def on_arrival(self, _ctx, call):
        self.held.append(call)
        return WAIT


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
        held.reject(Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "no room")))
        with pytest.raises(RpcError, match="no room"):
            await task
        assert held.over
        assert not echo.seen["say"]


async def test_calls_of_one_connection_that_are_refused_later_are_told_in_one_write_and_in_order():
    async with stage() as (layer, _, client, _):
        told = []

        async def refused(name):
            with pytest.raises(RpcError, match="no room"):
                await client.say(pb.SayRequest(id=name))
            told.append(name)

        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(refused(name))
            await turn_until(lambda: len(layer.held) == 3)
            link = layer.held[0].connection.delegate
            written = link.written
            for held in layer.held:
                held.reject(Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "no room")))
            assert len(link.connection.out) == link.deferrable == 6
            assert link.written == written
        assert told == ["a", "b", "c"]


async def test_many_calls_that_are_refused_later_do_not_wait_for_others():
    async with stage() as (layer, _, client, _):

        async def refused():
            with pytest.raises(RpcError, match="no room"):
                await client.say(pb.SayRequest())

        async with asyncio.TaskGroup() as group:
            for _ in range(MAX_DEFERRED):
                group.create_task(refused())
            await turn_until(lambda: len(layer.held) == MAX_DEFERRED)
            link = layer.held[0].connection.delegate
            for held in layer.held:
                held.reject(Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "no room")))
            assert len(link.connection.out) < MAX_DEFERRED


async def test_a_call_that_was_cancelled_while_it_was_held_is_over():
    async with stage() as (layer, _, client, _):
        task, held = await call(client, layer)
        task.cancel()
        await turn_until(lambda: held.over)
        held.reject(Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "no room")))  # does nothing any more


async def test_a_call_that_expired_while_it_was_held_is_over():
    async with stage() as (layer, _, client, _):

        async def attempt(seconds: float) -> None:
            with pytest.raises(RpcError) as caught:
                await client.say(pb.SayRequest(id="a"), CallOptions(timeout=seconds))
            assert caught.value.code is Code.DEADLINE_EXCEEDED

        await missed(attempt, lambda: layer.held)
        await turn_until(lambda: layer.held[0].over)


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


class Shut:
    """A layer that rejects every call of Say by its headers."""

    role = "shut"

    def __init__(self):
        self.asked = []
        self.refusal = RpcError(Code.RESOURCE_EXHAUSTED, "not now", [ErrorInfo(reason="FULL", domain="towpath")])
        self.refusal.pushback = 0.25

    def wrap(self, method, following):
        return following

    def early_rejection(self, method):
        return self if method is SAY else None

    def on_headers(self, headers, extra):
        self.asked.append(headers.priority(extra))
        return Rejection(self.refusal)


async def test_a_call_may_be_refused_by_its_head_and_others_are_served():
    shut, echo = Shut(), Echo()
    server = Server([echo], layers=(shut,))
    await server.start("127.0.0.1", 0)
    ctx = Context("a/b", criticality=Criticality.CRITICAL_PLUS)
    async with connect(server.address, metrics=CallMetrics()) as channel:
        client = EchoServiceClient(channel)
        token = enter(ctx)
        for criticality in (None, Criticality.SHEDDABLE):
            with pytest.raises(RpcError) as caught:
                await client.say(pb.SayRequest(), CallOptions(criticality=criticality))
            assert (caught.value.message, caught.value.pushback) == ("not now", 0.25)
            assert caught.value.details == shut.refusal.details
        leave(token)
        assert (await client.inspect(pb.InspectRequest())).peer
    await server.close(0)
    assert not echo.seen["say"]
    assert set(shut.asked) == {(Criticality.CRITICAL_PLUS, 0, ctx.cohort), (Criticality.SHEDDABLE, 0, ctx.cohort)}


async def test_a_refusal_does_not_wait_for_the_request_and_who_goes_on_sending_is_told_to_stop():
    server = Server([Echo()], layers=(Shut(),))
    await server.start("127.0.0.1", 0)
    async with raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say"))
        answer = await peer.until(frames.HEADERS, 1)
        assert answer[1] & END_STREAM
        assert peer.fields(answer)[b"grpc-status"] == b"8"
        for _ in range(9):
            peer.send(frames.DATA, 0, 1, bytes(16_000))
        assert (await peer.until(frames.RST_STREAM, 1))[3] == ErrorCode.NO_ERROR.to_bytes(4, "big")
        peer.send(frames.DATA, END_STREAM, 1, bytes(1000))  # was on its way
        assert await peer.until_silent_with(b"all read") == []
    await server.close(0)


async def test_refusals_are_written_together_unless_they_are_many():
    server = Server([Echo()], layers=(Shut(),))
    await server.start("127.0.0.1", 0)
    streams = range(1, 2 * MAX_DEFERRED + 41, 2)
    async with raw_client(server.address) as peer:
        for stream in (*streams, *range(streams[-1] + 2, streams[-1] + 42, 2)):
            peer.call(stream, b"Say", b"")
            if stream == streams[-1]:
                assert [(await peer.until(frames.HEADERS))[2] for _ in streams] == list(streams)
        assert [(await peer.until(frames.HEADERS))[2] for _ in range(20)] == list(range(streams[-1] + 2, streams[-1] + 42, 2))
    await server.close(0)
