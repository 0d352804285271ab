"""The methods that settings and commands can name: those of the contracts that a service file lists, or whose code this process has loaded.

`towpath explain` and `towpath check` know the contracts that `service.contracts` lists. A running process knows the contracts of the
services that it serves and of the clients that its modules import. It looks into `service.contracts` only for a service that is not among
them. So the values of `[[methodConfig]]` hold for a client that is imported late, too. `configured_methods` decides on unknown names.
"""

import importlib
import inspect
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from towpath._app.settings.method_names import with_full_names
from towpath._app.settings.service_file import ServiceConfig
from towpath._contracts.policy import MethodConfig, MethodName
from towpath._core.errors import SetupError
from towpath._core.service import MethodSpec, Service

_log = logging.getLogger("towpath.app")


def methods_of(modules: Sequence[str], source: Path | None) -> Iterator[MethodSpec[Any, Any]]:
    """Every method of the generated `modules`, which the file `source` lists. Raises SetupError if `modules` is empty, or if one of them
    cannot be imported."""
    if not modules:
        file = source or "towpath.toml"
        raise SetupError(f'{file}: service.contracts names no module; list the generated ones, such as ["echo.v1.echo_towpath"]')
    find_project(source)
    for name in modules:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            raise SetupError(f"{source}: service.contracts: {name} cannot be imported: {error}; is its package installed?") from error
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Service) and kind.__module__ == module.__name__ and "spec" in vars(kind):
                yield from kind.spec.methods


def find_project(source: Path | None) -> None:
    """Let Python find the modules of a project that is not installed: from its folder, as with `python -m`, and from `src` beside its
    service file `source`."""
    beside = [] if source is None else [source.absolute().parent / "src"]
    for folder in (Path.cwd(), *(one for one in beside if one.is_dir())):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


def loaded_methods() -> Iterator[MethodSpec[Any, Any]]:
    """Every method of the contracts whose generated code this process has imported."""
    kinds: list[type[Service]] = [Service]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if "spec" in vars(kind):
            yield from kind.spec.methods


def where_contracts_are(source: Path | None) -> str:
    """The last clause of the message about a service that no contract of the file `source` has."""
    return f"service.contracts in {source} says where services are looked for"


def configured_methods(config: ServiceConfig, methods: Sequence[MethodSpec[Any, Any]] | None = None) -> tuple[MethodConfig, ...]:
    """The file's `[[methodConfig]]` with each name written out in full and checked against `methods` (default: those that this process
    knows).

    Raises SetupError that names file and entry for a misspelt method, an ambiguous name, and a service that no contract has. If the file
    lists no contracts, a client of the unknown service may still be imported later, so the log has a warning instead.
    """
    if not config.methods:
        return ()
    if methods is None:
        methods = list(loaded_methods())
        _, unknown = with_full_names(config.methods, methods)
        if unknown and config.contracts:
            methods = [*methods, *methods_of(config.contracts, config.source)]
    written_out, unknown = with_full_names(config.methods, methods)
    for error in unknown:
        if config.contracts:
            raise SetupError(f"{error}; {where_contracts_are(config.source)}")
        _log.warning("%s; the entry is for nothing unless a client of that service is imported later (service.contracts is empty)", error)
    return written_out


def check_targets(config: ServiceConfig) -> None:
    """Check that the methods exist which `[targets.X.methods]` names. Raises SetupError, or warns, as `configured_methods` does."""
    targets = [target for target in config.targets.values() if not isinstance(target, str)]
    entries = [entry for target in targets for entry in target.limits.methods]
    named = [MethodConfig(names=tuple(map(_name, entry.methods)), source=entry.where) for entry in entries]
    configured_methods(replace(config, methods=tuple(named)))


def _name(text: str) -> MethodName:
    service, _, method = text.removeprefix("/").partition("/")
    return service, method
