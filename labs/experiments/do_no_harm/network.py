"""Situations in which connections end, addresses are dead, and servers come and go."""

import asyncio
from collections.abc import Callable

from labs.experiments.do_no_harm.load import Load, Outcome
from labs.experiments.do_no_harm.sides import NOTHING_SET, PORT, Scripted, Side, close_all, echo, serve_replicas
from labs.experiments.do_no_harm.situation import Situation
from labs.work.v1.work_pb2 import ReadRequest, WriteRequest, WriteResponse
from towpath import CallOptions
from towpath.testing import Node, Simulation

_SECOND = CallOptions(timeout=1.0)
_TWO_SECONDS = CallOptions(timeout=2.0)


def _working(work: float) -> Callable[[Node], Scripted]:
    """A service of which each call takes `work` seconds of its server's processor."""

    def service(node: Node) -> Scripted:
        async def read(text: str) -> str:
            await node.work(work)
            return text

        return Scripted(read)

    return service


async def goaway_under_load(run: Simulation, side: Side) -> Outcome:
    """A server says goodbye once a second, with a hundred calls under way, and another one listens in its place at once."""

    async def read(text: str) -> str:
        await asyncio.sleep(0.2)
        return text

    node, service = run.node("server"), Scripted(read)
    server = await side.serve(node.listen(PORT), service, NOTHING_SET)
    client, load, leaving = side.connect(f"server:{PORT}"), Load(run), set[asyncio.Task[None]]()

    async def takeovers() -> None:
        nonlocal server
        for _ in range(8):
            await asyncio.sleep(1)
            closing = asyncio.create_task(server.close())
            leaving.add(closing)
            while PORT in node.listening:  # noqa: ASYNC110 # a turn or two, until the server has stopped listening
                await asyncio.sleep(0)
            server = await side.serve(node.listen(PORT), service, NOTHING_SET)

    await asyncio.gather(takeovers(), load.at(500, 9, lambda n: client.work.read(ReadRequest(id=f"{n}"), _TWO_SECONDS)))
    outcome = await load.ended()
    await asyncio.gather(*leaving)
    await close_all([client], [server])
    return outcome


async def rolling_restart(run: Simulation, side: Side) -> Outcome:
    """Three servers are restarted one after the other, each of them away for a second, while twenty callers go on calling."""
    nodes, servers = await serve_replicas(run, side, 3, _working(0.005))
    clients, load = [side.connect(f"dns:///work:{PORT}") for _ in range(20)], Load(run)

    async def restarts() -> None:
        for number, node in enumerate(nodes):
            await asyncio.sleep(3)
            await servers[number].close()
            await asyncio.sleep(1)
            servers[number] = await side.serve(node.listen(PORT), _working(0.005)(node), NOTHING_SET)

    await asyncio.gather(
        restarts(),
        *(load.at(10, 15, lambda n, each=client: each.work.read(ReadRequest(id=f"{n}"), _TWO_SECONDS)) for client in clients),
    )
    outcome = await load.ended()
    await close_all(clients, servers)
    return outcome


async def slow_replica(run: Simulation, side: Side) -> Outcome:
    """One of two servers has a tenth of the other's processor."""
    nodes, servers = await serve_replicas(run, side, 2, _working(0.004))
    nodes[1].cpu.speed = 0.1
    client, load = side.connect(f"dns:///work:{PORT}"), Load(run)
    await load.at(100, 20, lambda n: client.work.read(ReadRequest(id=f"{n}"), _SECOND))
    outcome = await load.ended()
    await close_all([client], servers)
    return outcome


async def dead_address(run: Simulation, side: Side) -> Outcome:
    """One of a name's three addresses swallows whatever is sent to it."""
    nodes, servers = await serve_replicas(run, side, 3, _working(0.002))
    run.network.partition([nodes[0]])
    clients, load = [side.connect(f"dns:///work:{PORT}") for _ in range(5)], Load(run)
    await asyncio.gather(
        *(load.at(20, 15, lambda n, each=client: each.work.read(ReadRequest(id=f"{n}"), _TWO_SECONDS)) for client in clients)
    )
    outcome = await load.ended()
    await close_all(clients, servers)
    run.network.heal()
    return outcome


async def idle_connections_closed(run: Simulation, side: Side) -> Outcome:
    """A proxy closes connections that were idle for some seconds, every other time at the moment in which the next call is made."""
    node, service = run.node("server"), Scripted(echo)
    server = await side.serve(node.listen(PORT), service, NOTHING_SET)
    callers = [run.node(f"caller-{number}") for number in range(30)]
    load = Load(run)

    async def caller(at: Node) -> None:
        client = side.connect(f"server:{PORT}")

        async def call(number: int) -> WriteResponse:
            writing = asyncio.ensure_future(client.work.write(WriteRequest(id=f"{at.name}-{number}"), _SECOND))
            if number % 2:
                await asyncio.sleep(0.0005 * (number % 4))
                run.network.reset([node], [at])
            return await writing

        await load.at(0.5, 30, call)
        await load.ended()
        await client.close()

    await asyncio.gather(*(at.start(caller(at)) for at in callers))
    await server.close(0)
    load.outcome.doubled = service.doubled
    return load.outcome


SITUATIONS = {
    "GOAWAY under load": Situation(
        what="a server hands over to another one with a hundred calls under way, eight times", counted="all", run=goaway_under_load
    ),
    "rolling restart": Situation(what="three servers restart one by one under twenty callers", counted="all", run=rolling_restart),
    "slow replica": Situation(what="one of two servers has a tenth of the processor", counted="all", run=slow_replica),
    "dead address": Situation(what="one of a name's three addresses answers nothing", counted="all", run=dead_address),
    "idle connections closed": Situation(what="a proxy closes connections after some seconds", counted="all", run=idle_connections_closed),
}
