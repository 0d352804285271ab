"""A whole system on one machine: every service of a system file as a process, started together and stopped together.

No service is restarted by itself. A service that dies ends the system, because its death should be noticed, and not hidden by a system that
quietly runs on without it. No process is left behind: not when one dies, not on Ctrl-C, and not when this process is killed, since each
child then sees the end of its socket to the supervisor (`towpath._app.process.parent_watch`).
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, cast

from towpath._app.process.child import Child, ending, stop_all
from towpath._app.process.child_output import Emit
from towpath._app.settings.telemetry.logs import FORMAT_VARIABLE, LogFormat
from towpath._app.system.system_file import ServiceEntry, SystemFile, load
from towpath._core.errors import SetupError
from towpath._transport import Address
from towpath._transport.address import bind, bound

SELF: Final = "towpath"
"""The name under which the supervisor itself emits lines."""

_OWN: Final = ("CONFIG", "LISTEN", "LISTEN_FD", "NOTIFY_FD", "METRICS_DUMP", "WORKER")
_NOT_INHERITED: Final = frozenset(f"TOWPATH_{name}" for name in _OWN)
"""Variables that belong to one process and must not reach its children."""

_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to


class ServiceDied(Exception):
    """A service ended although nothing stopped it."""

    def __init__(self, name: str, status: int, last_lines: Iterable[str]) -> None:
        self.name = name
        """The name of the service."""
        self.status = status
        """The return code of its process; a negative one is a signal's number."""
        super().__init__(_with_lines(f"{name} {ending(status)}, though nobody stopped it; everything else was stopped", last_lines))


class System:
    """A running system. `start` makes it."""

    def __init__(self, file: SystemFile, tell: Emit, metrics: Path | None, env: Mapping[str, Mapping[str, str]]) -> None:
        self.file = file
        """The system file, as it was read."""
        self._tell = tell
        self._metrics = metrics
        self._env = env
        self._addresses: dict[str, Address] = {}
        self._children: dict[str, Child] = {}
        self._changed = asyncio.Event()
        """Set when a child was added, or was taken out on purpose."""

    @staticmethod
    @asynccontextmanager
    async def start(
        path: Path | str,
        *,
        emit: Emit | None = None,
        metrics: Path | None = None,
        listen: Mapping[str, str] | None = None,
        env: Mapping[str, Mapping[str, str]] | None = None,
    ) -> AsyncGenerator["System"]:
        """Start the services that the system file at `path` lists, and stop all of them when the `async with` block ends.

        The block begins when every service is ready. `emit` takes the lines that the services print, and the supervisor's own under the
        name `towpath`. Without `emit` the lines are dropped, except for the last ones of a service that dies. `metrics` is a folder in
        which each service leaves `NAME.prom` when it stops. `listen` has the addresses, by name, of services that should not listen where
        the file says. `env` has variables, by the service's name, that a service gets besides those of the file. Raises SetupError if the
        file is wrong, if a port is in use, or if a service does not become ready.
        """
        file = load(Path(path)).listening(listen or {}, "listen")
        system = System(file, emit or _unseen, metrics, env or {})
        listeners = bind_all(file)
        system._addresses |= {name: bound(listener) for name, listener in listeners.items()}
        try:
            cycle = file.cycle()
            if cycle:
                system._tell(SELF, f"note: services call each other in a cycle: {' -> '.join(cycle)}")
            for name, listener in listeners.items():
                await system._spawn(name, listener)
            await _all_ready(file, system._children, system._addresses, system._tell)
            yield system
        finally:
            for listener in listeners.values():
                listener.close()
            await stop_all(system._children.values(), file.grace)

    def address(self, name: str) -> str:
        """`host:port` at which the service `name` can be reached. Raises KeyError for a name that is not in the file."""
        return str(reachable(self._addresses[name]))

    def pid(self, name: str) -> int:
        """The process id of the service `name`."""
        return self._children[name].pid

    async def kill(self, name: str) -> None:
        """End the service `name` as a crash would, by SIGKILL, and return when its process is gone. `wait` does not raise for it. The port
        refuses connections until `respawn`. This is for tests of the other services."""
        child = self._children.pop(name)
        self._changed.set()
        child.tell(signal.SIGKILL)
        await child.stop(0)

    async def respawn(self, name: str) -> None:
        """Start the service `name` anew after `kill`, at the address that it had, and return when it is ready. Raises SetupError if the
        service does not become ready, or if its port has been taken meanwhile."""
        await self._spawn(name, bind(self._addresses[name], f"{self.file.path}: services.{name}.listen"))
        await _ready(self._children[name], self.file.ready_timeout, self._addresses[name], self._tell)

    async def _spawn(self, name: str, listener: socket.socket) -> None:
        service = self.file.services[name]
        env = {**environment_of(service, self.file, self._addresses, self._metrics), **self._env.get(name, {})}
        # Only the child keeps the listener, so that its port refuses connections at once when it dies, instead of leaving them to hang.
        with listener:
            self._children[name] = await Child.spawn(name, argv_of(service), env, listener, partial(self._tell, name))
        self._changed.set()

    async def wait(self) -> None:
        """Wait until a service dies, and raise ServiceDied. This never returns. It also raises any error that `emit` raises."""
        heard: set[asyncio.Task[None]] = set()
        while True:
            self._changed.clear()
            exits = {child.exited: child for child in self._children.values()}
            outputs = {child.output for child in self._children.values()} - heard
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait([*exits, *outputs, changed], return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
            for exited, child in exits.items():
                if exited.done() and self._children.get(child.name) is child:
                    await child.drained()
                    raise ServiceDied(child.name, exited.result(), child.last_lines)
            for output in [output for output in outputs if output.done()]:
                heard.add(output)
                output.result()


async def _all_ready(file: SystemFile, children: Mapping[str, Child], addresses: Mapping[str, Address], tell: Emit) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for name, child in children.items():
                group.create_task(_ready(child, file.ready_timeout, addresses[name], tell))
    except* Exception as errors:  # noqa: BLE001 - an error of any class is unwrapped and raised again
        # Of services that failed together the first is reported, since the failures of the others often follow from it.
        raise _first(errors) from None


async def _ready(child: Child, patience: float, address: Address, tell: Emit) -> None:
    try:
        async with asyncio.timeout(patience):
            ready = await child.ready()
            status = None if ready else await asyncio.shield(child.exited)
    except TimeoutError:
        reason = f"{child.name} did not become ready within {patience:g} s; raise system.ready_timeout if it needs longer"
        raise SetupError(_with_lines(reason, child.last_lines)) from None
    if status is not None:
        await child.drained()
        hint = "; a service stays up if its main adds one to the App" if status == 0 else ""
        raise SetupError(_with_lines(f"{child.name} {ending(status)} before it was ready{hint}", child.last_lines))
    tell(SELF, f"{child.name} is ready at {reachable(address)}")


def bind_all(file: SystemFile) -> dict[str, socket.socket]:
    """A listening socket for each service, by name. Raises SetupError, with none left open, if a port is in use."""
    listeners: dict[str, socket.socket] = {}
    try:
        for name, service in file.services.items():
            listeners[name] = bind(service.listen, f"{file.path}: services.{name}.listen")
    except SetupError:
        for listener in listeners.values():
            listener.close()
        raise
    return listeners


def argv_of(service: ServiceEntry) -> tuple[str, ...]:
    """The command that runs a service."""
    return sys.executable, "-m", service.module


def environment_of(
    service: ServiceEntry, file: SystemFile, addresses: Mapping[str, Address], metrics: Path | None, log_format: LogFormat = "console"
) -> dict[str, str]:
    """The variables of a service's process: those of this one, what the file says, and the addresses of the services that it calls. The
    service logs in `log_format`, unless a variable says otherwise."""
    env = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    env["PYTHONUNBUFFERED"] = "1"  # output is a pipe here, and would otherwise come in blocks
    env.setdefault(FORMAT_VARIABLE, log_format)
    env.pop("FORCE_COLOR", None)  # of lines of which each control character is escaped
    if service.path is not None:
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(service.path), env.get("PYTHONPATH"))))
    if service.config is not None:
        env["TOWPATH_CONFIG"] = str(service.config)
    if metrics is not None:
        env["TOWPATH_METRICS_DUMP"] = str(metrics / f"{service.name}.prom")
    for callee in service.calls:
        env[file.services[callee].target_variable] = str(reachable(addresses[callee]))
    return {**env, **service.env}


def reachable(address: Address) -> Address:
    """The address at which a caller reaches a socket that listens at `address`, even if that stands for all addresses of this machine."""
    return Address(_WILDCARDS.get(address.host, address.host), address.port)


def _with_lines(reason: str, last_lines: Iterable[str]) -> str:
    lines = [f"    {line}" for line in last_lines]
    return "\n".join([reason + ("; its last lines:" if lines else "; it printed nothing"), *lines])


def _first(error: Exception) -> Exception:
    if isinstance(error, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", error)
        return _first(group.exceptions[0])
    return error


def _unseen(_name: str, _line: str) -> None:
    return None
