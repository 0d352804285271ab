"""A client of grpc.aio in a process of its own: `python -m bench.adoption.call ADDRESS CALLS` makes so many calls, 64 of them in flight,
and prints how many it has made in a second."""

import asyncio
import sys
from time import perf_counter
from typing import Final

from bench.processes.loop import run
from bench.stacks.grpcio_aio import connect

_IN_FLIGHT: Final = 64


async def _calls(address: str, calls: int) -> None:
    async with connect(address) as caller:
        caller.check(await caller.call())
        left = iter(range(calls - 1))

        async def worker() -> None:
            for _ in left:
                await caller.call()

        begun = perf_counter()
        await asyncio.gather(*(worker() for _ in range(_IN_FLIGHT)))
        print(f"{calls / (perf_counter() - begun):.1f} req/s, status codes: {calls} 2xx")


if __name__ == "__main__":
    run(_calls(sys.argv[1], int(sys.argv[2])))
