"""A TCP relay in front of a server, for tests of what happens on the way: replies that are lost, a peer that says nothing any more."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager


class Relay:
    """Passes bytes in both directions. `loses` is asked before each piece of a reply: if it returns True, the piece is dropped and the
    connection is aborted."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.address = ""
        self.accepted = 0
        self.loses: Callable[[bytes], bool] = lambda _: False
        self.asks: Callable[[bytes], None] = lambda _: None
        """Is told of each piece of a request."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self.silent = False
        """Whether new connections are accepted and get nothing through."""

    def silence(self) -> None:
        """Let nothing more through on the connections that there are."""
        self._silent |= self._writers

    def cut(self) -> None:
        """Abort every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        host, _, port = self.target.rpartition(":")
        self._writers.add(writer)
        if self.silent:
            self._silent.add(writer)
        try:
            onward, behind = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(behind)
        try:
            await asyncio.gather(self._requests(reader, writer, behind), self._replies(onward, behind, writer))
        except OSError:
            pass
        finally:
            for one in (writer, behind):
                self._writers.discard(one)
                one.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if near not in self._silent:
                self.asks(data)
                far.write(data)
        far.transport.abort()

    async def _replies(self, reader: asyncio.StreamReader, far: asyncio.StreamWriter, near: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.loses(data):
                break
            if near not in self._silent:
                near.write(data)
        near.transport.abort()
        far.transport.abort()


@asynccontextmanager
async def relay(target: str) -> AsyncGenerator[Relay]:
    """A relay to `target` (`host:port`), and the end of every connection behind the block."""
    made = Relay(target)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await made.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    made.address = f"{host}:{port}"
    try:
        yield made
    finally:
        server.close()
        made.cut()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
