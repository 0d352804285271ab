"""A service process for the tests of the life cycle: the variable ACT says how it behaves. `python -m tests.app.life_cycle_actor`.

It prints what happens: `+NAME` for what begins and `-NAME` for what ends, with the number of the worker, if it is one.

yields      a main that yields, with a resource and background work, and work once for the service
breaks      the same, whose resource raises at its end
hangs       the same, whose resource hangs at its end
unlucky     a main whose second resource raises at its beginning
enters      a main that waits for ever after its first resource
idle        a main that yields and adds no service
consumer    background work and no service
dies        background work that ends when there is a file `die`, and stops the service
dies_again  the same, and other such work ends a few turns of the loop later
probed      a probe that succeeds while there is a file `db`
once_dies   work once for the service whose background work ends when there is a file `die`, and stops the service
class       no main at all
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.echo_service import Echo
from towpath import App, run

ACT = os.environ.get("ACT", "yields")


def say(app: App, what: str) -> None:
    worker = "" if app.config.worker is None else f" {app.config.worker}"
    os.write(1, f"{what}{worker}\n".encode())  # whole, whoever writes beside it


@asynccontextmanager
async def pool(app: App) -> AsyncIterator[None]:
    say(app, "+pool")
    yield
    if ACT == "breaks":
        raise OSError("the pool is torn")
    if ACT == "hangs":
        await asyncio.get_running_loop().create_future()
    say(app, "-pool")


@asynccontextmanager
async def cache(app: App) -> AsyncIterator[None]:
    if ACT == "unlucky":
        raise OSError("the cache is gone")
    if ACT == "enters":
        say(app, "entering")
        await asyncio.get_running_loop().create_future()
    say(app, "+cache")
    yield
    say(app, "-cache")


async def until_file(name: str) -> None:
    while not Path(name).exists():  # noqa: ASYNC110, ASYNC240 # a test makes it
        await asyncio.sleep(0.02)


async def turns_after(other: "asyncio.Task[None]") -> None:
    await other
    for _ in range(10):
        await asyncio.sleep(0)


async def database() -> bool:
    return Path("db").exists()  # noqa: ASYNC240 # a test makes it


async def once(app: App) -> AsyncIterator[None]:
    say(app, "+once")
    if ACT == "once_dies":
        app.background(until_file("die"), name="lease", on_end="stop")
    yield
    say(app, "-once")


async def main(app: App) -> AsyncIterator[None]:
    say(app, "+main")
    await app.enter(pool(app))
    await app.enter(cache(app))
    if ACT == "dies":
        app.background(until_file("die"), name="rates", on_end="stop")
    if ACT == "dies_again":
        first = app.background(until_file("die"), name="rates", on_end="stop")
        app.background(turns_after(first), name="prices", on_end="stop")
    if ACT == "consumer":
        app.background(asyncio.Event().wait(), name="queue")
    if ACT == "probed":
        app.ready("db", database, every=0.02)
    if ACT not in ("idle", "consumer"):
        app.add(Echo())
    yield
    say(app, "-main")


if __name__ == "__main__":
    if ACT == "class":
        wrong: Any = Echo
        run(wrong)
    else:
        run(main, once=once)
