"""`towpath explain`: a method's stack and values, each with where it came from: what the running service would use."""

import importlib
import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from towpath.contracts.policy import MethodConfig
    from towpath.core.policies import HedgingPolicy, RetryPolicy
    from towpath.core.service import MethodSpec

Side = Literal["client", "server"]


def explain(
    method: str,
    /,
    *,
    config: Annotated[Path | None, Parameter(negative="")] = None,
    side: Annotated[Side | None, Parameter(negative="")] = None,
) -> int:
    """Print the stack of a method, in order, and its resolved values with their sources.

    Parameters
    ----------
    method
        SERVICE/METHOD, such as echo.v1.EchoService/Say; the package may be left out where that is clear.
    config
        The service file; without it, TOWPATH_CONFIG, else towpath.toml in this folder.
    side
        Only this side of the call; both without it.
    """
    # Each command loads only what it needs.
    from towpath.app.config import load

    # A file named here wins over the environment, which was set for something else.
    environ = {name: value for name, value in os.environ.items() if config is None or name != "TOWPATH_CONFIG"}
    settings = load(config, environ)
    spec = _find(method, list(_methods(settings.contracts, settings.source)), settings.source)
    sides: Sequence[Side] = ("client", "server") if side is None else (side,)
    print("\n\n".join(_described(spec, one, settings.methods) for one in sides))
    return 0


def _methods(modules: Sequence[str], source: Path | None) -> Iterator["MethodSpec[Any, Any]"]:
    from towpath.core.errors import SetupError
    from towpath.core.service import Service

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


def _find(asked: str, methods: Sequence["MethodSpec[Any, Any]"], source: Path | None) -> "MethodSpec[Any, Any]":
    from towpath.app.suggest import suggestion
    from towpath.core.errors import SetupError

    asked = asked.removeprefix("/")
    service, slash, name = asked.rpartition("/")
    if not slash or not service or not name:
        raise SetupError(f"{asked!r} is not SERVICE/METHOD; {suggestion(asked, (spec.full_name for spec in methods), kind='methods')}")
    found = [spec for spec in methods if _is(spec.service, service) and spec.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise SetupError(f"{asked} is ambiguous: {', '.join(sorted(spec.full_name for spec in found))}; write one of them out")
    of_service = [spec for spec in methods if _is(spec.service, service)]
    if of_service:
        near = suggestion(name, (spec.name for spec in of_service), kind="methods")
        raise SetupError(f"service {of_service[0].service} has no method {name!r}; {near}")
    known = {spec.service for spec in methods} if "." in service else {spec.service.rpartition(".")[2] for spec in methods}
    near = suggestion(service, known, kind="services")
    raise SetupError(f"unknown service {service!r}; {near}; service.contracts in {source} says where services are looked for")


def _is(full: str, asked: str) -> bool:
    return full == asked or full.endswith(f".{asked}")


def _described(spec: "MethodSpec[Any, Any]", side: Side, methods: Sequence["MethodConfig"]) -> str:
    from towpath.app.stack import client_roles, server_roles
    from towpath.telemetry.metrics import CallMetrics

    metrics = CallMetrics()
    stack = client_roles(spec, metrics, methods) if side == "client" else server_roles(spec, metrics)
    rows = _client_values(spec, methods) if side == "client" else _server_values(spec)
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(
        [
            f"{spec.full_name}, {side} side",
            f"  stack   {' -> '.join(stack)}",
            *(f"  {name:<{widths[0]}}   {value:<{widths[1]}}   {origin}" for name, value, origin in rows),
        ]
    )


def _client_values(spec: "MethodSpec[Any, Any]", methods: Sequence["MethodConfig"]) -> list[tuple[str, str, str]]:
    from towpath.contracts.policy import resolve

    policy = resolve(spec, methods)
    criticality = policy.criticality.value
    return [
        ("timeout", f"{_seconds(policy.timeout.value)}, or what the caller has left if that is less", policy.timeout.source),
        (
            "criticality",
            "the caller's; CRITICAL without one" if criticality is None else f"{criticality.name}, or the caller's if that is lower",
            policy.criticality.source,
        ),
        ("retry", _retries(policy.retry.value), policy.retry.source),
        ("hedge", _hedges(policy.hedge.value), policy.hedge.source),
        *_declared(spec),
    ]


def _server_values(spec: "MethodSpec[Any, Any]") -> list[tuple[str, str, str]]:
    from towpath.contracts.policy import DEFAULT, resolve

    # What the service file says of a method is for its callers, as in gRPC: a server takes what the call brings.
    policy = resolve(spec)
    return [
        ("timeout", f"the call's; {_seconds(policy.timeout.value)} if it brings none", policy.timeout.source),
        ("criticality", "the call's; CRITICAL if it brings none", DEFAULT),
        *_declared(spec),
    ]


def _retries(policy: "RetryPolicy") -> str:
    if policy.max_attempts == 1:
        return "none"
    codes = ", ".join(sorted(code.name for code in policy.retryable_codes))
    wait = f"{policy.initial_backoff * 1000:g} ms to {policy.max_backoff * 1000:g} ms"
    return f"up to {policy.max_attempts} attempts after {codes} or what was never processed, a random part of {wait} apart"


def _hedges(policy: "HedgingPolicy | None") -> str:
    if policy is None:
        return "none"
    delay = policy.hedging_delay
    late = f"all but {policy.extra_load:.0%} of the calls take" if delay is None else f"{delay * 1000:g} ms"
    return f"up to {policy.max_attempts} attempts, each after {late}, for at most {policy.extra_load:.0%} of the calls"


def _seconds(timeout: float | None) -> str:
    return "no end" if timeout is None else f"{timeout:g} s"


def _declared(spec: "MethodSpec[Any, Any]") -> list[tuple[str, str, str]]:
    from towpath.contracts.policy import CONTRACT_OPTION, DEFAULT
    from towpath.core.service import Idempotency

    source = DEFAULT if spec.idempotency is Idempotency.UNKNOWN else CONTRACT_OPTION
    return [("idempotency", spec.idempotency.value, source), ("kind", spec.kind.value, "contract")]
