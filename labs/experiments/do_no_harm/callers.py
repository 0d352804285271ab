"""Situations in which one caller behaves badly, or asks for more than its share."""

import asyncio
import random

from labs.experiments.do_no_harm.load import Load, Outcome
from labs.experiments.do_no_harm.sides import NOTHING_SET, PORT, Scripted, Side, close_all, echo, serve_replicas
from labs.experiments.do_no_harm.situation import Situation
from labs.work.v1.work_pb2 import ReadRequest, WriteRequest
from labs.work.v1.work_towpath import READ
from towpath import CallOptions, Code, RpcError
from towpath.settings import NamedQuota, Quota, Rate, ServiceConfig
from towpath.testing import LinkOptions, Simulation


async def tenant_over_quota(run: Simulation, side: Side) -> Outcome:
    """A tenant asks for 400 calls a second of a server that can do 250; another tenant asks for 20. A quota of 50 for each is set, which is
    no default: the comparison shows what it is worth, and that it meets the one tenant alone."""
    node = run.node("server")

    async def read(text: str) -> str:
        await node.work(0.004)
        return text

    limited = NamedQuota(where="the lab", methods=(READ.full_name,), quota=Quota(rate=Rate(per_second=50.0)))
    server = await side.serve(node.listen(PORT), Scripted(read), ServiceConfig(insecure=True, quotas=(limited,)))
    client, load = side.connect(f"server:{PORT}"), Load(run)
    own, others = CallOptions(timeout=1.0, tenant="modest"), CallOptions(timeout=1.0, tenant="greedy")
    await asyncio.gather(
        load.at(20, 10, lambda n: client.work.read(ReadRequest(id=f"{n}"), own)),
        load.at(400, 10, lambda n: client.work.read(ReadRequest(id=f"{n}"), others), counts=False),
    )
    outcome = await load.ended()
    await close_all([client], [server])
    return outcome


async def short_deadlines(run: Simulation, side: Side) -> Outcome:
    """One caller gives 5 ms to a method that takes 50; the calls of others go over the same connection."""

    async def read(text: str) -> str:
        await asyncio.sleep(0.05)
        return text

    _, servers = await serve_replicas(run, side, 3, lambda _: Scripted(read))
    client, load = side.connect(f"dns:///work:{PORT}"), Load(run)
    enough, too_little = CallOptions(timeout=1.0), CallOptions(timeout=0.005)
    await asyncio.gather(
        load.at(50, 20, lambda n: client.work.read(ReadRequest(id=f"{n}"), enough)),
        load.at(100, 20, lambda n: client.work.read(ReadRequest(id=f"{n}"), too_little), counts=False),
    )
    outcome = await load.ended()
    await close_all([client], servers)
    return outcome


async def quiet_clients(run: Simulation, side: Side) -> Outcome:
    """Sixty clients of half a call a second each meet a server that is unavailable for half a minute: its recovery must not depend on how
    often they repeat. Calls that are made while it is unavailable do not count."""
    away = False

    async def read(text: str) -> str:
        if away:
            raise RpcError(Code.UNAVAILABLE, "away")
        return text

    node = run.node("server")
    service = Scripted(read)
    server = await side.serve(node.listen(PORT), service, NOTHING_SET)
    clients, load = [side.connect(f"server:{PORT}") for _ in range(60)], Load(run)
    second = CallOptions(timeout=1.0)
    for client in clients:  # each has its connection, as a client that was there before has
        await client.work.read(ReadRequest(), second)

    async def all_call() -> None:
        await asyncio.gather(
            *(load.at(0.5, 10, lambda n, each=client: each.work.read(ReadRequest(id=f"{n}"), second)) for client in clients)
        )
        await load.ended()

    await all_call()
    away, before, made = True, service.reads, 0

    async def counted(number: int) -> object:
        nonlocal made
        made += 1
        return await clients[number % 60].work.read(ReadRequest(id=f"{number}"), second)

    await load.at(30, 30, counted, counts=False)
    await load.ended()
    attempts = (service.reads - before) / made
    away = False
    await all_call()
    outcome = load.outcome
    outcome.attempts = attempts
    await close_all(clients, [server])
    return outcome


async def retry_of_an_effect(run: Simulation, side: Side) -> Outcome:
    """Connections are reset while effects are under way, which no key makes safe to repeat."""

    async def write(text: str) -> str:
        await asyncio.sleep(run.random.uniform(0, 0.02))
        return text

    node = run.node("server")
    service = Scripted(echo, write)
    server = await side.serve(node.listen(PORT), service, NOTHING_SET)
    client, load = side.connect(f"server:{PORT}"), Load(run)
    options = CallOptions(timeout=1.0)
    source = random.Random(run.seed)  # its own, so that both sides lose their connections at the same times

    async def resets() -> None:
        while True:
            await asyncio.sleep(source.uniform(0.3, 0.7))
            run.network.reset([node])

    resetting = asyncio.create_task(resets())
    await load.at(100, 10, lambda n: client.work.write(WriteRequest(id=f"{n}"), options))
    outcome = await load.ended()
    resetting.cancel()
    await asyncio.wait([resetting])
    await close_all([client], [server])
    outcome.doubled = service.doubled
    return outcome


async def slow_consumer(run: Simulation, side: Side) -> Outcome:
    """One client asks for answers of 100 KB and reads 20 KB of them a second; others ask the same server."""
    node, slow = run.node("server"), run.node("slow")
    run.network.link(node, slow, LinkOptions(bandwidth=20_000))

    async def read(text: str) -> str:
        return text * 100_000 if text == "x" else text

    server = await side.serve(node.listen(PORT), Scripted(read), NOTHING_SET)
    with slow.inside():
        behind = side.connect(f"server:{PORT}")
    client, load = side.connect(f"server:{PORT}"), Load(run)
    second, ten = CallOptions(timeout=1.0), CallOptions(timeout=10.0)

    async def slowly() -> None:
        await load.at(20, 20, lambda _: behind.work.read(ReadRequest(id="x"), ten), counts=False)

    await asyncio.gather(slow.start(slowly()), load.at(100, 20, lambda n: client.work.read(ReadRequest(id=f"{n}"), second)))
    outcome = await load.ended()
    await behind.close()
    await close_all([client], [server])
    return outcome


SITUATIONS = {
    "tenant over quota": Situation(
        what="with a quota set, a tenant asks for eight times as much, and more than the server can do",
        counted="another tenant's",
        run=tenant_over_quota,
        fewer_failures=10,
    ),
    "short deadlines": Situation(
        what="a caller gives 5 ms to a method that takes 50", counted="those with a second, on the same connection", run=short_deadlines
    ),
    "quiet clients": Situation(
        what="60 clients of half a call a second meet 30 s of UNAVAILABLE", counted="those before and after it", run=quiet_clients
    ),
    "retry of an effect": Situation(what="connections are reset while effects are under way", counted="all", run=retry_of_an_effect),
    "slow consumer": Situation(what="a client reads its large answers slowly", counted="other clients'", run=slow_consumer),
}
