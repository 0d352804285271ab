"""The callers, in a process of their own: `python -m labs.experiments.growth.calls SIDE ADDRESS STEPS`.

SIDE is one of `SIDES`, STEPS a list in JSON: calls in flight, connections, seconds of warm-up and seconds that count. The process prints a
line for each step: good answers a second, and calls that failed. With policies it is a job of `towpath.run`.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Sequence
from typing import Final

from bench.processes import loop
from labs.experiments.do_no_harm.sides import SIDES, STACK, Client, Side
from labs.experiments.ordinary_days.serve import end_with_parent
from labs.work.v1.work_pb2 import ReadRequest
from towpath import App, CallOptions, RpcError, run

TIMEOUT: Final = 20.0
"""Seconds that each call has, so that all of them have the time to wait for each other."""


async def call(side: Side, address: str, steps: Sequence[tuple[int, int, float, float]]) -> None:
    """Make the calls of `steps`, one after the other, and print what came of each."""
    clients: list[Client] = []
    for in_flight, connections, warm_up, seconds in steps:
        while len(clients) < connections:
            clients.append(side.connect(address))
        print(json.dumps(await _measured(clients[:connections], in_flight, warm_up, seconds)), flush=True)
    for client in clients:
        await client.close()


async def _measured(clients: Sequence[Client], in_flight: int, warm_up: float, seconds: float) -> tuple[float, int]:
    done = failed = 0
    stopping = False
    options, request = CallOptions(timeout=TIMEOUT), ReadRequest()

    async def caller(client: Client) -> None:
        nonlocal done, failed
        while not stopping:
            try:
                await client.work.read(request, options)
                done += 1
            except RpcError:
                failed += 1

    async with asyncio.TaskGroup() as group:
        for number in range(in_flight):
            group.create_task(caller(clients[number % len(clients)]))
        await asyncio.sleep(warm_up)
        begun, before = time.perf_counter(), done
        await asyncio.sleep(seconds)
        goodput = (done - before) / (time.perf_counter() - begun)
        stopping = True
    return goodput, failed


def _main(side: str, address: str, steps: Sequence[tuple[int, int, float, float]]) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    calling = call(SIDES[side], address, steps)
    if side != STACK.name:
        loop.run(calling)
        return

    async def job(_: App) -> None:
        await calling

    run(job)


if __name__ == "__main__":
    end_with_parent()
    _main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
