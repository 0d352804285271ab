"""Server processes that a situation starts, pauses, restarts and kills. They share one core; the callers have the other."""

import asyncio
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from bench.processes.children import child, cores, python_environment, ready
from labs.experiments.do_no_harm.sides import Client, Side


class Replica:
    """One server, which keeps its port when it is restarted."""

    def __init__(self, side: Side, log: Path) -> None:
        self.address = "127.0.0.1:0"
        self._side = side
        self._log = log
        self._process: Process | None = None
        self._running = AsyncExitStack()

    async def start(self) -> Self:
        """Start the process, and wait until it listens. Raises PeerError if it does not."""
        port = self.address.rpartition(":")[2]
        argv = [sys.executable, "-m", "labs.experiments.ordinary_days.serve", self._side.name, port]
        starting = child(argv, core=cores()[0], environment=python_environment(""), log=self._log)
        self._process = await self._running.enter_async_context(starting)
        self.address = await ready(self._process, self._log)
        return self

    async def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Send the process `by`, and wait until it has ended."""
        self.send(by)
        await self._only().wait()
        await self._running.aclose()

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal, such as SIGSTOP."""
        self._only().send_signal(number)

    async def pause(self, seconds: float) -> None:
        """Take the processor away for `seconds`."""
        self.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.send(signal.SIGCONT)

    async def close(self) -> None:
        """End the process, if it runs."""
        await self._running.aclose()

    def _only(self) -> Process:
        if self._process is None:
            raise RuntimeError("the replica has not started")
        return self._process


class Site:
    """The processes of one run of one situation, and its time."""

    def __init__(self, side: Side, folder: Path, seed: int) -> None:
        self.seed = seed
        self._side = side
        self.folder = folder
        self._began = time.monotonic()
        self._replicas: list[Replica] = []
        self._clients: list[Client] = []

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    async def serve(self, count: int = 1) -> list[Replica]:
        """Start `count` servers."""
        for number in range(count):
            replica = Replica(self._side, self.folder / f"server-{number}.log")
            self._replicas.append(replica)
            await replica.start()
        return self._replicas

    def connect(self) -> Client:
        """A client of all the servers."""
        client = self._side.connect(f"static:///{','.join(replica.address for replica in self._replicas)}")
        self._clients.append(client)
        return client

    async def close(self) -> None:
        """End clients and servers."""
        for client in self._clients:
            await client.close()
        for replica in self._replicas:
            await replica.close()


@asynccontextmanager
async def site(side: Side, seed: int) -> AsyncIterator[Site]:
    """A site for the time of the block."""
    with TemporaryDirectory() as folder:
        opened = Site(side, Path(folder), seed)
        try:
            yield opened
        finally:
            await opened.close()
