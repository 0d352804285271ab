"""From service files to the graph that `towpath.contracts.graph` checks.

A file lists the contracts of its callees beside its own, and nothing says which is which. So a service is taken to serve, of its contracts,
each that it calls no method of, and each that it names a caller of or forwards. What serves nothing, such as a job, calls on its own
account: it has no deadline, and nobody waits for it.

A call leads to whoever serves the method among those that the system file says the caller is told of. Of these, one that forwards is
taken only if nobody else serves it, because a gateway stands in front of a system and not in the middle. A method that nobody serves
belongs to somebody outside, and is the end of its chain.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from towpath.app.methods import find_method, methods_of, methods_of_service
from towpath.app.settings import service_file, toml
from towpath.app.settings.service_file import ServiceConfig
from towpath.app.system import system_file
from towpath.app.system.declared_calls import DeclaredCall, calls_of, waivers_of
from towpath.contracts.graph import Call, Graph, Owned, Served, Step, Told, Waiver
from towpath.contracts.policy import resolve
from towpath.core.context import Criticality
from towpath.core.errors import Code, SetupError
from towpath.core.service import MethodSpec

OUTSIDE: Final = "(outside)"
"""The service of a method that nobody in the system serves."""

_SERVICES: Final = "services"

ITSELF: Final = ""
"""The method of a service that calls without being called."""

_Method = MethodSpec[Any, Any]


@dataclass(frozen=True, kw_only=True)
class DeclaredSystem:
    """The graph of some service files, and the waivers that they hold."""

    graph: Graph
    waivers: tuple[Waiver, ...]


@dataclass(frozen=True, kw_only=True)
class _Link:
    caller: str
    callee: _Method
    declared: DeclaredCall


@dataclass(frozen=True, kw_only=True)
class _Member:
    name: str
    config: ServiceConfig
    told_of: tuple[str, ...] | None
    serves: Mapping[str, _Method]
    links: Sequence[_Link]
    forwarded: set[str] = field(default_factory=set[str])


def read_system(paths: Sequence[Path]) -> DeclaredSystem:
    """The graph of the system files and service files at `paths`.

    A service of a system file that has no service file of its own declares nothing, and is left out. Raises SetupError for files that do
    not load, for methods and contracts that are not there, and for two services of one name.
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
    served = {Step(member.name, name): _served(method) for member in members.values() for name, method in member.serves.items()}
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


def _member(name: str, settings: ServiceConfig, told_of: tuple[str, ...] | None) -> _Member:
    declared = calls_of(settings.declares.calls, settings.source)
    if not settings.contracts and not declared:
        return _Member(name=name, config=settings, told_of=told_of, serves={}, links=())
    methods = list(methods_of(settings.contracts, settings.source))
    forwarded = {method.full_name: method for call in declared if call.forward for method in _forwarded(call, methods, settings.source)}
    callees = {call.where: _found(call.to, f"{call.where}.to", methods, settings.source) for call in declared if not call.forward}
    callers = {
        call.where: _found(call.caller, f"{call.where}.from", methods, settings.source) for call in declared if call.caller is not None
    }
    others = {method.service for method in callees.values()} - {method.service for method in callers.values()}
    serves = {method.full_name: method for method in methods if method.service not in others} | forwarded
    links: list[_Link] = []
    for call in declared:
        if call.forward:
            links += [_Link(caller=method.full_name, callee=method, declared=call) for method in _forwarded(call, methods, settings.source)]
        else:
            froms = [callers[call.where].full_name] if call.where in callers else list(serves) or [ITSELF]
            links += [_Link(caller=caller, callee=callees[call.where], declared=call) for caller in froms]
    return _Member(name=name, config=settings, told_of=told_of, serves=serves, links=links, forwarded=set(forwarded))


def _found(asked: str, where: str, methods: Sequence[_Method], source: Path | None) -> _Method:
    try:
        return find_method(asked, methods, source)
    except SetupError as error:
        raise SetupError(f"{where}: {error}") from None


def _forwarded(call: DeclaredCall, methods: Sequence[_Method], source: Path | None) -> list[_Method]:
    try:
        return methods_of_service(call.to, methods, source)
    except SetupError as error:
        raise SetupError(f"{call.where}.to: {error}") from None


def _servers(members: Mapping[str, _Member]) -> dict[str, list[_Member]]:
    servers: dict[str, list[_Member]] = {}
    for member in members.values():
        for name in member.serves:
            servers.setdefault(name, []).append(member)
    return servers


def _calls(member: _Member, servers: Mapping[str, Sequence[_Member]]) -> Iterator[Call]:
    for link in member.links:
        for callee in _whither(member, link.callee.full_name, servers):
            yield _call(Step(member.name, link.caller), Step(callee, link.callee.full_name), link, member.config)


def _whither(member: _Member, method: str, servers: Mapping[str, Sequence[_Member]]) -> list[str]:
    able = [other for other in servers.get(method, ()) if other is not member or method not in member.forwarded]
    told = [other for other in able if member.told_of is None or other is member or other.name in member.told_of]
    candidates = told or able
    direct = [other for other in candidates if method not in other.forwarded]
    return [other.name for other in direct or candidates] or [OUTSIDE]


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


def _served(method: _Method) -> Served:
    return Served(timeout=method.default_timeout, criticality=method.default_criticality)


def _told(paths: Sequence[Path]) -> Iterator[Told]:
    for path in paths:
        if toml.has_table(path, _SERVICES):
            for entry in system_file.load(path).services.values():
                yield from (Told(service=entry.name, callee=callee, where=f"{path}: services.{entry.name}.calls") for callee in entry.calls)


def _owned(members: Mapping[str, _Member]) -> Iterator[Owned]:
    for member in members.values():
        for index, datum in enumerate(member.config.declares.owns):
            yield Owned(datum=datum, service=member.name, where=f"{member.config.source}: service.owns[{index}]")
