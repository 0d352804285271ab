"""The system file: the services of a system, how each is started, and which services each of them calls.

    [system]
    name = "skyline"
    grace = "10s"                                  # how long a service may take to stop before it is killed
    ready_timeout = "30s"                          # how long a service may take to become ready

    [services.search]
    module = "skyline.search"                      # run as `python -m skyline.search`
    path = "src"                                   # folder, relative to this file, from which Python imports first; none without it
    config = "services/search.toml"                # its service file, relative to this one
    listen = "127.0.0.1:0"                         # port 0: a free one
    calls = ["flights"]                            # other services of this file, whose addresses it gets
    env = { SKYLINE_MONTH = "2013-01" }

The whole file is checked before any service starts. Services may call each other in a cycle, since all addresses are bound before any of
the services runs. A person should still know of a cycle, so `cycle` finds one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from towpath._app.settings import toml
from towpath._app.settings.duration import parse_duration
from towpath._app.settings.suggest import suggestion
from towpath._core.errors import SetupError
from towpath._transport import Address

DEFAULT_GRACE: Final = 10.0
"""Seconds that a service may take to stop: twice the default time that a service gives its running calls."""

DEFAULT_READY_TIMEOUT: Final = 30.0
"""Seconds that a service may take to become ready."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_OWN_VARIABLES: Final = frozenset({"TOWPATH_LISTEN", "TOWPATH_LISTEN_FD", "TOWPATH_NOTIFY_FD", "TOWPATH_CONFIG"})


class _System(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    """The name of the system, in messages."""
    grace: str | None = None
    """How long a service may take to stop before it is killed."""
    ready_timeout: str | None = None
    """How long a service may take to become ready."""


class _Service(msgspec.Struct, frozen=True, kw_only=True):
    module: str
    """What is run, as `python -m MODULE`."""
    path: str | None = None
    """The folder from which Python imports first, relative to the system file."""
    config: str | None = None
    """The service file of the service, relative to the system file."""
    listen: str = "127.0.0.1:0"
    """Where it listens; the port 0 stands for a free one."""
    calls: tuple[str, ...] = ()
    """The services of this file that it calls. It is told their addresses."""
    env: dict[str, str] = {}
    """Further environment variables of it."""


class _File(msgspec.Struct, frozen=True, kw_only=True):
    services: dict[str, _Service]
    system: _System = _System()


@dataclass(frozen=True, kw_only=True)
class ServiceEntry:
    """One service of a system file."""

    name: str
    module: str
    """The module to run, as by `python -m`."""
    path: Path | None
    """The folder that is first on Python's path; None adds none."""
    config: Path | None
    listen: Address
    calls: tuple[str, ...]
    """The services whose addresses this service gets."""
    env: Mapping[str, str]
    """Variables that the service gets besides those of the supervisor."""

    @property
    def target_variable(self) -> str:
        """The variable that tells a caller the address of this service."""
        return f"TOWPATH_TARGET_{self.name.upper().replace('-', '_')}"


@dataclass(frozen=True, kw_only=True)
class SystemFile:
    """A whole system."""

    path: Path
    name: str
    grace: float = DEFAULT_GRACE
    """Seconds that a service may take to stop before it is killed."""
    ready_timeout: float = DEFAULT_READY_TIMEOUT
    """Seconds that a service may take to become ready."""
    services: Mapping[str, ServiceEntry]
    """The services by name, in the order of the file."""

    def listening(self, at: Mapping[str, str], where: str) -> "SystemFile":
        """A copy of this system in which the services of `at` listen at other addresses. `where` names the source of the addresses, for
        messages. Raises SetupError."""
        moved = dict(self.services)
        for name, address in at.items():
            if name not in moved:
                raise SetupError(f"{where}: there is no service {name!r}; {suggestion(name, moved, kind='services')}")
            moved[name] = replace(moved[name], listen=Address.parse(address, f"{where} {name}"))
        return replace(self, services=moved)

    def only(self, names: Sequence[str], where: str) -> "SystemFile":
        """A copy of this system with the services `names`, which call each other alone. `where` names the source of the names, for
        messages. Raises SetupError for an unknown name."""
        for name in names:
            if name not in self.services:
                raise SetupError(f"{where}: there is no service {name!r}; {suggestion(name, self.services, kind='services')}")
        picked = {name: entry for name, entry in self.services.items() if name in names}
        calling = {name: replace(entry, calls=tuple(one for one in entry.calls if one in picked)) for name, entry in picked.items()}
        return replace(self, services=calling)

    def cycle(self) -> list[str]:
        """The names along one cycle of calls, with the first name again at the end; empty if there is no cycle."""
        done: set[str] = set()
        for start in self.services:
            found = self._cycle_from(start, [], done)
            if found:
                return found
        return []

    def _cycle_from(self, name: str, path: list[str], done: set[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for callee in self.services[name].calls:
            found = self._cycle_from(callee, [*path, name], done)
            if found:
                return found
        done.add(name)
        return []


def load(path: Path) -> SystemFile:
    """The system file at `path`, checked. Raises SetupError that names the file and the field."""
    file = toml.read(path, _File)
    if not file.services:
        raise SetupError(f"{path}: services: has no entry; add a table [services.NAME] with a module")
    services = {name: _entry(name, service, file, path) for name, service in file.services.items()}
    _refuse_clashes(services, path)
    system = file.system
    return SystemFile(
        path=path,
        name=system.name or path.resolve().parent.name,
        grace=DEFAULT_GRACE if system.grace is None else parse_duration(system.grace, f"{path}: system.grace"),
        ready_timeout=(
            DEFAULT_READY_TIMEOUT if system.ready_timeout is None else parse_duration(system.ready_timeout, f"{path}: system.ready_timeout")
        ),
        services=services,
    )


def _entry(name: str, service: _Service, file: _File, path: Path) -> ServiceEntry:
    where = f"{path}: services.{name}"
    if not _NAME.fullmatch(name):
        raise SetupError(f"{where}: a service's name has lower-case letters, digits, '-' and '_', and begins with a letter; rename it")
    for callee in service.calls:
        if callee not in file.services:
            raise SetupError(f"{where}.calls: unknown service {callee!r}; {suggestion(callee, file.services, kind='services')}")
    for variable in service.env:
        if variable in _OWN_VARIABLES:
            raise SetupError(f"{where}.env.{variable}: is set by towpath; use the keys listen and config instead")
    config = None if service.config is None else path.resolve().parent / service.config
    if config is not None and not config.is_file():
        raise SetupError(f"{where}.config: {config} is not a file; paths are relative to the system file")
    folder = None if service.path is None else path.resolve().parent / service.path
    if folder is not None and not folder.is_dir():
        raise SetupError(f"{where}.path: {folder} is not a folder; paths are relative to the system file")
    return ServiceEntry(
        name=name,
        module=service.module,
        path=folder,
        config=config,
        listen=Address.parse(service.listen, f"{where}.listen"),
        calls=service.calls,
        env=service.env,
    )


def _refuse_clashes(services: Mapping[str, ServiceEntry], path: Path) -> None:
    variables: dict[str, str] = {}
    addresses: dict[Address, str] = {}
    for name, service in services.items():
        other = variables.setdefault(service.target_variable, name)
        if other != name:
            raise SetupError(f"{path}: services.{name}: differs from services.{other} only in '-' and '_'; rename one of them")
        other = addresses.setdefault(service.listen, name) if service.listen.port else name
        if other != name:
            raise SetupError(
                f"{path}: services.{name}.listen: {service.listen} is also that of services.{other}; choose another port, or 0"
            )
