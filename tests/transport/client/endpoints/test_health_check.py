"""Channels that ask their servers whether they want calls."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import grpc
import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.deadlines import missed
from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from tests.transport.fleet import EAGER, PATIENT, WAITING, all_ready, fleet, states
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._app.standard.health import Health
from towpath._core.errors import Code, RpcError
from towpath._transport import Backoff, Channel, ChannelOptions, Server
from towpath._transport.client.endpoints.endpoint import State
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.grpc.standard import HEALTH, ServingStatus
from towpath._wire.hpack import literal
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, Setting
from towpath.testing import Simulation, simulate

ECHO = "echo.v1.EchoService"
ASKING = ChannelOptions(health_service=ECHO, backoff=EAGER)
ANSWER = HEALTH["HealthCheckResponse"]


class Tellers:
    """The health services of a fleet, all serving at first."""

    def __init__(self) -> None:
        self.all: list[Health] = []

    def __call__(self) -> Health:
        health = Health([ECHO])
        health.set_all(ServingStatus.SERVING)
        self.all.append(health)
        return health


async def test_who_is_not_serving_gets_no_calls_until_it_is() -> None:
    asked: Counter[int] = Counter()
    tellers = Tellers()
    async with fleet(2, asked, tellers) as (_, target), Channel(target, options=ASKING) as channel:
        await all_ready(channel, 2)
        client = EchoServiceClient(channel)
        for state in (ServingStatus.NOT_SERVING, ServingStatus.UNKNOWN):
            tellers.all[0].set(ECHO, state)
            await turn_until(lambda: State.TRANSIENT_FAILURE in states(channel))
            asked.clear()
            for _ in range(50):
                await client.say(pb.SayRequest(), PATIENT)
            assert asked == {1: 50}
            tellers.all[0].set(ECHO, ServingStatus.SERVING)
            await turn_until(lambda: states(channel) == [State.READY] * 2)
            while not asked[0]:
                await client.say(pb.SayRequest(), PATIENT)


async def test_one_that_is_alone_and_not_serving_is_named_or_waited_for() -> None:
    asked: Counter[int] = Counter()
    tellers = Tellers()
    async with fleet(1, asked, tellers) as (servers, _), Channel(servers[0].address, options=ASKING) as channel:
        tellers.all[0].set(ECHO, ServingStatus.NOT_SERVING)
        client = EchoServiceClient(channel)
        with pytest.raises(RpcError, match=f"{ECHO} is NOT_SERVING") as caught:
            await client.say(pb.SayRequest(), PATIENT)
        assert caught.value.code is Code.UNAVAILABLE
        waiting = asyncio.create_task(client.say(pb.SayRequest(), WAITING))
        await turn_until(lambda: channel.pool.waiting)
        tellers.all[0].set(ECHO, ServingStatus.SERVING)
        await waiting
        assert len(servers[0].links) == 1


@pytest.mark.parametrize("name", ["", "nobody.v1.KnowsMe"])
async def test_the_name_decides(name: str) -> None:
    asked: Counter[int] = Counter()
    tellers = Tellers()
    options = ChannelOptions(health_service=name, backoff=EAGER)
    async with fleet(1, asked, tellers) as (servers, _), Channel(servers[0].address, options=options) as channel:
        client = EchoServiceClient(channel)
        if name:
            with pytest.raises(RpcError, match=f"{name} is SERVICE_UNKNOWN"):
                await client.say(pb.SayRequest(), PATIENT)
        else:
            await client.say(pb.SayRequest(), PATIENT)
            tellers.all[0].shut_down()
            await turn_until(lambda: states(channel) == [State.TRANSIENT_FAILURE])
            with pytest.raises(RpcError, match=r"cannot be watched|the server is NOT_SERVING"):
                await client.say(pb.SayRequest(), PATIENT)


async def test_a_server_without_the_service_is_healthy() -> None:
    async with serving(Echo()) as server, Channel(server.address, options=ASKING) as channel:
        assert (await EchoServiceClient(channel).say(pb.SayRequest(n=3), PATIENT)).n == 3


async def test_a_server_that_says_goodbye_to_its_watchers_is_left_before_it_closes() -> None:
    """What an application does while it settles: its watchers are told, and then it drains."""
    asked: Counter[int] = Counter()
    tellers = Tellers()
    async with fleet(2, asked, tellers) as (servers, target), Channel(target, options=ASKING) as channel:
        await all_ready(channel, 2)
        tellers.all[0].shut_down()
        await turn_until(lambda: State.TRANSIENT_FAILURE in states(channel))
        await servers[0].close(PATIENCE)
        client = EchoServiceClient(channel)
        for _ in range(20):
            assert (await client.say(pb.SayRequest(), PATIENT)).n == 1


async def test_grpcios_server_is_asked_again_after_its_watch_failed() -> None:
    watches = 0

    async def watch(request: bytes, ctx: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
        nonlocal watches
        watches += 1
        assert HEALTH["HealthCheckRequest"].FromString(request).service == ECHO
        if watches == 2:
            yield ANSWER(status=ServingStatus.SERVING).SerializeToString()
            await asyncio.Event().wait()
        await ctx.abort(grpc.StatusCode.INTERNAL, "a database is missing")

    async def say(request: bytes, ctx: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return pb.SayResponse(n=8).SerializeToString()

    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Watch": grpc.unary_stream_rpc_method_handler(watch)}),
            grpc.method_handlers_generic_handler(ECHO, {"Say": grpc.unary_unary_rpc_method_handler(say)}),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with Channel(f"127.0.0.1:{port}", options=ASKING) as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(), WAITING)).n == 8
            assert watches == 2
    finally:
        await server.stop(0)


def test_a_new_connection_is_watched_in_place_of_the_old_one() -> None:
    async def main(simulation: Simulation) -> None:
        health = Tellers()()
        server = Server([Echo(), health])
        await server.start(sock=simulation.node("server").listen(8080), insecure=True)
        async with Channel("server:8080", insecure=True, options=replace(ASKING, max_age=100)) as channel:
            await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
            (old,) = server.links
            await asyncio.sleep(150)
            (new,) = server.links  # nothing is under way on the old one, its watch neither
            assert new is not old
            assert len(new.calls) == 1
            health.set(ECHO, ServingStatus.NOT_SERVING)
            await asyncio.sleep(1)
            assert states(channel) == [State.TRANSIENT_FAILURE]
        await server.close(0)

    simulate(main)


async def test_an_unhealthy_server_that_dies_is_connected_to_anew() -> None:
    asked: Counter[int] = Counter()
    tellers = Tellers()
    async with fleet(2, asked, tellers) as (servers, target), Channel(target, options=ASKING) as channel:
        await all_ready(channel, 2)
        tellers.all[0].set(ECHO, ServingStatus.NOT_SERVING)
        await turn_until(lambda: State.TRANSIENT_FAILURE in states(channel))
        for link in list(servers[0].links):
            link.abort()
        tellers.all[0].set(ECHO, ServingStatus.SERVING)
        await turn_until(lambda: states(channel) == [State.READY] * 2)


async def test_a_channel_closes_while_it_asks() -> None:
    seen = asyncio.Event()

    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer)
        await peer.until(frames.HEADERS)
        seen.set()
        await peer.closed()

    async with raw_server(behave) as address, Channel(address, options=ASKING) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(), PATIENT))
        await seen.wait()
        assert states(channel) == [State.CONNECTING]
        await channel.close()
        with pytest.raises(RpcError) as caught:
            await call
        assert caught.value.code is Code.CANCELLED


HEAD = literal(b":status", b"200") + literal(b"content-type", b"application/grpc")


def _head(peer: RawPeer, *, flags: int = END_HEADERS, block: bytes = HEAD) -> None:
    peer.send(frames.HEADERS, flags, 1, block)


async def _no_grpc(peer: RawPeer) -> None:
    _head(peer, block=literal(b":status", b"502"), flags=END_HEADERS | END_STREAM)


async def _garbage(peer: RawPeer) -> None:
    _head(peer)
    peer.send(frames.DATA, 0, 1, message_frame(b"\xff\xff"))


async def _huge(peer: RawPeer) -> None:
    _head(peer)
    peer.send(frames.DATA, 0, 1, message_frame(bytes(4096))[:5])


async def _no_trailers(peer: RawPeer) -> None:
    _head(peer)
    peer.send(frames.DATA, END_STREAM, 1)


async def _ended(peer: RawPeer) -> None:
    _head(peer)
    peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, literal(b"grpc-status", b"0"))


async def _only_a_status(peer: RawPeer) -> None:
    _head(peer, block=HEAD + literal(b"grpc-status", b"13"), flags=END_HEADERS | END_STREAM)


async def _reset(peer: RawPeer) -> None:
    peer.send(frames.RST_STREAM, 0, 1, (2).to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_no_grpc, "UNAVAILABLE"),
        (_garbage, "INTERNAL: no HealthCheckResponse"),
        (_huge, "RESOURCE_EXHAUSTED: a message is larger than the limit of 1024 bytes"),
        (_no_trailers, "INTERNAL: it ended without trailers"),
        (_ended, "the watch ended"),
        (_only_a_status, "INTERNAL"),
        (_reset, "INTERNAL"),
    ],
)
async def test_a_watch_that_ends_is_no_good_news(answer: Callable[[RawPeer], Awaitable[None]], reason: str) -> None:
    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer)
        await peer.until(frames.HEADERS)
        await answer(peer)
        await peer.closed()

    options = ChannelOptions(health_service="", backoff=Backoff(initial=3600, most=3600), connect_timeout=PATIENCE)
    async with raw_server(behave) as address, Channel(address, options=options) as channel:
        with pytest.raises(RpcError, match=reason):
            await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
        assert states(channel) == [State.TRANSIENT_FAILURE]


async def test_a_watch_without_an_answer_is_no_good_news() -> None:
    asked = 0

    async def behave(peer: RawPeer) -> None:
        nonlocal asked
        await http2_preface(peer)
        await peer.until(frames.HEADERS)
        asked += 1
        await peer.closed()

    async def attempt(seconds: float) -> str:  # the timeout holds for connecting, too
        options = ChannelOptions(health_service="", backoff=Backoff(initial=3600, most=3600), connect_timeout=seconds)
        async with raw_server(behave) as address, Channel(address, options=options) as channel:
            with pytest.raises(RpcError) as caught:
                await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
            assert states(channel) == [State.TRANSIENT_FAILURE]
        return str(caught.value)

    assert "DEADLINE_EXCEEDED: no answer within" in await missed(attempt, lambda: asked)


async def test_a_server_without_a_place_for_the_watch_is_asked_when_it_has_one() -> None:
    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer, [(Setting.MAX_CONCURRENT_STREAMS, 0)])
        await peer.until_silent_with(b"all read")
        peer.send(frames.SETTINGS, 0, 0, frames.settings([(Setting.MAX_CONCURRENT_STREAMS, 100)])[9:])
        await peer.until(frames.HEADERS, 1)
        _head(peer)
        peer.send(frames.DATA, 0, 1, message_frame(ANSWER(status=1).SerializeToString()))
        await peer.until(frames.HEADERS, 3)
        peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 3, HEAD + literal(b"grpc-status", b"9"))
        await peer.closed()

    async with raw_server(behave) as address, Channel(address, options=ASKING) as channel:
        with pytest.raises(RpcError) as caught:
            await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
        assert caught.value.code is Code.FAILED_PRECONDITION


@pytest.mark.parametrize("lives", [True, False])
async def test_a_server_that_goes_before_it_has_told_is_connected_to_again(lives: bool) -> None:
    connections = 0

    async def behave(peer: RawPeer) -> None:
        nonlocal connections
        connections += 1
        await http2_preface(peer)
        await peer.until(frames.HEADERS)
        if lives:
            peer.writer.write(frames.goaway(0, 0, b"restarting"))
            await peer.closed()

    async with raw_server(behave) as address, Channel(address, options=ASKING) as channel:
        with pytest.raises(RpcError) as caught:
            await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
        assert caught.value.code is Code.UNAVAILABLE
        waiting = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(), WAITING))
        await turn_until(lambda: connections > 2)
        waiting.cancel()


async def test_a_call_under_way_finishes_on_a_server_that_stops_serving() -> None:
    echo, health = Echo(), Tellers()()
    server = Server([echo, health])
    await server.start()
    try:
        async with Channel(server.address, options=ASKING) as channel:
            call = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
            await echo.until(lambda: echo.seen["sleep"] == 1)
            health.set_all(ServingStatus.NOT_SERVING)
            await turn_until(lambda: states(channel) == [State.TRANSIENT_FAILURE])
            echo.release.set()
            await call
    finally:
        await server.close(0)
