"""A system that a person works on: each service starts anew when one of its files changes, and contracts are compiled as they are saved.

Unlike `towpath up`, a service that dies ends nothing: its output has said why, and the next change starts it again. A contract with a fault
is told in one line, and the services go on with the code that they have. The addresses stay what they were.
"""

import asyncio
import importlib.util
import socket
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from towpath._app.process.child import Child, ending, stop_all
from towpath._app.process.child_output import Emit
from towpath._app.settings.telemetry.logs import LogFormat
from towpath._app.system.first_call import first_call
from towpath._app.system.supervisor import SELF, argv_of, bind_all, environment_of, reachable
from towpath._app.system.system_file import ServiceEntry, SystemFile
from towpath._app.system.watched_files import WatchedFiles
from towpath._contracts.codegen.generator import GenerateOptions, generate
from towpath._core.errors import SetupError
from towpath._transport import Address
from towpath._transport.address import bind, bound

DEFAULT_POLL: Final = 0.5
"""Seconds between two looks at the files."""


class Development:
    """The services of `file`, kept up to date with their files. `run` starts them. `tell` gets each line that a service prints, and under
    the name `towpath` those of this class. The services log in `log_format`."""

    def __init__(self, file: SystemFile, tell: Emit, *, poll: float = DEFAULT_POLL, log_format: LogFormat = "console") -> None:
        self._file = file
        self._tell = tell
        self._poll = poll
        self._log_format: LogFormat = log_format
        self._addresses: dict[str, Address] = {}
        self._children: dict[str, Child] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._places = {name: watched(entry) for name, entry in file.services.items()}

    async def run(self) -> None:
        """Start every service and go on until the task is cancelled; then stop them. Raises SetupError if a port is in use."""
        listeners = bind_all(self._file)
        self._addresses = {name: bound(listener) for name, listener in listeners.items()}
        try:
            await asyncio.to_thread(self._compile, self._contracts())
            files = WatchedFiles([self._file.path, *(place for places in self._places.values() for place in places)])
            for name, listener in listeners.items():
                with listener:
                    await self._start(name, lambda listener=listener: listener)
            while True:
                await asyncio.sleep(self._poll)
                for watcher in [watcher for watcher in self._watchers.values() if watcher.done()]:
                    watcher.result()  # the reader of the output may have gone
                if changed := await asyncio.to_thread(files.changes):
                    await self._follow(changed)
        finally:
            for listener in listeners.values():
                listener.close()
            await _cancelled(self._watchers.values())
            await stop_all(self._children.values(), self._file.grace)

    async def _follow(self, changed: set[Path]) -> None:
        """Compile the contracts among `changed`, and start anew the services that the other files concern."""
        contracts = {
            folder for folder in self._contracts() if any(path.suffix == ".proto" and path.is_relative_to(folder) for path in changed)
        }
        await asyncio.to_thread(self._compile, contracts)  # the code that comes of it is a change of its own
        if self._file.path in changed and self._file.path not in {entry.config for entry in self._file.services.values()}:
            self._say(f"{self._file.path.name} has changed; start towpath dev again to have it read")
        others = [path for path in changed if path.suffix != ".proto"]
        await asyncio.gather(*(self._again(name, found) for name in self._places if (found := self._concerned(name, others))))

    def _concerned(self, name: str, changed: Iterable[Path]) -> list[Path]:
        return sorted(path for path in changed if any(path.is_relative_to(place) for place in self._places[name]))

    async def _again(self, name: str, found: list[Path]) -> None:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        self._say(f"{name} starts anew: {found[0].name}{more} changed")
        child = self._children.pop(name, None)
        if child is not None:
            await _cancelled([self._watchers.pop(name)])
            await child.stop(self._file.grace)
        where = f"{self._file.path}: services.{name}.listen"
        await self._start(name, lambda: bind(self._addresses[name], where))

    async def _start(self, name: str, listener: Callable[[], socket.socket]) -> None:
        entry = self._file.services[name]
        try:
            with listener() as bound_to:
                environ = environment_of(entry, self._file, self._addresses, None, self._log_format)
                child = await Child.spawn(name, argv_of(entry), environ, bound_to, partial(self._tell, name))
        except SetupError as error:
            self._say(f"{name} was not started: {error}")
            return
        self._children[name] = child
        self._watchers[name] = asyncio.create_task(self._watch(name, child), name=f"watch of {name}")

    async def _watch(self, name: str, child: Child) -> None:
        """Say once that the service is ready, with a command to try, and once that it has died."""
        if await child.ready():
            address = str(reachable(self._addresses[name]))
            self._say(f"{name} is ready at {address}; try: {await first_call(address)}")
        await asyncio.wait([child.exited, child.output], return_when=asyncio.FIRST_COMPLETED)
        if child.output.done():
            child.output.result()
        status = await asyncio.shield(child.exited)
        await child.drained()
        self._say(f"{name} {ending(status)}; it starts again when a file of it changes")

    def _say(self, text: str) -> None:
        for line in text.splitlines():
            self._tell(SELF, line)

    def _contracts(self) -> set[Path]:
        return {place for places in self._places.values() for place in places if place.name == "proto"}

    def _compile(self, folders: Iterable[Path]) -> None:
        for folder in sorted(folders):
            out = folder.parent / "src"
            try:
                result = generate(GenerateOptions(paths=[folder], proto_roots=[folder], out=out))
            except SetupError as error:
                self._say(f"the contracts were not compiled: {error}")
                continue
            for warning in result.warnings:
                self._say(warning)
            if not result.up_to_date:
                self._say(f"compiled {folder}: {len(result.written)} files written, {len(result.removed)} removed")


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel `tasks`, and wait until they have ended."""
    ended = list(tasks)
    for task in ended:
        task.cancel()
    await asyncio.gather(*ended, return_exceptions=True)


def watched(entry: ServiceEntry) -> list[Path]:
    """The places whose files concern a service: the folder that it is imported from, its service file, and its contracts, if `towpath new`
    made the project and so put them where they are looked for."""
    source = entry.path if entry.path is not None else _package_folder(entry.module)
    places = [] if source is None else [source]
    if source is not None and source.name == "src" and (source.parent / ".towpath").is_dir() and (source.parent / "proto").is_dir():
        places.append(source.parent / "proto")
    return places if entry.config is None else [*places, entry.config]


def _package_folder(module: str) -> Path | None:
    """The folder of the package at the top of `module`, or the file that is the module; None if there is no such package."""
    try:
        found = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return None
    if found is None:
        return None
    if found.submodule_search_locations:
        return Path(next(iter(found.submodule_search_locations)))
    return None if found.origin is None else Path(found.origin)
