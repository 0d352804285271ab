"""Situations around time and the answers that are kept by key: a store that fails over, and a wall clock that is set."""

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from labs.experiments.do_no_harm.load import Load, Outcome
from labs.experiments.do_no_harm.sides import NOTHING_SET, PORT, Scripted, Side, close_all, echo
from labs.experiments.do_no_harm.situation import Situation
from labs.work.v1.work_pb2 import ReadRequest, WriteRequest, WriteResponse
from towpath import CallOptions, RpcError
from towpath.settings import NamedQuota, Quota, Rate, ServiceConfig
from towpath.stores import Answer, Claim, IdempotencyStore, MemoryStore, StoreUnavailable
from towpath.testing import Simulation

_SECOND = CallOptions(timeout=1.0)


class _FailingOver(IdempotencyStore):
    """A store that is away for a while, and then has what it had."""

    def __init__(self) -> None:
        self.away = False
        self._store = MemoryStore()

    async def claim(self, key: str, fingerprint: bytes, holder: str, lease: float) -> Claim:
        self._ask()
        return await self._store.claim(key, fingerprint, holder, lease)

    async def complete(self, key: str, holder: str, answer: Answer, ttl: float) -> bool:
        self._ask()
        return await self._store.complete(key, holder, answer, ttl)

    async def release(self, key: str, holder: str) -> None:
        self._ask()
        await self._store.release(key, holder)

    def _ask(self) -> None:
        if self.away:
            raise StoreUnavailable("the replica is being made the primary")


async def store_failover(run: Simulation, side: Side) -> Outcome:
    """The store of keys is away for two seconds. Callers repeat an effect by its key until it succeeds; reads have no key."""

    async def write(text: str) -> str:
        await asyncio.sleep(0.01)
        return text

    node, store, service = run.node("server"), _FailingOver(), Scripted(echo, write)
    server = await side.serve(node.listen(PORT), service, NOTHING_SET, store)
    client, load = side.connect(f"server:{PORT}"), Load(run)

    async def effect(number: int) -> WriteResponse:
        options = CallOptions(timeout=1.0, idempotency_key=f"effect-{number}")
        while True:
            try:
                answer = await client.work.write(WriteRequest(id=f"{number}"), options)
            except RpcError:
                load.outcome.aside += 1
                await asyncio.sleep(0.5)
                continue
            if run.random.random() < 0.9:
                return answer
            # The answer was lost on its way to the caller, which asks again.

    async def failover() -> None:
        await asyncio.sleep(4)
        store.away = True
        await asyncio.sleep(2)
        store.away = False

    await asyncio.gather(
        failover(),
        load.at(50, 10, lambda n: client.work.read(ReadRequest(id=f"{n}"), _SECOND)),
        load.at(30, 10, effect, counts=False),
    )
    outcome = await load.ended()
    await close_all([client], [server])
    outcome.doubled = service.doubled
    return outcome


async def clock_step(run: Simulation, side: Side) -> Outcome:
    """The wall clock is set back by an hour and forward by two while calls with deadlines and a quota go on. No policy may look at it; the
    clock of deadlines does not jump."""
    roomy = NamedQuota(where="the lab", methods=("WorkService",), quota=Quota(rate=Rate(per_second=500.0)))
    node, service = run.node("server"), Scripted()
    server = await side.serve(node.listen(PORT), service, ServiceConfig(insecure=True, quotas=(roomy,)))
    client, load = side.connect(f"server:{PORT}"), Load(run)

    async def write(number: int) -> WriteResponse:
        options = CallOptions(timeout=1.0, tenant="acme", idempotency_key=f"effect-{number // 2}")
        return await client.work.write(WriteRequest(id=f"{number // 2}"), options)

    with _stepping() as step:

        async def steps() -> None:
            for hours in (-1, 2, -1):
                await asyncio.sleep(2)
                step(hours * 3600.0)

        await asyncio.gather(
            steps(),
            load.at(50, 8, lambda n: client.work.read(ReadRequest(id=f"{n}"), _SECOND)),
            load.at(50, 8, write),
        )
        outcome = await load.ended()
    await close_all([client], [server])
    outcome.doubled = service.doubled if side.name == "towpath" else 0
    return outcome


@contextmanager
def _stepping() -> Generator[Callable[[float], None]]:
    """Calls of `time.time` give a time that the function steps by so many seconds."""
    real, offset = time.time, 0.0

    def step(seconds: float) -> None:
        nonlocal offset
        offset += seconds

    time.time = lambda: real() + offset
    try:
        yield step
    finally:
        time.time = real


SITUATIONS = {
    "store failover": Situation(
        what="the store of keys is away for 2 s, in which effects with a key fail until they are repeated",
        counted="reads, and effects had twice",
        run=store_failover,
    ),
    "clock step": Situation(what="the wall clock is set back by an hour, and forward by two", counted="all", run=clock_step),
}
