"""Methods found by name in the contracts that a service file lists: what `towpath explain` and `towpath check` are asked about."""

import importlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from towpath.app.settings.suggest import suggestion
from towpath.core.errors import SetupError
from towpath.core.service import MethodSpec, Service


def methods_of(modules: Sequence[str], source: Path | None) -> Iterator[MethodSpec[Any, Any]]:
    """Every method of the generated `modules`, which the file `source` lists. Raises SetupError for none, and for one that is not there."""
    if not modules:
        file = source or "towpath.toml"
        raise SetupError(f'{file}: service.contracts names no module; list the generated ones, such as ["echo.v1.echo_towpath"]')
    # A project that is not installed is found from its folder, as with `python -m`.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for name in modules:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            raise SetupError(f"{source}: service.contracts: {name} cannot be imported: {error}; is its package installed?") from error
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Service) and kind.__module__ == module.__name__ and "spec" in vars(kind):
                yield from kind.spec.methods


def find_method(asked: str, methods: Sequence[MethodSpec[Any, Any]], source: Path | None) -> MethodSpec[Any, Any]:
    """The method called `asked`, SERVICE/METHOD, in which the package may be left out where that is clear. Raises SetupError."""
    asked = asked.removeprefix("/")
    service, slash, name = asked.rpartition("/")
    if not slash or not service or not name:
        raise SetupError(f"{asked!r} is not SERVICE/METHOD; {suggestion(asked, (spec.full_name for spec in methods), kind='methods')}")
    of_service = methods_of_service(service, methods, source)
    found = [spec for spec in of_service if spec.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise SetupError(f"{asked} is ambiguous: {', '.join(sorted(spec.full_name for spec in found))}; write one of them out")
    near = suggestion(name, (spec.name for spec in of_service), kind="methods")
    raise SetupError(f"service {of_service[0].service} has no method {name!r}; {near}")


def methods_of_service(service: str, methods: Sequence[MethodSpec[Any, Any]], source: Path | None) -> list[MethodSpec[Any, Any]]:
    """The methods of `service`, whose package may be left out. Raises SetupError if `methods` has none of it."""
    found = [spec for spec in methods if spec.service == service or spec.service.endswith(f".{service}")]
    if found:
        return found
    known = {spec.service for spec in methods} if "." in service else {spec.service.rpartition(".")[2] for spec in methods}
    near = suggestion(service, known, kind="services")
    raise SetupError(f"unknown service {service!r}; {near}; service.contracts in {source} says where services are looked for")
