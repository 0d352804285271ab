"""Virtual time: an asyncio event loop whose clock leaps to the next timer as soon as nothing is left to do.

The simulation replaces the loop because everything above it, timers, tasks, timeouts and protocols, is then the real code (docs/adr/0010).
The selector is the one place where a loop waits, so the loop is asyncio's own with a selector that never waits. The loop refuses real
sockets: they take real time, and differ from run to run. Threads get no concurrency: `run_in_executor` runs the function at once, on the
loop.
"""

import asyncio
import selectors
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar, cast

T = TypeVar("T")

START: Final = 1000.0
"""Seconds on the clock when a simulation begins; not 0, which code may take for "never"."""


class Deadlock(Exception):
    """Every task waits for ever: nothing is ready and no timer is set. The text lists the tasks and where they wait."""


class Wires(Protocol):
    """The network that connections go over; a simulated network provides it."""

    def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        """The addresses of `host`. Raises socket.gaierror if it has none."""
        ...

    async def connect(self, factory: Callable[[], Any], host: str, port: int) -> tuple[Any, Any]:
        """A transport and its protocol. Raises OSError."""
        ...

    async def listen(self, factory: Callable[[], Any], sock: Any) -> Any:
        """A server at the simulated listening socket `sock`."""
        ...


class _Leaping(selectors.BaseSelector):
    """A selector that reports at once that the time to wait has passed."""

    def __init__(self) -> None:
        self.now = START
        self.loop: VirtualLoop | None = None
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Accept the loop's own pipe, on which nothing ever comes, and no other file."""
        if self._keys:
            raise RuntimeError("a simulation has no real sockets; connect simulated nodes (towpath.testing.Network)")
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, fileobj if isinstance(fileobj, int) else fileobj.fileno(), events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Drop a registered file."""
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Leap by `timeout` seconds."""
        if timeout is None:
            raise Deadlock(_who_waits(self.loop))
        self.now += max(0.0, timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """The registered files."""
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop of a simulation; `simulate` makes one. `wires` is the network that `create_server` and `create_connection` use."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)
        self._leaping.loop = self
        self.wires: Wires | None = None

    def time(self) -> float:
        """Virtual seconds; `START` at the beginning."""
        return self._leaping.now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """The outcome of `func(*args)`, which runs here and now: a thread would come back at another moment in each run."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - the awaiting task gets it
            future.set_exception(error)
        return future

    async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> Any:
        """The addresses of a simulated name. Raises socket.gaierror."""
        family, kind = socket.AF_INET, socket.SOCK_STREAM
        return [(family, kind, 6, "", address) for address in self._network().resolve(host, port)]

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, *, ssl: Any = None, **options: Any) -> Any:
        """A connection over the simulated network, in plaintext. Raises OSError as a real one does."""
        _no_tls(ssl)
        return await self._network().connect(protocol_factory, host, port)

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, *, sock: Any = None, ssl: Any = None, **options: Any
    ) -> Any:
        """A server on `sock`, which `Node.listen` made, in plaintext. Raises TypeError for any other socket."""
        _no_tls(ssl)
        return await self._network().listen(protocol_factory, sock)

    def _network(self) -> Wires:
        if self.wires is None:
            raise RuntimeError("this loop has no network; make it with towpath.testing.simulate")
        return self.wires


def _no_tls(context: object) -> None:
    if context is not None:
        raise RuntimeError("simulated connections are plaintext: leave tls out, and say insecure=True")


def _who_waits(loop: asyncio.AbstractEventLoop | None) -> str:
    lines = sorted(describe(task) for task in asyncio.all_tasks(loop))
    return "nothing is ready and no timer is set; waiting for ever:\n" + "\n".join(f"  {line}" for line in lines)


def describe(task: asyncio.Task[Any]) -> str:
    """The task's name and the innermost line at which it waits."""
    waiting: Any = task.get_coro()
    place = "not started"
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "ag_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None:
            place = f"{frame.f_code.co_qualname if hasattr(frame.f_code, 'co_qualname') else frame.f_code.co_name} at "
            place += f"{frame.f_code.co_filename}:{frame.f_lineno}"
        waiting = cast("Any", getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None))
    return f"{task.get_name()}: {place}"
