"""`towpath explain`: a method's stack and values, each with its source, as the running service would use them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from towpath._app.settings.service_file import ServiceConfig
    from towpath._cli.explained.table import Explained
    from towpath._core.policies import FallbackPolicy, HedgingPolicy, RetryPolicy
    from towpath._core.service import MethodSpec
    from towpath._layers.idempotency.store import IdempotencyStore

Side = Literal["client", "server"]


def explain(
    method: str,
    /,
    *,
    config: Annotated[Path | None, Parameter(negative="")] = None,
    side: Annotated[Side | None, Parameter(negative="")] = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Print the stack of a method, in order, and its resolved values with their sources.

    On a terminal the values stand under their layers, in colour unless NO_COLOR is set. Elsewhere each value is one line.

    Example: towpath explain echo.v1.EchoService/Say --side server

    Parameters
    ----------
    method
        SERVICE/METHOD, such as echo.v1.EchoService/Say; the package may be left out where that is clear.
    config
        The service file; without it, TOWPATH_CONFIG, else towpath.toml in this folder.
    side
        Only this side of the call; both without it.
    json
        Print a list with an object for each side, as JSON.
    """
    # Each command loads only what it needs.
    from towpath._app.methods import configured_methods, methods_of, where_contracts_are
    from towpath._app.settings.idempotency_store import store_of
    from towpath._app.settings.method_names import UnknownService, find_method
    from towpath._app.settings.service_file import load
    from towpath._cli import screen
    from towpath._core.errors import SetupError

    # A file named in the command wins over the environment, which was probably set for another service.
    environ = {name: value for name, value in os.environ.items() if config is None or name != "TOWPATH_CONFIG"}
    settings = load(config, environ)
    methods = list(methods_of(settings.contracts, settings.source))
    try:
        spec = find_method(method, methods)
    except UnknownService as error:
        raise SetupError(f"{error}; {where_contracts_are(settings.source)}") from None
    settings = replace(settings, methods=configured_methods(settings, methods))
    sides: Sequence[Side] = ("client", "server") if side is None else (side,)
    store = store_of(settings.idempotency, settings.idempotency_where, settings.idempotency_memory)
    described = [_client(spec, settings) if one == "client" else _server(spec, methods, settings, store) for one in sides]
    if json:
        import json as writer

        print(writer.dumps([one.fields() for one in described], indent=2))
    elif (columns := screen.width()) is not None:
        print("\n\n".join(one.table(columns, colour=screen.coloured()) for one in described))
    else:
        print("\n\n".join(one.lines() for one in described))
    return 0


def _client(spec: "MethodSpec[Any, Any]", settings: "ServiceConfig") -> "Explained":
    from towpath._app.client_stack import client_roles
    from towpath._cli.explained.table import Explained
    from towpath._telemetry.metrics import CallMetrics

    stack = client_roles(spec, CallMetrics(), settings.methods)
    return Explained(method=spec.full_name, side="client", stack=stack, rows=_client_values(spec, settings))


def _server(
    spec: "MethodSpec[Any, Any]", methods: "Sequence[MethodSpec[Any, Any]]", settings: "ServiceConfig", store: "IdempotencyStore | None"
) -> "Explained":
    from towpath._app.server_stack import server_roles
    from towpath._cli.explained.table import Explained

    stack = server_roles(spec, methods, settings, store)
    return Explained(method=spec.full_name, side="server", stack=stack, rows=_server_values(spec, methods, settings))


def _client_values(spec: "MethodSpec[Any, Any]", settings: "ServiceConfig") -> list[tuple[str, str, str]]:
    from towpath._cli.explained.limits import target_settings
    from towpath._contracts.policy import resolve

    policy = resolve(spec, settings.methods)
    criticality = policy.criticality.value
    return [
        ("timeout", f"{_seconds(policy.timeout.value)}, or what the caller has left if that is less", policy.timeout.source),
        (
            "criticality",
            "the caller's; CRITICAL without one" if criticality is None else f"{criticality.name}, or the caller's if that is lower",
            policy.criticality.source,
        ),
        ("retry", _retries(policy.retry.value, spec, policy.hedge.value), policy.retry.source),
        ("hedge", _hedges(policy.hedge.value), policy.hedge.source),
        ("fallback", _fallback(policy.fallback.value), policy.fallback.source),
        *_about_targets(),
        *target_settings(settings, spec),
        *_key(spec, "the caller has to give one", "the caller's, or one made for each call"),
        *_declared(spec),
    ]


def _about_targets() -> list[tuple[str, str, str]]:
    """The default values for a target and all its methods. `[targets]` of the service file may set others."""
    from towpath._contracts.policy import DEFAULT
    from towpath._layers.breaker import BreakerOptions
    from towpath._layers.retry_budget import BudgetOptions
    from towpath._layers.throttle import ThrottleOptions
    from towpath._layers.window import SECONDS

    budget, throttle, breaker = BudgetOptions(), ThrottleOptions(), BreakerOptions()
    earned = f"a retry or hedge for {1 / budget.ratio:g} calls and {budget.per_second:g} a second"
    at_once = f"at most {budget.concurrent_ratio:.0%} of the calls under way or {budget.min_concurrent}"
    dropped = f"drops (calls - {throttle.headroom:g} x not shed) / (calls + 1) of the calls, at most {throttle.max_share:.0%}"
    trips = f"{breaker.failures} failures in a row, or {breaker.ratio:.0%} of {breaker.min_calls} or more in {SECONDS} s"
    return [
        ("budget", f"{earned}, {at_once}", f"{DEFAULT} for each target"),
        ("throttle", dropped, f"{DEFAULT} for each target"),
        (
            "breaker",
            f"{trips}; open for {breaker.min_open:g} to {breaker.max_open:g} s; not heeded while most endpoints have theirs open",
            f"{DEFAULT} for each method of several endpoints",
        ),
    ]


def _server_values(
    spec: "MethodSpec[Any, Any]", methods: "Sequence[MethodSpec[Any, Any]]", settings: "ServiceConfig"
) -> list[tuple[str, str, str]]:
    from towpath._app.settings.server.messages import by_full_name, entry_for
    from towpath._cli.explained.limits import server_limits
    from towpath._contracts.policy import DEFAULT, resolve

    # As in gRPC, a service file's entry for a method is for clients: a server takes the values that a call brings.
    policy = resolve(spec)
    by_full_name(settings.messages, methods)  # a name that no method has is an error here too
    admission = settings.admission_options
    limit = f"{admission.limit.initial} calls at first while the loop is late, then what serves best"
    kept = settings.idempotency.partition(":")[0]  # the rest may hold a password
    queue = f"half the callers' time in a queue, {admission.queue.target * 1000:g} ms in an overload"
    return [
        ("timeout", f"the call's; {_seconds(policy.timeout.value)} if it brings none", policy.timeout.source),
        ("criticality", f"the call's; {spec.default_criticality.name} if it brings none", policy.criticality.source),
        ("admission", f"{settings.admission}; {limit}; {queue}", DEFAULT if settings.admission == "on" else "service.admission"),
        *_shares(spec, methods, settings),
        *server_limits(settings, entry_for(spec, settings.messages)),
        ("keys", f"kept in: {kept}", DEFAULT if kept == "memory" else "service.idempotency"),
        *_key(spec, "a call without one is INVALID_ARGUMENT", "a call may come without one"),
        *_declared(spec),
    ]


def _shares(
    spec: "MethodSpec[Any, Any]", methods: "Sequence[MethodSpec[Any, Any]]", settings: "ServiceConfig"
) -> Iterator[tuple[str, str, str]]:
    """The quota and the bulkhead of a method, if the service file has them."""
    from towpath._app.settings.quotas_and_bulkheads import LOCAL, by_method

    entry = by_method(settings.quotas, methods).get(spec.full_name)
    if entry is not None:
        rate = entry.quota.rate
        where = "in each process" if settings.quota_store == LOCAL else "for all processes together"
        most = f"{rate.per_second:g} calls a second for each tenant, {rate.depth:g} at once, counted {where}"
        yield "quota", most + _shadow(entry.quota.shadow), entry.where
    bulkhead = by_method(settings.bulkheads, methods).get(spec.full_name)
    if bulkhead is not None:
        compartment = bulkhead.compartment
        yield "bulkhead", f"{compartment.max_concurrent} calls of {compartment.group} at once{_shadow(compartment.shadow)}", bulkhead.where


def _shadow(shadow: bool) -> str:
    return "; shadow: all pass" if shadow else ""


def _retries(policy: "RetryPolicy", spec: "MethodSpec[Any, Any]", hedge: "HedgingPolicy | None") -> str:
    if policy.max_attempts == 1:
        return "none" if hedge is not None or spec.kind.requests_stream else "once, of what no server has seen"
    codes = ", ".join(sorted(code.name for code in policy.retryable_codes))
    wait = f"a random part of {policy.initial_backoff * 1000:g} ms to {policy.max_backoff * 1000:g} ms apart"
    if spec.idempotency_key is not None:
        return f"up to {policy.max_attempts} attempts after {codes}, what no handler began, or ABORTED while an earlier one runs, {wait}"
    if spec.repeatable:
        return f"up to {policy.max_attempts} attempts after {codes} or what no handler began, {wait}"
    return f"up to {policy.max_attempts} attempts after what no handler began, with an idempotency key after {codes} too, {wait}"


def _fallback(policy: "FallbackPolicy | None") -> str:
    if policy is None:
        return "none"
    if policy.value is None:
        return f"the last good answer to the same request, up to {policy.max_age:g} s old"
    return f"{policy.value.decode()}{'; the call is skipped when it would come too late' if policy.skip else ''}"


def _hedges(policy: "HedgingPolicy | None") -> str:
    if policy is None:
        return "none"
    delay = policy.hedging_delay
    late = f"all but {policy.extra_load:.0%} of the calls take" if delay is None else f"{delay * 1000:g} ms"
    return f"up to {policy.max_attempts} attempts, each after {late}, for at most {policy.extra_load:.0%} of the calls"


def _seconds(timeout: float | None) -> str:
    return "no end" if timeout is None else f"{timeout:g} s"


def _key(spec: "MethodSpec[Any, Any]", required: str, auto: str) -> list[tuple[str, str, str]]:
    """The idempotency key of a call, if the contract says something of it."""
    from towpath._contracts.policy import CONTRACT_OPTION
    from towpath._core.service import IdempotencyKey

    if spec.idempotency_key is None:
        return []
    meant = required if spec.idempotency_key is IdempotencyKey.REQUIRED else auto
    return [("idempotency key", f"{spec.idempotency_key.value}: {meant}", CONTRACT_OPTION)]


def _declared(spec: "MethodSpec[Any, Any]") -> list[tuple[str, str, str]]:
    from towpath._contracts.policy import CONTRACT_OPTION, DEFAULT
    from towpath._core.service import Idempotency

    source = DEFAULT if spec.idempotency is Idempotency.UNKNOWN else CONTRACT_OPTION
    return [("idempotency", spec.idempotency.value, source), ("kind", spec.kind.value, "contract")]
