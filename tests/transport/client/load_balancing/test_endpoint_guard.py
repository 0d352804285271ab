"""A guard before each endpoint, with real servers, and the other endpoint that another attempt goes to."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY, EchoServiceClient
from stream.v1 import stream_pb2
from stream.v1.stream_towpath import StreamServiceClient

from tests.deadlines import missed
from tests.echo_service import FOREVER, Echo, serving, turn_until
from tests.stream_service import Streams
from tests.transport.fleet import PATIENT, WAITING, all_ready, fleet, states
from towpath._core.context import CallOptions, Context
from towpath._core.decisions import Decision
from towpath._core.errors import Code, RpcError
from towpath._core.outcome import BLAMES_SERVER, Outcome, classify
from towpath._transport import Channel, ChannelOptions, Server
from towpath._transport.client.endpoints.endpoint import State
from towpath._wire.http2 import Limits

TURNS = ChannelOptions(balancer="round_robin", slow_start=0)


class Fuse:
    """Lets nothing of any method through after the first failure that is the server's."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.blown = False
        self.heard: list[Outcome] = []
        self.begun = 0
        self.methods: list[str] = []

    def allows(self, method: str) -> bool:
        assert method.startswith(("echo.v1.EchoService/", "stream.v1.StreamService/"))
        return not self.blown

    def begin(self, method: str) -> int:
        self.begun += 1
        self.methods.append(method.rpartition("/")[2])
        return self.begun

    def record(self, begun: int, seconds: float, error: BaseException | None) -> None:
        assert 0 < begun <= self.begun
        assert seconds >= 0
        outcome = classify(error)
        self.heard.append(outcome)
        self.blown = self.blown or outcome in BLAMES_SERVER


class Box:
    """The fuses of a channel."""

    def __init__(self) -> None:
        self.fuses: dict[str, Fuse] = {}

    def __call__(self, place: str) -> Fuse:
        fuse = self.fuses[place] = Fuse(place)
        return fuse

    def check(self) -> None:
        """What was begun was recorded."""
        assert all(fuse.begun == len(fuse.heard) for fuse in self.fuses.values())


def beside_a_dead_one(server: Server) -> str:
    """A target of two endpoints, of which one is there."""
    return f"static:///{server.address},127.0.0.1:1"


async def test_a_sole_endpoint_has_no_guard() -> None:
    box = Box()
    async with serving(Echo()) as server, Channel(server.address, guards=box) as channel:
        await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
    assert not box.fuses


async def test_an_endpoint_that_there_is_no_other_for_is_asked_whatever_its_guard_says() -> None:
    box = Box()
    told: list[Decision] = []
    async with serving(Echo()) as server, Channel(beside_a_dead_one(server), guards=box, signal=told.append) as channel:
        client = EchoServiceClient(channel)
        for _ in range(3):
            await client.say(pb.SayRequest(), PATIENT)
        with pytest.raises(RpcError, match="NOT_FOUND"):
            await client.fail(pb.FailRequest(code=Code.NOT_FOUND), PATIENT)
        with pytest.raises(RpcError, match="INTERNAL"):
            await client.fail(pb.FailRequest(code=Code.INTERNAL), PATIENT)
        assert not told
        await client.say(pb.SayRequest(), PATIENT)
        (panic,) = told
        assert panic[:4] == ("echo.v1.EchoService/Say", "breaker", "PANIC", False)
        assert panic.ctx is not None
        assert (panic.ctx.peer, panic.rejected) == (server.address, False)
        fuse = box.fuses[server.address]
        assert fuse.heard == [*[Outcome.SUCCESS] * 3, Outcome.CLIENT_FAULT, Outcome.FATAL, Outcome.SUCCESS]
        assert fuse.methods == [*["Say"] * 3, "Fail", "Fail", "Say"]
        box.check()


async def test_calls_go_where_a_guard_allows() -> None:
    asked: Counter[int] = Counter()
    box = Box()
    async with fleet(4, asked) as (servers, target), Channel(target, options=TURNS, guards=box) as channel:
        await all_ready(channel, 4)
        asked.clear()
        client = EchoServiceClient(channel)
        # Two of four are half, and the other half can do the work; three are most, and one could not.
        for blown, expected in ((0, {1, 2, 3}), (1, {2, 3}), (2, {0, 1, 2, 3}), (3, {0, 1, 2, 3})):
            box.fuses[servers[blown].address].blown = True
            for _ in range(24):
                await client.say(pb.SayRequest(), PATIENT)
            assert set(asked) == expected
            asked.clear()
        for well in (0, 1):
            box.fuses[servers[well].address].blown = False
        for _ in range(12):
            await client.say(pb.SayRequest(), PATIENT)
        assert set(asked) == {0, 1}
        box.check()


async def test_where_the_others_are_full_an_endpoint_is_asked_whatever_its_guard_says() -> None:
    box = Box()
    one_call = Limits(max_concurrent_streams=1)
    async with (
        serving(full := Echo(), limits=one_call) as first,
        serving(ill := Echo()) as second,
        Channel(f"static:///{first.address},{second.address}", options=TURNS, guards=box) as channel,
    ):
        await all_ready(channel, 2)
        box.fuses[second.address].blown = True
        client = EchoServiceClient(channel)
        calls = [asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT)) for _ in range(2)]
        await full.until(lambda: full.seen["sleep"] == 1)
        await ill.until(lambda: ill.seen["sleep"] == 1)
        full.release.set()
        ill.release.set()
        await asyncio.gather(*calls)


async def test_a_call_that_nobody_waits_for_is_recorded_too() -> None:
    box = Box()
    async with serving(echo := Echo()) as server, Channel(beside_a_dead_one(server), guards=box) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        call.cancel()
        await asyncio.wait([call])
        heard = box.fuses[server.address].heard

        async def attempt(seconds: float) -> None:
            with pytest.raises(RpcError, match="DEADLINE_EXCEEDED"):
                await EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER), CallOptions(timeout=seconds))

        await missed(attempt, lambda: len(heard) > 1)
        assert heard == [Outcome.CANCELLED, Outcome.DEADLINE]


async def test_a_guard_that_fails_costs_nobody_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Fuse):
        def record(self, begun: int, seconds: float, error: BaseException | None) -> None:
            raise KeyError("illegal")

    async with serving(Echo()) as server, Channel(beside_a_dead_one(server), guards=Broken) as channel:
        client = EchoServiceClient(channel)
        assert (await client.say(pb.SayRequest(n=3), PATIENT)).n == 3
        with pytest.raises(RpcError, match="NOT_FOUND"):
            await client.fail(pb.FailRequest(code=Code.NOT_FOUND), PATIENT)
    server = Server([Streams()])
    await server.start()
    async with Channel(beside_a_dead_one(server), guards=Broken) as channel:
        assert [_ async for _ in StreamServiceClient(channel).repeat(stream_pb2.RepeatRequest(), PATIENT)] == []
    await server.close(0)
    assert [record.getMessage() for record in caplog.records] == ["a guard failed to take down how an attempt ended"] * 3


async def test_a_full_endpoint_is_waited_for_and_its_guard_not_asked() -> None:
    box = Box()
    async with (
        serving(echo := Echo(), limits=Limits(max_concurrent_streams=1)) as server,
        Channel(beside_a_dead_one(server), guards=box) as channel,
    ):
        client = EchoServiceClient(channel)
        calls = [asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT)) for _ in range(2)]
        await echo.until(lambda: echo.seen["sleep"] == 1)
        assert box.fuses[server.address].begun == 1
        echo.release.set()
        await asyncio.gather(*calls)
        box.check()
        assert box.fuses[server.address].begun == 2


@pytest.mark.parametrize(
    ("code", "outcome"), [(0, Outcome.SUCCESS), (Code.NOT_FOUND, Outcome.CLIENT_FAULT), (Code.UNAVAILABLE, Outcome.TRANSIENT)]
)
async def test_a_stream_is_recorded_by_how_it_ends(code: int, outcome: Outcome) -> None:
    box = Box()
    server = Server([Streams()])
    await server.start()
    async with Channel(beside_a_dead_one(server), guards=box) as channel:
        request = stream_pb2.RepeatRequest(answers=[stream_pb2.Answer(size=1)], end=stream_pb2.End(code=code))
        try:
            async for _ in StreamServiceClient(channel).repeat(request, PATIENT):
                assert not box.fuses[server.address].heard
        except RpcError as error:
            assert error.code == code  # it may also end well
        await turn_until(lambda: box.fuses[server.address].heard)
        assert box.fuses[server.address].heard == [outcome]
        box.check()
    await server.close(0)


async def test_a_guard_outlives_its_endpoints_connections() -> None:
    box = Box()
    async with serving(Echo()) as server, Channel(beside_a_dead_one(server), guards=box) as channel:
        client = EchoServiceClient(channel)
        await client.say(pb.SayRequest(), PATIENT)
        for link in list(server.links):
            link.abort()
        await turn_until(lambda: State.READY not in states(channel))
        await client.say(pb.SayRequest(), WAITING)
        assert box.fuses[server.address].heard == [Outcome.SUCCESS] * 2


@pytest.mark.parametrize("guards", [None, Box])
async def test_another_attempt_goes_elsewhere(guards: Callable[[], Box] | None) -> None:
    asked: Counter[int] = Counter()
    async with fleet(2, asked) as (servers, target), Channel(target, guards=guards and guards()) as channel:
        await all_ready(channel, 2)
        say = channel.handler(SAY)
        for _ in range(20):
            first = Context("echo.v1.EchoService/Say")
            one = (await say(pb.SayRequest(), first)).n
            assert first.peer == servers[one].address
            for attempt in (1, 2, 3):
                other = (await say(pb.SayRequest(), first.again(attempt))).n
                assert other != one
                one = other


async def test_another_attempt_goes_to_the_same_endpoint_if_no_other_takes_it() -> None:
    asked: Counter[int] = Counter()
    box = Box()
    async with fleet(2, asked) as (servers, target), Channel(target, guards=box) as channel:
        await all_ready(channel, 2)
        box.fuses[servers[1].address].blown = True
        say = channel.handler(SAY)
        first = Context("echo.v1.EchoService/Say")
        assert [(await say(pb.SayRequest(), ctx)).n for ctx in (first, first.again(1), first.again(2))] == [0, 0, 0]
    async with serving(Echo()) as server, Channel(server.address) as channel:
        say = channel.handler(SAY)
        first = Context("echo.v1.EchoService/Say")
        assert [(await say(pb.SayRequest(n=1), ctx)).n for ctx in (first, first.again(1))] == [1, 1]
