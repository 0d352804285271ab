"""A proxy that does to connections what networks do: it delays, cuts, resets, half-closes and falls silent, and lets connections overtake
each other. What it does is drawn from a seed; what the loop makes of it is not, so a run is alike and never the same."""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import Final

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST, and drops what was not sent."""

_LONGEST_DELAY: Final = 0.02
"""Seconds by which a piece comes late at the most."""


_LIFETIME: Final = 300_000
"""Bytes in one direction that a connection lives for, on average."""


class Fate(Enum):
    """What becomes of a connection, once enough bytes have passed in one direction."""

    NONE = "none"
    CUT = "cut"
    RESET = "reset"
    HALF_CLOSED = "half-closed"
    SILENT = "silent"
    REFUSED = "refused"


_WEIGHTS: Final = {Fate.CUT: 3, Fate.RESET: 3, Fate.HALF_CLOSED: 2, Fate.SILENT: 1, Fate.REFUSED: 1}


class Chaos:
    """Counts what it has done in `done`."""

    def __init__(self, target: str, seed: int) -> None:
        host, port = target.split(":")
        self._target = host, int(port)
        self._source = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self.done: Counter[Fate] = Counter()
        self.delayed = 0

    @asynccontextmanager
    async def proxy(self) -> AsyncIterator[str]:
        """The address of the proxy, for the block's time."""
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        try:
            yield f"{host}:{port}"
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._connection(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            return  # an end like any other here
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = self._source
        await asyncio.sleep(source.random() * _LONGEST_DELAY)  # so that a later connection may be there first
        fate = source.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if fate is Fate.REFUSED:
            self.done[fate] += 1
            return
        onward_reader, onward_writer = await asyncio.open_connection(*self._target)
        lives = int(source.expovariate(1 / _LIFETIME))
        doomed = source.random() < 0.5  # the direction that it happens in
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, onward_writer, fate if doomed else Fate.NONE, lives))
                group.create_task(self._pass(onward_reader, writer, Fate.NONE if doomed else fate, lives))
        except* ConnectionError:
            if fate is Fate.RESET:
                for each in (writer, onward_writer):
                    found: socket.socket | None = each.get_extra_info("socket")
                    if found is not None:
                        with suppress(OSError):
                            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        finally:
            onward_writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: Fate, lives: int) -> None:
        """Hand on what comes until the connection's `lives` bytes are spent, and then let its `fate` come over it."""
        source = self._source
        while data := await reader.read(source.choice((100, 1000, 65_536))):
            if source.random() < 0.05:
                self.delayed += 1
                await asyncio.sleep(source.random() * _LONGEST_DELAY)
            if fate is not Fate.NONE and lives < len(data):
                writer.write(data[:lives])
                await writer.drain()
                self.done[fate] += 1
                if fate is Fate.HALF_CLOSED:
                    writer.write_eof()
                if fate in (Fate.HALF_CLOSED, Fate.SILENT):
                    while await reader.read(65_536):
                        continue  # and nothing of it is handed on
                    return
                raise ConnectionAbortedError
            lives -= len(data)
            writer.write(data)
            await writer.drain()
        raise ConnectionAbortedError
