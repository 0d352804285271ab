"""How a setting or a command names methods: one rule for all tables of a service file and all commands.

`SERVICE/METHOD` is one method and `SERVICE` is a service, each with or without a leading slash. The package, or the first parts of it, may
be left out if the rest is the name of only one service or method. A name that is written out in full is never ambiguous. An unknown name is
a SetupError with the nearest name, and an ambiguous one is a SetupError with the names that it may mean. The caller of this module puts the
file and the entry before the message.

The caller gives the methods to choose from (see `towpath._app.methods`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from towpath._app.settings.suggest import suggestion
from towpath._contracts.policy import MethodConfig, MethodName, by_method_name
from towpath._core.errors import SetupError
from towpath._core.service import MethodSpec


class UnknownName(SetupError):
    """No method or service has the name."""

    def __init__(self, message: str, near: str) -> None:
        super().__init__(f"{message}; {near}")
        self.near = near
        """The last clause of the message, about the nearest name."""


class UnknownService(UnknownName):
    """No service has the name. The contract of the service that is meant may just not be loaded."""

    def __init__(self, name: str, near: str) -> None:
        super().__init__(f"unknown service {name!r}", near)
        self.name = name
        """The service's name, as the setting or command has it."""


def find_services(name: str, services: Iterable[str]) -> list[str]:
    """The service with the full name `name`, or else all services whose names end in `name`. Raises UnknownService if there is none."""
    known = set(services)
    if name in known:
        return [name]
    found = sorted(service for service in known if service.endswith(f".{name}"))
    if not found:
        alike = known if "." in name else {service.rpartition(".")[2] for service in known}
        raise UnknownService(name, suggestion(name, alike, kind="services"))
    return found


def find_service(name: str, services: Iterable[str]) -> str:
    """The full name of the one service that `name` means. Raises SetupError if no service has the name, or more than one."""
    found = find_services(name.removeprefix("/"), services)
    if len(found) > 1:
        raise _ambiguous(name.removeprefix("/"), found)
    return found[0]


def find_method(name: str, methods: Iterable[MethodSpec[Any, Any]]) -> MethodSpec[Any, Any]:
    """The one method among `methods` that `name`, SERVICE/METHOD, means. Raises SetupError if no method has the name, or more than one."""
    known = {spec.full_name: spec for spec in methods}
    service, method = split_name(name, known)
    services = find_services(service, (spec.service for spec in known.values()))
    found = {full for full in services if f"{full}/{method}" in known}
    if not found:
        near = suggestion(method, {spec.name for spec in known.values() if spec.service in services}, kind="methods")
        raise UnknownName(f"service {' or '.join(services)} has no method {method!r}", near)
    if len(found) > 1:
        raise _ambiguous(f"{service}/{method}", [f"{full}/{method}" for full in found])
    return known[f"{found.pop()}/{method}"]


def methods_of_service(name: str, methods: Sequence[MethodSpec[Any, Any]]) -> list[MethodSpec[Any, Any]]:
    """The methods of the one service that `name` means. Raises SetupError if no service has the name, or more than one."""
    service = find_service(name, (spec.service for spec in methods))
    return [spec for spec in methods if spec.service == service]


def split_name(name: str, known: Iterable[str]) -> tuple[str, str]:
    """The service and the method in `name`. If `name` lacks either, this raises SetupError that shows one of the `known` methods."""
    name = name.removeprefix("/")
    service, _, method = name.rpartition("/")
    if not service or not method:
        raise SetupError(f"{name!r} is not SERVICE/METHOD; {suggestion(name, known, kind='methods')}")
    return service, method


def with_full_names(
    configs: Sequence[MethodConfig], methods: Sequence[MethodSpec[Any, Any]]
) -> tuple[tuple[MethodConfig, ...], list[SetupError]]:
    """Entries of `methodConfig` with each name written out in full, and an error for each service that none of `methods` belongs to.

    A name of such a service stays as it is. A name of every method (`{}`) stays too. Raises SetupError, naming the entry, for a method that
    its service does not have, for an ambiguous name, and for two entries that claim one name.
    """
    unknown: list[SetupError] = []
    written_out = tuple(replace(config, names=_full_names(config, methods, unknown)) for config in configs)
    by_method_name(written_out)
    return written_out, unknown


def _full_names(config: MethodConfig, methods: Sequence[MethodSpec[Any, Any]], unknown: list[SetupError]) -> tuple[MethodName, ...]:
    names: list[MethodName] = []
    for index, name in enumerate(config.names):
        where = f"{config.source}.name[{index}]"
        try:
            names.append(_full_name(name, methods))
        except UnknownService as error:
            unknown.append(SetupError(f"{where}: {error}"))
            names.append(name)
        except SetupError as error:
            raise SetupError(f"{where}: {error}") from None
    return tuple(names)


def _full_name(name: MethodName, methods: Sequence[MethodSpec[Any, Any]]) -> MethodName:
    service, method = name
    if not service:
        return name
    if not method:
        return find_service(service, (spec.service for spec in methods)), ""
    spec = find_method(f"{service}/{method}", methods)
    return spec.service, spec.name


def _ambiguous(name: str, found: Iterable[str]) -> SetupError:
    return SetupError(f"{name} is ambiguous: {', '.join(sorted(found))}; write one of them out")
