"""Situations whose outcome depends on real time: on loops that are late, processes that pause, end and come back."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from labs.experiments.do_no_harm.load import Load, Outcome
from labs.experiments.do_no_harm.sides import Client
from labs.experiments.ordinary_days.replica import Replica, Site
from labs.work.v1.work_pb2 import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from towpath import CallOptions

_SECOND: Final = CallOptions(timeout=1.0)
_TWO_SECONDS: Final = CallOptions(timeout=2.0)
_FIVE_SECONDS: Final = CallOptions(timeout=5.0)


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One ordinary day."""

    what: str
    """What happens, in a line."""
    run: Callable[[Site], Awaitable[Outcome]]
    fewer_failures: float | None = None
    """How many times as many calls fail without policies, where these are meant to help; None where they must only do no harm."""


def _read(client: Client, work: str, options: CallOptions) -> Callable[[int], Awaitable[ReadResponse]]:
    async def call(_: int) -> ReadResponse:
        return await client.work.read(ReadRequest(id=work), options)

    return call


def _write(client: Client, work: str, options: CallOptions) -> Callable[[int], Awaitable[WriteResponse]]:
    async def call(_: int) -> WriteResponse:
        return await client.work.write(WriteRequest(id=work), options)

    return call


async def cold_start(site: Site) -> Outcome:
    """The first thing that a server sees are 300 calls at once, each of which waits for 20 ms and computes for 2."""
    return await _burst(site, rest=0.0)


async def burst_after_rest(site: Site) -> Outcome:
    """A server that was busy, and then idle for ten seconds, is asked for 300 calls at once."""
    return await _burst(site, rest=10.0)


async def _burst(site: Site, *, rest: float) -> Outcome:
    await site.serve()
    load, call = Load(site), _read(site.connect(), "burn=0.002,sleep=0.02", _FIVE_SECONDS)
    if rest:
        await load.at(200, 4, call)
        await load.ended()
        await asyncio.sleep(rest)
    for number in range(300):
        load.begin(call, number)
    return await load.ended()


async def noisy_machine(site: Site) -> Outcome:
    """The processor is away for 25 to 60 ms, five times a second; half of its time is asked for."""
    return await _with_pauses(site, every=0.2, shortest=0.025, longest=0.06)


async def long_pauses(site: Site) -> Outcome:
    """The process stands for 100 to 200 ms every two seconds, as for a collector of garbage or a disk."""
    return await _with_pauses(site, every=2.0, shortest=0.1, longest=0.2)


async def _with_pauses(site: Site, *, every: float, shortest: float, longest: float) -> Outcome:
    (replica,) = await site.serve()
    client, load, rng = site.connect(), Load(site), random.Random(site.seed)

    async def pauses() -> None:
        while True:
            await asyncio.sleep(rng.expovariate(1 / every))
            await replica.pause(rng.uniform(shortest, longest))

    return await _while(pauses(), load, load.at(100, 8, _read(client, "burn=0.004", _SECOND)))


async def _while(happening: Awaitable[object], load: Load, calls: Awaitable[object]) -> Outcome:
    """What comes of `calls` while something is `happening`, which ends with them."""
    beside = asyncio.ensure_future(happening)
    try:
        await calls
        return await load.ended()
    finally:
        beside.cancel()
        await asyncio.wait([beside])


async def hot_loop(site: Site) -> Outcome:
    """One method computes for 100 ms, once a second, on the loop that all share."""
    await site.serve()
    client, load = site.connect(), Load(site)
    await asyncio.gather(
        load.at(100, 8, _read(client, "burn=0.002", _SECOND)),
        load.at(1, 8, _write(client, "burn=0.1", _SECOND)),
    )
    return await load.ended()


async def one_second_handlers(site: Site) -> Outcome:
    """Handlers wait for a second each, 150 of them a second, on a server that has just started and computes nothing."""
    await site.serve()
    load = Load(site)
    await load.at(150, 6, _read(site.connect(), "sleep=1", _FIVE_SECONDS))
    return await load.ended()


async def large_beside_small(site: Site) -> Outcome:
    """Messages of a megabyte go over the connection of small ones."""
    await site.serve()
    client, load, large = site.connect(), Load(site), f"sleep=0 {'x' * 1_000_000}"
    await asyncio.gather(
        load.at(100, 8, _read(client, "burn=0.001", _TWO_SECONDS)),
        load.at(4, 8, _write(client, large, _TWO_SECONDS)),
    )
    return await load.ended()


async def rolling_restart(site: Site) -> Outcome:
    """Three servers are restarted one after the other, while twenty callers go on calling."""

    async def restart(replica: Replica) -> None:
        await replica.end()
        await replica.start()

    return await _one_by_one(site, restart)


async def killed_one_by_one(site: Site) -> Outcome:
    """Three servers are killed one after the other, as for want of memory, and started again."""

    async def kill(replica: Replica) -> None:
        await replica.end(signal.SIGKILL)
        await replica.start()

    return await _one_by_one(site, kill)


async def frozen_replica(site: Site) -> Outcome:
    """Three servers stand still for two seconds, one after the other."""
    return await _one_by_one(site, lambda replica: replica.pause(2.0), _SECOND)


async def _one_by_one(site: Site, happens: Callable[[Replica], Awaitable[None]], options: CallOptions = _TWO_SECONDS) -> Outcome:
    replicas = await site.serve(3)
    clients, load = [site.connect() for _ in range(20)], Load(site)

    async def day() -> None:
        for replica in replicas:
            await asyncio.sleep(1)
            await happens(replica)
        await asyncio.sleep(1)

    passing = asyncio.create_task(day())

    async def caller(client: Client) -> None:
        call = _read(client, "burn=0.001", options)
        while not passing.done():  # as long as the day lasts, which depends on how soon processes start
            await load.at(20, 0.5, call)

    await asyncio.gather(passing, *(caller(client) for client in clients))
    return await load.ended()


async def slow_replica(site: Site) -> Outcome:
    """One of two servers has a tenth of the other's processor."""
    _, slow = await site.serve(2)
    client, load = site.connect(), Load(site)

    async def starving() -> None:
        while True:
            await slow.pause(0.045)
            await asyncio.sleep(0.005)

    return await _while(starving(), load, load.at(100, 8, _read(client, "burn=0.002", _SECOND)))


SITUATIONS: Final[Mapping[str, Situation]] = {
    "cold start": Situation(what="300 calls at once come to a server that has just started", run=cold_start),
    "burst after rest": Situation(what="300 calls at once come after ten seconds of rest", run=burst_after_rest),
    "noisy machine": Situation(what="the processor is away for 25 to 60 ms five times a second", run=noisy_machine),
    "long pauses": Situation(what="the process stands for 100 to 200 ms every two seconds", run=long_pauses),
    "hot loop": Situation(what="one method computes for 100 ms on the loop, once a second", run=hot_loop),
    "1 s handlers": Situation(what="handlers wait for a second, 150 calls a second", run=one_second_handlers),
    "large beside small": Situation(what="messages of 1 MB on the connection of small ones", run=large_beside_small),
    "rolling restart": Situation(what="three servers restart one by one under twenty callers", run=rolling_restart),
    "killed one by one": Situation(what="three servers are killed and started again under twenty callers", run=killed_one_by_one),
    "frozen replica": Situation(what="three servers stand still for two seconds, one by one, under twenty callers", run=frozen_replica),
    "slow replica": Situation(what="one of two servers has a tenth of the processor", run=slow_replica),
}
