"""The same seed gives the same run to the byte, and nothing is left behind."""

import asyncio
import os
import subprocess
import sys

import pytest

from tests.testing.scene import Record, channel_to, say, serve
from towpath._core import clock
from towpath._core.propagation.trace import TraceContext
from towpath.testing import LeakedTasks, LinkOptions, Simulation, lognormal, simulate

LOSSY = LinkOptions(latency=lognormal(0.001, 0.02), loss=0.02)


async def busy(simulation: Simulation) -> str:
    record = Record(simulation)
    nodes = [simulation.node(f"echo-{number}") for number in range(3)]
    servers = [await serve(node) for node in nodes]
    simulation.network.name("echo", nodes)
    async with channel_to("dns:///echo") as channel:

        async def call(n: int) -> None:
            await asyncio.sleep(simulation.random.expovariate(100))
            await say(channel, n, size=n, within=60.0)

        async with asyncio.TaskGroup() as group:
            for n in range(200):
                group.create_task(call(n))
        nodes[0].crash()
        await asyncio.sleep(1)
        await say(channel, within=60.0)
    for server in servers:
        await server.close()
    assert record.bytes > 20_000
    return record.digest


def test_the_same_seed_gives_the_same_bytes_at_the_same_times() -> None:
    assert simulate(busy, seed=1, options=LOSSY) == simulate(busy, seed=1, options=LOSSY)


def test_another_seed_gives_another_run() -> None:
    assert simulate(busy, seed=1, options=LOSSY) != simulate(busy, seed=2, options=LOSSY)


def test_another_process_with_another_hash_seed_gives_the_same_run() -> None:
    code = "from tests.testing.test_simulation import *; print(simulate(busy, seed=1, options=LOSSY))"
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join([".", "tests/gen"])}
    outcome = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert outcome.stdout.strip() == simulate(busy, seed=1, options=LOSSY)


def test_a_thousand_nodes_each_serve_and_call() -> None:
    async def ring(simulation: Simulation) -> int:
        nodes = [simulation.node(f"n{number}") for number in range(1000)]
        servers = [await serve(node) for node in nodes]

        async def call(number: int) -> int:
            async with channel_to(f"n{(number + 1) % 1000}") as channel:
                return sum([(await say(channel, n)).n for n in range(1, 3)])

        answered = await asyncio.gather(*[node.start(call(number)) for number, node in enumerate(nodes)])
        for server in servers:
            await server.close()
        return sum(answered)

    assert simulate(ring) == 3000


def test_ids_and_clock_are_the_simulations() -> None:
    async def look(simulation: Simulation) -> tuple[bytes, float, float]:
        await asyncio.sleep(3600)
        return TraceContext.root().traceparent, clock.now(), simulation.elapsed

    assert simulate(look, seed=3) == simulate(look, seed=3)
    assert simulate(look)[2] == pytest.approx(3600)


def test_a_task_that_is_left_is_named() -> None:
    async def forgetful(simulation: Simulation) -> None:
        simulation.node("a").start(asyncio.sleep(60))
        await asyncio.sleep(0)

    with pytest.raises(LeakedTasks, match="a: sleep"):
        simulate(forgetful)


def test_what_main_raises_comes_out() -> None:
    async def broken(simulation: Simulation) -> None:
        raise LookupError("x")

    with pytest.raises(LookupError, match="x"):
        simulate(broken)
