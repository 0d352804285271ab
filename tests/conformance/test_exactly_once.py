"""Keyed calls with retries, time-outs and duplicates against a server that is killed again and again: each key has exactly one effect.

`TOWPATH_EXACTLY_ONCE_CALLS` is how many keys there are (default 1000). The server is killed with SIGKILL after numbers of answers that are
drawn from a seed, in the middle of whatever else it does then, and started again at once on the same port.
"""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.conformance.exactly_once_server import made
from tests.echo_service import PATIENCE
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._transport import Backoff, Channel, ChannelOptions

CALLS = int(os.environ.get("TOWPATH_EXACTLY_ONCE_CALLS", "1000"))
CALLERS = 32
KILL_EVERY = 100
"""Answers between two kills, on average."""

AGAIN = {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.ABORTED, Code.CANCELLED}
"""What a caller tries again after; anything else fails the test."""


class Mortal:
    """The server process, and how often it was killed."""

    def __init__(self, port: int, kind: str, place: str) -> None:
        self.port = port
        self.kills = 0
        self._arguments = ("-m", "tests.conformance.exactly_once_server", str(port), kind, place)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        path = os.pathsep.join([".", "tests/gen"])
        environment = {**os.environ, "PYTHONPATH": path}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *self._arguments, stdout=asyncio.subprocess.PIPE, env=environment
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert await self._process.stdout.readline() == b"serving\n"

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            await process.communicate()
            self.kills += 1


class Load:
    """Callers that send every key until it is answered, and some keys twice at once; and the one who kills."""

    def __init__(self, server: Mortal, seed: int) -> None:
        self.server = server
        self.source = random.Random(seed)
        self.codes: Counter[Code] = Counter()
        self.answered = 0
        self._changed = asyncio.Event()

    async def call(self, client: EchoServiceClient, name: str) -> None:
        """Send `name` until it is answered, with ever more time: on a machine that is busy enough none would be within a second."""
        more = 1.0
        while True:
            timeout = self.source.choice((0.02, 0.5, 1.0)) * more
            more = min(100.0, more * 1.2)
            options = CallOptions(timeout=timeout, idempotency_key=name, wait_for_ready=True)
            try:
                await client.fail(pb.FailRequest(message=name), options)
            except RpcError as error:
                assert error.code in AGAIN, error
                self.codes[error.code] += 1
                await asyncio.sleep(0.01 if error.pushback is None else error.pushback)
            else:
                self.answered += 1
                self._changed.set()
                return

    async def kill_at_random(self) -> None:
        following = 0
        while True:
            following += self.source.randint(KILL_EVERY // 2, KILL_EVERY * 3 // 2)
            while self.answered < following:
                self._changed.clear()
                await self._changed.wait()
            await asyncio.sleep(self.source.random() * 0.01)  # anywhere between two answers
            await self.server.kill()
            await self.server.start()

    async def run(self, names: list[str]) -> None:
        options = ChannelOptions(backoff=Backoff(initial=0.01, most=0.05))
        left = iter(names)
        async with Channel(f"127.0.0.1:{self.server.port}", options=options) as channel:
            client = EchoServiceClient(channel)

            async def caller() -> None:
                for name in left:
                    copies = 2 if self.source.random() < 0.2 else 1
                    await asyncio.gather(*(self.call(client, name) for _ in range(copies)))

            killing = asyncio.create_task(self.kill_at_random())
            try:
                await asyncio.gather(*(caller() for _ in range(CALLERS)))
            finally:
                killing.cancel()
                await asyncio.wait((killing,))
        assert killing.cancelled(), killing.exception()


@pytest.mark.timeout(60 + CALLS)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_each_key_has_exactly_one_effect(kind: str, tmp_path: Path, port: int, request: pytest.FixtureRequest) -> None:
    place = str(tmp_path / "effects.db") if kind == "sqlite" else request.getfixturevalue("postgres")
    server = Mortal(port, kind, place)
    await server.start()
    load = Load(server, seed=20261125)
    names = [f"effect-{number}" for number in range(CALLS)]
    try:
        await load.run(names)
    finally:
        await server.kill()
    store = made(kind, place)
    await store.open()
    async with store.transaction() as tx:
        rows = await tx.execute("SELECT name FROM effects")
    await store.close()
    print(f"{kind}: {CALLS} keys, {load.answered} answers, {server.kills} kills, {dict(load.codes)}")
    counted = Counter(row[0] for row in rows)
    assert {name: count for name, count in counted.items() if count != 1} == {}
    assert set(counted) == set(names)
    assert server.kills > CALLS // KILL_EVERY // 2, "the server was hardly killed"
