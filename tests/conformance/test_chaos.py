"""10,000 calls through a network that fails all the time: each ends within its deadline with a true status, and nothing is left."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService, EchoServiceClient
from stream.v1 import stream_pb2 as sp
from stream.v1.stream_towpath import StreamService, StreamServiceClient

from tests.conformance.chaos import Chaos, Fate
from tests.echo_service import PATIENCE, turn_until
from towpath._core.context import CallOptions, Context
from towpath._core.errors import Code, RpcError
from towpath._transport import Backoff, Channel, ChannelOptions, Server

CALLS = 10_000
CALLERS = 24
TIMEOUT = 1.0
"""Seconds of a call's deadline: some calls fall silent, and are to find out by it."""

HONEST = {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED}
"""What a call may be told that the network ended."""


class Ledger(EchoService, StreamService):
    """Serves both contracts, and writes down whom it has served."""

    spec = EchoService.spec

    def __init__(self) -> None:
        self.executed: Counter[str] = Counter()

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        self.executed[request.id] += 1
        return pb.SayResponse(id=request.id, payload=request.payload)

    async def fail(self, request: pb.FailRequest, ctx: Context) -> pb.FailResponse:
        self.executed[request.message] += 1
        raise RpcError(Code.ABORTED, request.message)

    async def sleep(self, request: pb.SleepRequest, ctx: Context) -> pb.SleepResponse:
        raise NotImplementedError

    async def inspect(self, request: pb.InspectRequest, ctx: Context) -> pb.InspectResponse:
        raise NotImplementedError

    async def repeat(self, request: sp.RepeatRequest, ctx: Context) -> AsyncIterator[sp.RepeatResponse]:
        self.executed[str(ctx.metadata.get("id"))] += 1
        for index, answer in enumerate(request.answers):
            yield sp.RepeatResponse(index=index, payload=bytes(answer.size))

    async def collect(self, requests: AsyncIterator[sp.CollectRequest], ctx: Context) -> sp.CollectResponse:
        self.executed[str(ctx.metadata.get("id"))] += 1
        response = sp.CollectResponse()
        async for request in requests:
            response.count += 1
            response.size += len(request.payload)
        return response

    async def converse(self, requests: AsyncIterator[sp.ConverseRequest], ctx: Context) -> AsyncIterator[sp.ConverseResponse]:
        self.executed[str(ctx.metadata.get("id"))] += 1
        index = 0
        async for request in requests:
            for answer in request.answers:
                yield sp.ConverseResponse(index=index, payload=bytes(answer.size))
                index += 1


class Streams(Ledger):
    """The other contract of the same ledger."""

    spec = StreamService.spec

    def __init__(self, ledger: Ledger) -> None:
        self.executed = ledger.executed


class Caller:
    """Makes calls of every kind and checks what comes back."""

    def __init__(self, channel: Channel, source: random.Random) -> None:
        self._echo = EchoServiceClient(channel)
        self._streams = StreamServiceClient(channel)
        self._source = source

    async def call(self, name: str) -> None:
        """One call; returns if it was answered as it should be. Raises RpcError."""
        source = self._source
        size = source.choice((0, 10, 1000, 50_000))
        options = CallOptions(timeout=TIMEOUT, metadata=[("id", name)], wait_for_ready=source.random() < 0.95)
        match source.randrange(10):
            case 0:
                await self._echo.fail(pb.FailRequest(code=int(Code.ABORTED), message=name), options)
            case 1:
                request = sp.RepeatRequest(answers=[sp.Answer(size=size)] * 5)
                async with self._streams.repeat(request, options) as call:
                    assert [(each.index, len(each.payload)) async for each in call] == [(index, size) for index in range(5)]
            case 2:
                answer = await self._streams.collect([sp.CollectRequest(payload=bytes(size))] * 5, options)
                assert (answer.count, answer.size) == (5, 5 * size)
            case 3:
                async with self._streams.converse(options=options) as call:
                    for index in range(3):
                        await call.send(sp.ConverseRequest(answers=[sp.Answer(size=size)]))
                        answer = await anext(call)
                        assert (answer.index, len(answer.payload)) == (index, size)
                    await call.half_close()
                    assert [each async for each in call] == []
            case _:
                answer = await self._echo.say(pb.SayRequest(id=name, payload=bytes(size)), options)
                assert (answer.id, len(answer.payload)) == (name, size)


@pytest.mark.parametrize("seed", [20261124])
async def test_every_call_ends_within_its_deadline_with_a_status_that_is_true(seed: int) -> None:
    ledger = Ledger()
    server = Server([ledger, Streams(ledger)])
    await server.start()
    chaos = [Chaos(server.address, seed + number) for number in range(3)]
    ended: dict[str, Code | None] = {}
    before = asyncio.all_tasks()
    async with chaos[0].proxy() as first, chaos[1].proxy() as second, chaos[2].proxy() as third:
        backoff = Backoff(initial=0.005, most=0.05)
        options = ChannelOptions(backoff=backoff, connect_timeout=TIMEOUT, keepalive_time=0.1, keepalive_timeout=0.2)
        async with Channel(f"static:///{first},{second},{third}", options=options) as channel:

            async def calls(number: int) -> None:
                caller = Caller(channel, random.Random(seed * CALLERS + number))
                for index in range(number, CALLS, CALLERS):
                    name = str(index)
                    try:
                        async with asyncio.timeout(PATIENCE):  # far beyond the deadline, which is the call's own to keep
                            await caller.call(name)
                        ended[name] = None
                    except RpcError as error:
                        ended[name] = error.code

            await asyncio.gather(*(calls(number) for number in range(CALLERS)))
            links = [link for endpoint in channel.pool.endpoints.values() for link in endpoint.links]
            await turn_until(lambda: not any(link.connection.streams for link in links))
    await turn_until(lambda: not server.links)
    await server.close(0)

    assert len(ended) == CALLS
    outcomes = Counter(ended.values())
    assert set(outcomes) <= {None, Code.ABORTED} | HONEST
    assert max(ledger.executed.values()) == 1, "a call was executed twice"
    unserved = [name for name, code in ended.items() if code in (None, Code.ABORTED) and not ledger.executed[name]]
    assert unserved == []
    assert outcomes[None] > CALLS // 20, "the network was too bad to tell anything"
    assert outcomes[Code.UNAVAILABLE] > 100, "the network was too good to tell anything"
    for fate in Fate:
        assert fate is Fate.NONE or sum(each.done[fate] for each in chaos) > 10, f"too few connections were {fate.value}"
    await turn_until(lambda: asyncio.all_tasks() <= before)
