"""A child process that serves: started with its listening socket, watched, and stopped with all processes that it started.

The parent binds the socket, so that callers can connect before the child listens and wait in its backlog. Output comes over a pipe that
this module makes, and not over asyncio's: asyncio does not report the exit of a process while one of its own children holds its standard
output.
"""

import asyncio
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from towpath._app.process.child_output import Lines
from towpath._app.process.parent_watch import READY, UNREADY
from towpath._core.errors import SetupError

_LAST_LINES: Final = 20
"""Lines of a child's output that are kept to explain its death."""

_DRAIN: Final = 1.0
"""Seconds to wait for the rest of the output of a child that has ended."""


class Child:
    """A running process. `spawn` starts it, and `stop` ends it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, notify_socket: socket.socket) -> None:
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._process = process
        self._notify_socket = notify_socket
        self._pump: asyncio.Task[None] | None = None
        self._told: asyncio.Task[None] | None = None
        self._said = b""
        self.exited: asyncio.Task[int] = asyncio.get_running_loop().create_task(process.wait(), name=f"exit of {name}")

    @classmethod
    async def spawn(
        cls, name: str, argv: Sequence[str], env: Mapping[str, str], listener: socket.socket, emit: Callable[[str], None] | None = None
    ) -> "Child":
        """Start `argv` in a session of its own, with `env` and a copy of `listener`. It inherits no other environment. Each line that it
        prints goes to `emit`; without `emit` it prints to this process's output.

        Raises SetupError if the process cannot be started.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        read_end, write_end = (None, None) if emit is None else os.pipe()
        given = {**env, "TOWPATH_LISTEN_FD": str(listener.fileno()), "TOWPATH_NOTIFY_FD": str(theirs.fileno())}
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                env=given,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                pass_fds=(listener.fileno(), theirs.fileno()),
                start_new_session=True,  # Ctrl-C reaches the parent alone, and the parent stops its children in order
            )
        except BaseException as error:
            ours.close()
            if read_end is not None:
                os.close(read_end)
            if isinstance(error, OSError):
                raise SetupError(f"{name}: {argv[0]} cannot be started: {error.strerror}") from error
            raise
        finally:
            theirs.close()
            if write_end is not None:
                os.close(write_end)
        child = cls(name, process, ours)
        if emit is not None and read_end is not None:
            child._pump = asyncio.get_running_loop().create_task(child._read(read_end, emit), name=f"output of {name}")
        return child

    @property
    def pid(self) -> int:
        """The process's id, and that of its group."""
        return self._process.pid

    @property
    def output(self) -> "asyncio.Task[None]":
        """The task that reads the output. It ends with the output, and fails if `emit` does."""
        if self._pump is None:
            raise RuntimeError(f"{self.name} was not started with anything to tell its output to")
        return self._pump

    async def ready(self) -> bool:
        """Wait until the child says READY=1. Returns False if its end of the socket is closed before, such as by its death."""
        while (said := await self._word()) is not None:
            if said:
                return True
        return False

    def hear(self, on_ready: Callable[[bool], None]) -> None:
        """Call `on_ready` whenever a child that was ready says whether it still is."""

        async def listen() -> None:
            while (said := await self._word()) is not None:
                on_ready(said)

        self._told = asyncio.get_running_loop().create_task(listen(), name=f"readiness of {self.name}")

    async def _word(self) -> bool | None:
        """What the child says next of its readiness; None once its end of the socket is closed."""
        loop = asyncio.get_running_loop()
        while True:
            line, end, rest = self._said.partition(b"\n")
            if end:
                self._said = rest
                if line + end in (READY, UNREADY):
                    return line + end == READY
                continue
            try:
                data = await loop.sock_recv(self._notify_socket, 256)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._said = (self._said + data)[-512:]

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the child, if it still runs."""
        if not self.exited.done():
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self, grace: float) -> None:
        """Send SIGTERM, wait `grace` seconds, then send SIGKILL to the child and all processes that it started. If this coroutine is
        cancelled, SIGKILL is sent at once."""
        try:
            if not self.exited.done():
                self.tell(signal.SIGTERM)
                await asyncio.wait([self.exited], timeout=grace)
        finally:
            self._kill_group()
            # A process cannot ignore SIGKILL, so this ends however often the task is cancelled.
            while not self.exited.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([self.exited])
            if self._told is not None and not self._told.done():
                self._told.cancel()
                await asyncio.wait([self._told])  # it reads from the socket
            self._notify_socket.close()
            await self.drained()

    async def drained(self) -> None:
        """Wait until all output of an ended child has been emitted."""
        if self._pump is None:
            return
        await asyncio.wait([self.output], timeout=_DRAIN)
        if not self.output.done():
            self.output.cancel()
            await asyncio.wait([self.output])

    def _kill_group(self) -> None:
        # Processes of the group that outlive its leader keep the group's id taken, so the signal reaches them and no other process.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def _read(self, read_end: int, emit: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", 0))
        lines = Lines()
        try:
            while data := await reader.read(65536):
                self._emit(lines.feed(data), emit)
            self._emit(lines.end(), emit)
        finally:
            pipe.close()

    def _emit(self, lines: list[str], emit: Callable[[str], None]) -> None:
        for line in lines:
            self.last_lines.append(line)
            emit(line)


async def stop_all(children: Iterable[Child], grace: float) -> None:
    """Stop the children at the same time, each as `Child.stop` does."""
    stopping = [asyncio.ensure_future(child.stop(grace)) for child in children]
    if not stopping:
        return
    try:
        await asyncio.wait(stopping)
    except asyncio.CancelledError:
        # A second request to stop ends the grace. Each task kills its process now, and this waits for all of them.
        for task in stopping:
            task.cancel()
        await asyncio.wait(stopping)
        raise


def ending(status: int) -> str:
    """How a process ended, in words. `status` is its return code; a negative one is a signal's number."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}"
