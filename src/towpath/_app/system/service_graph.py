"""From service files to the graph that `towpath._contracts.graph` checks.

A file lists the contracts of its callees beside its own, without a distinction. `service.serves` says which of their services are served
here, beside those that are forwarded. Without it, each service of a generated module is taken to be served if no entry calls one of them.
Of a module that is called, the services are taken that a `from` names, or else the one that is not called; if more than one is left, the
file has to say which it is. The calls of a program that serves nothing, such as a job, begin at the program itself, which has no deadline.

A call leads to the services that serve the method, preferably to those whose addresses the system file gives to the caller. A service that
forwards is taken only if no other serves the method, because a gateway stands in front of a system and not in the middle. A method that no
service of the system serves belongs to a service outside, and is the end of its chain.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from towpath._app.methods import configured_methods, methods_of, where_contracts_are
from towpath._app.settings import service_file, toml
from towpath._app.settings.method_names import UnknownService, find_method, find_service, methods_of_service
from towpath._app.settings.quotas_and_bulkheads import by_method
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.system import system_file
from towpath._app.system.declared_calls import DeclaredCall, calls_of, waivers_of
from towpath._contracts.graph import Call, Graph, Owned, Served, Step, Told, Waiver
from towpath._contracts.integer_keys import integer_keyed_maps
from towpath._contracts.policy import resolve
from towpath._core.context import Criticality
from towpath._core.errors import Code, SetupError
from towpath._core.service import MethodSpec

OUTSIDE: Final = "(outside)"
"""The service of a method that no service of the system serves."""

_SERVICES: Final = "services"

ITSELF: Final = ""
"""The method at which the calls of a program that serves nothing begin."""

_Method = MethodSpec[Any, Any]
_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True)
class DeclaredSystem:
    """The graph of some service files, and their waivers."""

    graph: Graph
    waivers: tuple[Waiver, ...]


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """An entry of `[[calls]]` with the methods that it names."""

    declared: DeclaredCall
    caller: _Method | None
    """The method in `from`; None if the entry has none."""
    callees: Sequence[_Method]
    """The method in `to`; for an entry that forwards, each method of the service in `to`."""


@dataclass(frozen=True, kw_only=True)
class _Link:
    """One method that calls another one."""

    caller: str
    callee: _Method
    declared: DeclaredCall


@dataclass(frozen=True, kw_only=True)
class _Member:
    """One service of the system, as its service file has it."""

    name: str
    config: ServiceConfig
    knows: tuple[str, ...] | None
    """The services whose addresses the system file gives this service; None if there is no system file."""
    serves: Mapping[str, _Method]
    """The methods that the service serves, by full name."""
    links: Sequence[_Link]
    forwarded: set[str] = field(default_factory=set[str])
    """The full names of the methods that the service serves by calling the same method elsewhere."""

    def can_call(self, other: "_Member") -> bool:
        """Whether this service has the address of `other`."""
        return self.knows is None or other is self or other.name in self.knows


def read_system(paths: Sequence[Path]) -> DeclaredSystem:
    """The graph of the system files and service files at `paths`.

    A service of a system file that has no service file of its own declares nothing, and is left out. Raises SetupError for files that do
    not load, for methods and contracts that do not exist, and for two services of one name.
    """
    members: dict[str, _Member] = {}
    for path in paths:
        for member in _members(path):
            other = members.setdefault(member.name, member)
            if other is not member:
                raise SetupError(
                    f"{member.config.source}: service.name: {member.name!r} is also the name of {other.config.source}; rename one of them"
                )
    servers = _servers(members)
    calls = [call for member in members.values() for call in _calls(member, servers)]
    served = {Step(member.name, name): _served(method, member) for member in members.values() for name, method in member.serves.items()}
    called = {link.callee.full_name: link.callee for member in members.values() for link in member.links}
    served |= {call.caller: Served(timeout=None, criticality=Criticality.SHEDDABLE) for call in calls if call.caller.method == ITSELF}
    served |= {call.callee: _served(called[call.callee.method]) for call in calls if call.callee.service == OUTSIDE}
    return DeclaredSystem(
        graph=Graph(served=served, calls=calls, owned=list(_owned(members)), told=list(_told(paths))),
        waivers=tuple(waiver for member in members.values() for waiver in waivers_of(member.config.declares.waivers, member.config.source)),
    )


def _members(path: Path) -> Iterator[_Member]:
    if not toml.has_table(path, _SERVICES):
        settings = service_file.load(path, {})
        yield _member(path.stem if settings.name == service_file.DEFAULT_NAME else settings.name, settings, None)
        return
    for entry in system_file.load(path).services.values():
        if entry.config is not None:
            yield _member(entry.name, service_file.load(entry.config, {}), entry.calls)


def _member(name: str, settings: ServiceConfig, knows: tuple[str, ...] | None) -> _Member:
    declared = calls_of(settings.declares.calls, settings.source)
    if not (settings.contracts or declared or settings.declares.serves):
        configured_methods(settings, ())  # for its warnings, since no name in the file can be checked
        return _Member(name=name, config=settings, knows=knows, serves={}, links=())
    modules = {module: list(methods_of([module], settings.source)) for module in settings.contracts} or {
        "": list(methods_of((), settings.source))
    }
    methods = [method for listed in modules.values() for method in listed]
    settings = _checked(settings, methods)
    entries = [_entry(call, methods, settings.source) for call in declared]
    forwarded = {method.full_name: method for entry in entries if entry.declared.forward for method in entry.callees}
    served = _served_services(settings, methods) if settings.declares.serves is not None else _guessed_services(settings, modules, entries)
    serves = {method.full_name: method for method in methods if method.service in served} | forwarded
    links = [link for entry in entries for link in _links(entry, serves)]
    return _Member(name=name, config=settings, knows=knows, serves=serves, links=links, forwarded=set(forwarded))


def _checked(settings: ServiceConfig, methods: Sequence[_Method]) -> ServiceConfig:
    """`settings` with full names in `[[methodConfig]]`. Raises SetupError for a name in any of its tables that none of `methods` has."""
    by_method(settings.quotas, methods)
    by_method(settings.bulkheads, methods)
    return replace(settings, methods=configured_methods(settings, methods))


def _entry(call: DeclaredCall, methods: Sequence[_Method], source: Path | None) -> _Entry:
    def find_callees() -> list[_Method]:
        return methods_of_service(call.to, methods) if call.forward else [find_method(call.to, methods)]

    callees = _placed(find_callees, f"{call.where}.to", source)
    asked = call.caller
    caller = None if asked is None else _placed(lambda: find_method(asked, methods), f"{call.where}.from", source)
    return _Entry(declared=call, caller=caller, callees=callees)


def _placed(find: Callable[[], _Found], where: str, source: Path | None) -> _Found:
    """The result of `find`. A SetupError of it is raised again with the place `where` before its message."""
    try:
        return find()
    except UnknownService as error:
        raise SetupError(f"{where}: {error}; {where_contracts_are(source)}") from None
    except SetupError as error:
        raise SetupError(f"{where}: {error}") from None


def _served_services(settings: ServiceConfig, methods: Sequence[_Method]) -> set[str]:
    """The services that `service.serves` names. Raises SetupError for a name that none of `methods` has."""
    where = f"{settings.source}: service.serves"
    known = {method.service for method in methods}
    return {
        _placed(partial(find_service, name, known), f"{where}[{index}]", settings.source)
        for index, name in enumerate(settings.declares.serves or ())
    }


def _guessed_services(settings: ServiceConfig, modules: Mapping[str, Sequence[_Method]], entries: Sequence[_Entry]) -> set[str]:
    """The services that are taken to be served by a file that does not say it. Raises SetupError where a module leaves a choice."""
    called = {method.service: entry for entry in entries if not entry.declared.forward for method in entry.callees}
    calling = {entry.caller.service for entry in entries if entry.caller is not None}
    served: set[str] = set()
    for module, methods in modules.items():
        services = dict.fromkeys(method.service for method in methods)
        named = calling.intersection(services)
        left = [service for service in services if service not in called]
        calls = [called[service].declared.where for service in services if service in called]
        if calls and not named and len(left) > 1:
            raise SetupError(
                f"{calls[0]}: {module} has the services {', '.join(services)}, one of which is called, and nothing says which of the others"
                f' are served here; set service.serves in {settings.source}, such as serves = ["{left[0]}"], or serves = [] for none'
            )
        served.update(named if calls and named else left)
    return served


def _links(entry: _Entry, serves: Mapping[str, _Method]) -> Iterator[_Link]:
    for callee in entry.callees:
        if entry.declared.forward:
            callers = [callee.full_name]
        elif entry.caller is not None:
            callers = [entry.caller.full_name]
        else:
            callers = list(serves) or [ITSELF]
        yield from (_Link(caller=caller, callee=callee, declared=entry.declared) for caller in callers)


def _servers(members: Mapping[str, _Member]) -> dict[str, list[_Member]]:
    servers: dict[str, list[_Member]] = {}
    for member in members.values():
        for name in member.serves:
            servers.setdefault(name, []).append(member)
    return servers


def _calls(member: _Member, servers: Mapping[str, Sequence[_Member]]) -> Iterator[Call]:
    for link in member.links:
        for callee in _reached(member, link.callee.full_name, servers):
            yield _call(Step(member.name, link.caller), Step(callee, link.callee.full_name), link, member.config)


def _reached(caller: _Member, method: str, servers: Mapping[str, Sequence[_Member]]) -> list[str]:
    """The services that a call of `method` by `caller` may reach, by name."""
    found = [server for server in servers.get(method, ()) if server is not caller or method not in caller.forwarded]
    found = _preferably(found, caller.can_call)
    found = _preferably(found, lambda server: method not in server.forwarded)
    return [server.name for server in found] or [OUTSIDE]


def _preferably(members: list[_Member], wanted: Callable[[_Member], bool]) -> list[_Member]:
    """The wanted `members`, or all of them if none is wanted."""
    return [member for member in members if wanted(member)] or members


def _call(caller: Step, callee: Step, link: _Link, settings: ServiceConfig) -> Call:
    method, declared = link.callee, link.declared
    policy = resolve(method, settings.methods)
    retry, hedge = policy.retry.value, policy.hedge.value
    return Call(
        caller=caller,
        callee=callee,
        where=declared.where,
        timeout=policy.timeout.value,
        criticality=policy.criticality.value or method.default_criticality,
        repeatable=method.repeatable,
        attempts=retry.max_attempts if hedge is None else max(retry.max_attempts, hedge.max_attempts),
        hedged=hedge is not None,
        repeated_codes=tuple(sorted(code.name for code in retry.retryable_codes - {Code.UNAVAILABLE})) if retry.max_attempts > 1 else (),
        optional=declared.optional,
        parallel=declared.parallel,
        times=declared.times,
    )


def _served(method: _Method, member: _Member | None = None) -> Served:
    lost, where = "", ""
    if member is not None and method.idempotency_key is not None and method.full_name not in member.forwarded:
        config = member.config
        where = f"{config.source}: service.idempotency"
        if config.idempotency == "off":
            lost = "the service keeps no answers"
        elif config.idempotency == "memory" and config.workers > 1:
            lost = f"each of the service's {config.workers} workers keeps answers for itself"
    return Served(
        timeout=method.default_timeout,
        criticality=method.default_criticality,
        keys_lost=lost,
        where=where,
        integer_keyed_maps=() if member is None else integer_keyed_maps(method.request.DESCRIPTOR),
    )


def _told(paths: Sequence[Path]) -> Iterator[Told]:
    for path in paths:
        if toml.has_table(path, _SERVICES):
            for entry in system_file.load(path).services.values():
                yield from (Told(service=entry.name, callee=callee, where=f"{path}: services.{entry.name}.calls") for callee in entry.calls)


def _owned(members: Mapping[str, _Member]) -> Iterator[Owned]:
    for member in members.values():
        for index, datum in enumerate(member.config.declares.owns):
            yield Owned(datum=datum, service=member.name, where=f"{member.config.source}: service.owns[{index}]")
