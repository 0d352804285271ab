"""Several endpoints behind one target, with real servers that come and go."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from hashlib import sha256
from itertools import count

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from tests.ports import free_port
from tests.transport.fleet import EAGER, PATIENT, WAITING, Named, all_ready, fleet, states
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._core import clock
from towpath._core.context import CallOptions, Context
from towpath._core.decisions import Decision
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions, ConnectionLimits, Server
from towpath._transport.client.connection_backoff import Backoff
from towpath._transport.client.endpoints.endpoint import State
from towpath._transport.client.load_balancing.balancer import PICKERS
from towpath._transport.client.load_balancing.load import Choice
from towpath._transport.server.connections.connection_limits import TOO_MANY_OF_PEER
from towpath._wire.http2 import Limits, frames
from towpath.testing import Simulation, simulate

TURNS = ChannelOptions(balancer="round_robin", slow_start=0)


@asynccontextmanager
async def serving_at(port: int) -> AsyncIterator[None]:
    server = Server([Echo()])
    await server.start("127.0.0.1", port)
    yield
    await server.close(0)


@pytest.mark.parametrize("policy", ["peak_ewma", "least_request", "round_robin"])
async def test_every_endpoint_has_its_share(policy: str) -> None:
    asked: Counter[int] = Counter()
    began, looks = clock.now(), count()
    with clock.using(lambda: began + 1e-5 * next(looks)):  # a busy machine would make one of the endpoints seem slow for seconds
        async with fleet(3, asked) as (_, target), Channel(target, options=ChannelOptions(balancer=policy, slow_start=0)) as channel:
            client = EchoServiceClient(channel)
            await all_ready(channel, 3)
            asked.clear()
            for _ in range(30):
                await asyncio.gather(*(client.say(pb.SayRequest(), PATIENT) for _ in range(10)))
        assert sum(asked.values()) == 300
        assert min(asked.values()) >= (100 if policy == "round_robin" else 30)


class ByTenant:
    """A balancer of an application's own: each tenant's calls go to one endpoint, whatever the order of those that are ready."""

    def __init__(self, *, slow_start: float, source: random.Random) -> None:
        assert slow_start == 0

    def pick(self, ready: Sequence[Choice], ctx: Context) -> Choice:
        assert len(ready) > 1  # where there is no choice nobody is asked
        return max(ready, key=lambda endpoint: sha256(f"{ctx.tenant} {endpoint.name}".encode()).digest())


async def test_a_balancer_of_ones_own_sees_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PICKERS, "by_tenant", ByTenant)
    asked: Counter[int] = Counter()
    async with fleet(3, asked) as (_, target), Channel(target, options=ChannelOptions(balancer="by_tenant", slow_start=0)) as channel:
        client = EchoServiceClient(channel)
        await all_ready(channel, 3)
        homes: set[int] = set()
        for tenant in map(str, range(50)):
            own = {(await client.say(pb.SayRequest(), CallOptions(timeout=PATIENCE, tenant=tenant))).n for _ in range(3)}
            assert len(own) == 1
            homes |= own
        assert homes == {0, 1, 2}


async def test_a_rolling_restart_loses_no_call() -> None:
    """Each of three servers is drained and succeeded by another at its address, while callers never pause."""
    asked: Counter[int] = Counter()
    held = ExitStack()
    ports = [held.enter_context(free_port()) for _ in range(3)]
    servers = [Server([Named(name, asked)]) for name in range(3)]
    for server, port in zip(servers, ports, strict=True):
        await server.start("127.0.0.1", port)
    target = "static:///" + ",".join(server.address for server in servers)
    over = False
    done = 0

    async def caller(client: EchoServiceClient) -> None:
        nonlocal done
        while not over:
            await client.say(pb.SayRequest(), PATIENT)
            done += 1

    async with asyncio.timeout(PATIENCE), Channel(target, options=ChannelOptions(backoff=EAGER)) as channel:
        await all_ready(channel, 3)
        client = EchoServiceClient(channel)
        callers = [asyncio.create_task(caller(client)) for _ in range(8)]
        for name, port in enumerate(ports):
            before = done
            await turn_until(lambda before=before: done > before + 200)
            await servers[name].close(grace=PATIENCE)
            before = done
            await turn_until(lambda before=before: done > before + 200)
            servers[name] = Server([Named(name + 3, asked)])
            await servers[name].start("127.0.0.1", port)
            await turn_until(lambda name=name: asked[name + 3] > 50)
        over = True
        await asyncio.gather(*callers)
        assert sum(asked.values()) == done + 1
        assert set(asked) == set(range(6))
    for server in servers:
        await server.close(0)
    held.close()


async def test_an_endpoint_that_is_down_costs_nothing_and_comes_back(port: int) -> None:
    asked: Counter[int] = Counter()
    async with fleet(1, asked) as (_, target), Channel(f"{target},127.0.0.1:{port}", options=ChannelOptions(backoff=EAGER)) as channel:
        client = EchoServiceClient(channel)
        for _ in range(100):
            assert (await client.say(pb.SayRequest(), PATIENT)).n == 0
        late = Server([Named(7, asked)])
        await late.start("127.0.0.1", port)
        try:
            await turn_until(lambda: states(channel) == [State.READY] * 2)
            while not asked[7]:
                await client.say(pb.SayRequest(), PATIENT)
        finally:
            await late.close(0)


async def test_only_the_calls_on_an_endpoint_that_dies_fail() -> None:
    asked: Counter[int] = Counter()
    async with (
        fleet(2, asked) as (servers, target),
        Channel(target, options=ChannelOptions(balancer="round_robin", slow_start=0)) as channel,
    ):
        await all_ready(channel, 2)
        client = EchoServiceClient(channel)
        calls = [asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT)) for _ in range(4)]
        await turn_until(lambda: all(sum(len(link.calls) for link in server.links) == 2 for server in servers))
        for link in list(servers[0].links):
            link.abort()
        done, pending = await asyncio.wait(calls, return_when=asyncio.FIRST_EXCEPTION, timeout=PATIENCE)
        await turn_until(lambda: sum(call.done() for call in calls) == 2)
        for call in calls:
            if call.done():
                assert isinstance(error := call.exception(), RpcError)
                assert error.code is Code.UNAVAILABLE
                assert servers[0].address in error.message
        assert len(done | pending) == 4
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


async def test_when_nothing_can_be_reached_every_endpoint_is_named_with_its_fault(port: int) -> None:
    target = f"static:///127.0.0.1:{port},127.0.0.1:1"
    async with Channel(target) as channel:
        client = EchoServiceClient(channel)
        with pytest.raises(RpcError) as caught:
            await client.say(pb.SayRequest(), PATIENT)
        assert caught.value.code is Code.UNAVAILABLE
        assert caught.value.message.startswith(f"cannot connect to {target}: 127.0.0.1:{port}: ")
        assert "; 127.0.0.1:1: " in caught.value.message
        with pytest.raises(RpcError, match=r"no connection to static:///.* within the deadline") as caught:
            await client.say(pb.SayRequest(), CallOptions(timeout=0.05, wait_for_ready=True))
        assert caught.value.code is Code.DEADLINE_EXCEEDED


async def test_a_call_that_waits_for_its_target_gets_it(port: int) -> None:
    async with Channel(f"127.0.0.1:{port}", options=ChannelOptions(backoff=EAGER)) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(n=3), WAITING))
        await turn_until(lambda: State.TRANSIENT_FAILURE in states(channel))
        server = Server([Echo()])
        await server.start("127.0.0.1", port)
        assert (await call).n == 3
        await server.close(0)


async def test_a_call_that_finds_nobody_does_not_wait_out_a_long_pause(port: int) -> None:
    now = clock.now()
    options = ChannelOptions(backoff=Backoff(initial=600, most=86_400, factor=100, jitter=0))
    with clock.using(lambda: now):
        async with Channel(f"127.0.0.1:{port}", options=options) as channel:
            client = EchoServiceClient(channel)
            for _ in range(2):  # the second pause is of sixteen hours
                with pytest.raises(RpcError, match="cannot connect"):
                    await client.say(pb.SayRequest(), PATIENT)
                now += 600
            async with serving_at(port):
                now -= 1
                with pytest.raises(RpcError, match="cannot connect"):
                    await client.say(pb.SayRequest(), PATIENT)
                now += 1
                assert (await client.say(pb.SayRequest(n=3), PATIENT)).n == 3


async def test_a_pause_is_as_long_as_the_attempt_that_failed() -> None:
    connections, now = 0, clock.now()

    async def behave(peer: RawPeer) -> None:
        nonlocal connections, now
        connections += 1
        now += 60
        peer.writer.close()

    with clock.using(lambda: now):
        options = ChannelOptions(backoff=Backoff(initial=20, most=20, jitter=0))
        async with raw_server(behave) as address, Channel(address, options=options) as channel:
            for pause, expected in ((0, 1), (59, 1), (1, 2)):
                now += pause
                with pytest.raises(RpcError, match="cannot connect"):
                    await EchoServiceClient(channel).say(pb.SayRequest(), CallOptions(timeout=1000))
                assert connections == expected


async def test_a_full_endpoint_leaves_its_calls_to_the_others() -> None:
    async with (
        serving(one := Echo(), limits=Limits(max_concurrent_streams=1)) as first,
        serving(two := Echo(), limits=Limits(max_concurrent_streams=1)) as second,
        Channel(f"static:///{first.address},{second.address}") as channel,
    ):
        client = EchoServiceClient(channel)
        await all_ready(channel, 2)
        calls = [asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT)) for _ in range(3)]
        await turn_until(lambda: one.seen["sleep"] == two.seen["sleep"] == 1)
        one.release.set()
        await turn_until(lambda: one.seen["sleep"] == 2)
        two.release.set()
        await asyncio.gather(*calls)


def test_a_name_is_every_address_that_it_has_and_follows_them() -> None:
    async def main(simulation: Simulation) -> None:
        asked: Counter[int] = Counter()
        nodes = [simulation.node(f"flights-{number}") for number in range(3)]
        servers = [Server([Named(number, asked)]) for number in range(3)]
        for node, server in zip(nodes, servers, strict=True):
            await server.start(sock=node.listen(8080), insecure=True)
        async with Channel("dns:///flights:8080", insecure=True, options=ChannelOptions(resolve_interval=30)) as channel:
            client = EchoServiceClient(channel)
            for has in (nodes[:1], nodes, nodes[2:]):
                simulation.network.name("flights", has)
                await asyncio.sleep(35)
                assert {(await client.say(pb.SayRequest(), PATIENT)).n for _ in range(100)} == {nodes.index(node) for node in has}
                assert states(channel) == [State.READY] * len(has)
                assert [len(server.links) for server in servers] == [int(node in has) for node in nodes]
        for server in servers:
            await server.close(0)

    simulate(main)


async def test_a_name_is_resolved_by_the_system() -> None:
    async with serving(Echo()) as server:
        port = server.address.rpartition(":")[2]
        async with Channel(f"dns:///localhost:{port}") as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(n=1), PATIENT)).n == 1
            assert f"127.0.0.1:{port}" in map(str, channel.pool.endpoints)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 64 + ".invalid"])
async def test_a_name_that_does_not_resolve_is_unavailable(host: str) -> None:
    async with Channel(f"dns:///{host}:1", insecure=True) as channel:
        for _ in range(2):
            with pytest.raises(RpcError, match="the name cannot be resolved") as caught:
                await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
            assert caught.value.code is Code.UNAVAILABLE


def test_an_old_connection_is_replaced_and_its_calls_finish() -> None:
    async def main(simulation: Simulation) -> None:
        server = Server([echo := Echo()])
        await server.start(sock=simulation.node("server").listen(8080), insecure=True)
        async with Channel("server:8080", insecure=True, options=ChannelOptions(max_age=100)) as channel:
            client = EchoServiceClient(channel)
            call = asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), CallOptions(timeout=FOREVER)))
            await asyncio.sleep(80)
            (old,) = server.links
            await asyncio.sleep(70)
            assert len(server.links) == 2
            assert (await client.say(pb.SayRequest(n=2), PATIENT)).n == 2
            assert not call.done()
            echo.release.set()
            await call
            await asyncio.sleep(1)
            assert len(server.links) == 1
            assert old not in server.links
        await server.close(0)

    simulate(main)


def test_a_connection_that_cannot_be_replaced_is_kept() -> None:
    async def main(simulation: Simulation) -> None:
        turned_away = 0

        def signal(decision: Decision) -> None:
            nonlocal turned_away
            turned_away += decision.reason == TOO_MANY_OF_PEER

        server = Server([Echo()], connections=ConnectionLimits(per_peer=1), signal=signal)
        await server.start(sock=simulation.node("server").listen(8080), insecure=True)
        async with Channel("server:8080", insecure=True, options=ChannelOptions(max_age=100, backoff=Backoff(most=20))) as channel:
            client = EchoServiceClient(channel)
            await client.say(pb.SayRequest(), PATIENT)
            links = list(server.links)
            await asyncio.sleep(150)
            assert turned_away > 1, "what could not be had once is tried again"
            await client.say(pb.SayRequest(), PATIENT)
            assert list(server.links) == links
        await server.close(0)

    simulate(main)


async def test_a_server_that_lets_in_and_sends_away_is_not_asked_without_a_pause() -> None:
    connections = 0

    async def behave(peer: RawPeer) -> None:
        nonlocal connections
        connections += 1
        await http2_preface(peer)
        peer.writer.close()

    asked: Counter[int] = Counter()
    seldom = ChannelOptions(backoff=Backoff(initial=3600, most=3600))
    async with fleet(1, asked) as (_, target), raw_server(behave) as bad, Channel(f"{target},{bad}", options=seldom) as channel:
        client = EchoServiceClient(channel)
        unsent = asyncio.create_task(client.say(pb.SayRequest(), WAITING))
        await turn_until(lambda: states(channel))
        unsent.cancel()  # it might go to the bad one
        await turn_until(lambda: set(states(channel)) == {State.READY, State.TRANSIENT_FAILURE})
        for _ in range(100):
            await client.say(pb.SayRequest(), PATIENT)
        assert connections == 1


async def test_a_server_that_falls_silent_is_found_out_by_a_ping() -> None:
    pings = 0

    async def behave(peer: RawPeer) -> None:
        nonlocal pings
        await http2_preface(peer)
        while True:
            frame = await peer.until(frames.PING)
            pings += not frame[1]

    options = ChannelOptions(keepalive_time=0.02, keepalive_timeout=0.05)
    async with raw_server(behave) as address, Channel(address, options=options) as channel:
        with pytest.raises(RpcError, match=r"did not answer a keepalive ping within 0\.05 s|was lost") as caught:
            await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
        await turn_until(lambda: pings)
    assert caught.value.code is Code.UNAVAILABLE
    assert pings == 1


async def test_a_server_that_answers_pings_may_take_its_time() -> None:
    lively = ChannelOptions(keepalive_time=0.01, keepalive_timeout=PATIENCE)
    async with serving(echo := Echo()) as server, Channel(server.address, options=lively) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        link = channel.pool.sole
        assert link is not None
        asked_for: list[bytes] = []
        answered = link.pinged
        link.pinged = lambda payload: (asked_for.append(payload), answered(payload))[1]
        await turn_until(lambda: len(asked_for) >= 2)
        echo.release.set()
        await call


def test_backoff_grows_to_its_limit_and_is_jittered() -> None:
    source = random.Random(1)
    backoff = Backoff()
    for failures, expected in ((1, 0.1), (2, 0.16), (3, 0.256), (50, 10.0), (100_000, 10.0)):
        delays = [backoff.delay(failures, source) for _ in range(200)]
        assert expected * 0.8 <= min(delays) < expected * 0.85
        assert expected * 1.15 < max(delays) <= expected * 1.2


async def test_what_is_no_transition_is_illegal() -> None:
    async with serving(Echo()) as server, Channel(server.address) as channel:
        await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
        (endpoint,) = channel.pool.endpoints.values()
        endpoint.shut_down()
        with pytest.raises(RuntimeError, match="SHUTDOWN -> SHUTDOWN is illegal"):
            endpoint.shut_down()
