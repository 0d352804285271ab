"""Situations in which the server is not as quick as it should be."""

import asyncio
import random

from labs.experiments.do_no_harm.load import Load, Outcome
from labs.experiments.do_no_harm.sides import NOTHING_SET, PORT, Scripted, Side, close_all, echo, serve_replicas
from labs.experiments.do_no_harm.situation import Situation
from labs.work.v1.work_pb2 import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from towpath import CallOptions, Code, RpcError
from towpath.testing import Node, Simulation

_SECOND = CallOptions(timeout=1.0)
_TWO_SECONDS = CallOptions(timeout=2.0)


async def one_method_fails(run: Simulation, side: Side) -> Outcome:
    """Every call of one method ends with INTERNAL or UNAVAILABLE, beside a method that is well."""

    async def fail(text: str) -> str:
        raise RpcError(Code.INTERNAL if int(text) % 2 else Code.UNAVAILABLE, "a bug")

    _, servers = await serve_replicas(run, side, 3, lambda _: Scripted(echo, fail))  # one alone has no breaker
    client, load = side.connect(f"dns:///work:{PORT}"), Load(run)
    await asyncio.gather(
        load.at(50, 20, lambda n: client.work.read(ReadRequest(id=f"{n}"), _SECOND)),
        load.at(50, 20, lambda n: client.work.write(WriteRequest(id=f"{n}"), _SECOND), counts=False),
    )
    outcome = await load.ended()
    await close_all([client], servers)
    return outcome


async def _reading(run: Simulation, side: Side, node: Node, work: float, rate: float, options: CallOptions) -> Outcome:
    """Reads that take `work` seconds of the processor each, for 20 s."""

    async def read(text: str) -> str:
        await node.work(work)
        return text

    server = await side.serve(node.listen(PORT), Scripted(read), NOTHING_SET)
    client, load = side.connect(f"{node.name}:{PORT}"), Load(run)
    await load.at(rate, 20, lambda n: client.work.read(ReadRequest(id=f"{n}"), options))
    outcome = await load.ended()
    await close_all([client], [server])
    return outcome


async def noisy_machine(run: Simulation, side: Side) -> Outcome:
    """The processor is away for 25 to 60 ms, five times a second; half of its time is asked for."""
    return await _with_pauses(run, side, every=0.2, least=0.025, most=0.06)


async def gc_pauses(run: Simulation, side: Side) -> Outcome:
    """The collector of garbage holds the loop for 100 to 200 ms every two seconds."""
    return await _with_pauses(run, side, every=2.0, least=0.1, most=0.2)


async def _with_pauses(run: Simulation, side: Side, *, every: float, least: float, most: float) -> Outcome:
    node = run.node("server")
    source = random.Random(run.seed)  # its own, so that both sides have the same pauses

    async def pauses() -> None:
        while True:
            await asyncio.sleep(source.expovariate(1 / every))
            await node.work(source.uniform(least, most))

    pausing = asyncio.create_task(pauses())
    try:
        return await _reading(run, side, node, 0.005, 100, _SECOND)
    finally:
        pausing.cancel()
        await asyncio.wait([pausing])


async def hot_loop(run: Simulation, side: Side) -> Outcome:
    """One method computes for 100 ms, once a second, on the loop that all share."""
    node = run.node("server")

    async def read(text: str) -> str:
        await node.work(0.002)
        return text

    async def write(text: str) -> str:
        await node.work(0.1)
        return text

    server = await side.serve(node.listen(PORT), Scripted(read, write), NOTHING_SET)
    client, load = side.connect(f"server:{PORT}"), Load(run)
    await asyncio.gather(
        load.at(100, 20, lambda n: client.work.read(ReadRequest(id=f"{n}"), _SECOND)),
        load.at(1, 20, lambda n: client.work.write(WriteRequest(id=f"{n}"), _SECOND)),
    )
    outcome = await load.ended()
    await close_all([client], [server])
    return outcome


async def one_second_handlers(run: Simulation, side: Side) -> Outcome:
    """Handlers wait for a second each, 150 of them a second, on a server that has just started and computes nothing."""

    async def read(text: str) -> str:
        await asyncio.sleep(1)
        return text

    node = run.node("server")
    server = await side.serve(node.listen(PORT), Scripted(read), NOTHING_SET)
    client, load = side.connect(f"server:{PORT}"), Load(run)
    await load.at(150, 10, lambda n: client.work.read(ReadRequest(id=f"{n}"), CallOptions(timeout=5.0)))
    outcome = await load.ended()
    await close_all([client], [server])
    return outcome


async def cold_start(run: Simulation, side: Side) -> Outcome:
    """The first thing that a server sees are 300 calls at once, each of which waits for 20 ms and computes for 2."""
    node = run.node("server")
    return await _burst(run, side, node, rest=0.0)


async def burst_after_rest(run: Simulation, side: Side) -> Outcome:
    """A server that was busy, and then idle for half a minute, is asked for 300 calls at once."""
    node = run.node("server")
    return await _burst(run, side, node, rest=30.0)


async def _burst(run: Simulation, side: Side, node: Node, *, rest: float) -> Outcome:
    async def read(text: str) -> str:
        await node.work(0.002)
        await asyncio.sleep(0.02)
        return text

    server = await side.serve(node.listen(PORT), Scripted(read), NOTHING_SET)
    client, load = side.connect(f"{node.name}:{PORT}"), Load(run)

    async def call(number: int) -> ReadResponse:
        return await client.work.read(ReadRequest(id=f"{number}"), _TWO_SECONDS)

    if rest:
        await load.at(200, 5, call)
        await load.ended()
        await asyncio.sleep(rest)
    for number in range(300):
        load.begin(call, number)
    outcome = await load.ended()
    await close_all([client], [server])
    return outcome


async def large_beside_small(run: Simulation, side: Side) -> Outcome:
    """Messages of a megabyte go over the connection of small ones."""
    node = run.node("server")
    server = await side.serve(node.listen(PORT), Scripted(), NOTHING_SET)
    client, load = side.connect(f"server:{PORT}"), Load(run)
    large = "x" * 1_000_000

    async def write(number: int) -> WriteResponse:
        return await client.work.write(WriteRequest(id=f"{number}{large}"), _TWO_SECONDS)

    await asyncio.gather(
        load.at(100, 10, lambda n: client.work.read(ReadRequest(id=f"{n}"), _TWO_SECONDS)),
        load.at(4, 10, write),
    )
    outcome = await load.ended()
    await close_all([client], [server])
    return outcome


SITUATIONS = {
    "one method fails": Situation(
        what="each call of one method fails, INTERNAL and UNAVAILABLE by turns", counted="another method's", run=one_method_fails
    ),
    "cold start": Situation(what="300 calls at once come to a server that has just started", counted="all", run=cold_start),
    "burst after rest": Situation(what="300 calls at once come after half a minute of rest", counted="all", run=burst_after_rest),
    "noisy machine": Situation(what="the processor is away for 25 to 60 ms five times a second", counted="all", run=noisy_machine),
    "GC pauses": Situation(what="the loop stands for 100 to 200 ms every two seconds", counted="all", run=gc_pauses),
    "hot loop": Situation(what="one method computes for 100 ms on the loop, once a second", counted="all", run=hot_loop),
    "1 s handlers": Situation(what="handlers wait for a second, 150 calls a second", counted="all", run=one_second_handlers),
    "large beside small": Situation(what="messages of 1 MB on the connection of small ones", counted="all", run=large_beside_small),
}
