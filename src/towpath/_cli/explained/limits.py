"""The rows of `towpath explain` about limits: what the server allows its clients, and what the service file sets to targets.

Each key of the service file has a row. A value that differs from the default has the default beside it. Of targets only such values have
rows: a method does not know over which target it is called.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from towpath._app.settings.server.messages import NamedMessageOptions
    from towpath._app.settings.service_file import ServiceConfig
    from towpath._app.settings.targets import ConfiguredTarget
    from towpath._core.service import MethodSpec

Row = tuple[str, str, str]
Told = tuple[str, str, str | None]
"""A key, its value, and its default if that is another one."""


def server_limits(settings: "ServiceConfig", own: "NamedMessageOptions | None" = None) -> Iterator[Row]:
    """The limits of the server itself, which hold for all its methods together. `own` is the method's table of `[service.methods]`."""
    from towpath._app.settings import server_options as tables
    from towpath._app.settings.option_tables import OFF, told
    from towpath._app.settings.server.cors import told as cors_told
    from towpath._app.settings.trust import told as trust_told
    from towpath._contracts.policy import DEFAULT
    from towpath._core.propagation.trust import DEFAULT_TRUST
    from towpath._layers.idempotency.memory_store import DEFAULT_MAX_BYTES
    from towpath._transport.socket_options import TcpKeepalive
    from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT

    given, usual, admission = settings.server, tables.ServerOptions(), tables.AdmissionOptions()
    options = settings.admission_options
    kept = told(tables.KEEPALIVE, given.keepalive or TcpKeepalive(), TcpKeepalive())
    rows = (
        _compared("message_limit", settings.message_limit, DEFAULT_MESSAGE_LIMIT, " bytes"),
        _compared("idempotency_memory", settings.idempotency_memory, DEFAULT_MAX_BYTES, " bytes"),
        _compared("header_limit", given.header_limit, usual.header_limit, " bytes"),
        _compared("compression", given.compression or OFF, OFF),
        _compared("json_defaults", given.json_defaults, usual.json_defaults),
        _compared("trust", trust_told(settings.trust), trust_told(DEFAULT_TRUST)),
        _compared("reflection", _readers(settings.reflection), _readers("trusted")),
        _compared("openapi", _readers(settings.openapi), _readers("trusted")),
        _compared("max_timeout", OFF if given.max_timeout is None else given.max_timeout, OFF, "s"),
        *_below("connections", told(tables.CONNECTIONS, given.connections, usual.connections)),
        *_below("keepalive", kept if given.keepalive is not None else [("time", OFF, next(kept)[1])]),
        *_below("http1", told(tables.HTTP1, given.http1, usual.http1)),
        *_below("http2", told(tables.HTTP2, given.http2, usual.http2)),
        *(_below("cors", cors_told(given.cors)) if given.cors is not None else [("cors", OFF, None)]),
        *_below("admission", told(tables.LIMIT, options.limit, admission.limit)),
        *_below("admission", told(tables.QUEUE, options.queue, admission.queue)),
    )
    for key, value, default in rows:
        set_for_method = None if own is None else dict(_of_messages(own)).get(key)
        if own is not None and set_for_method is not None:
            yield key, f"{set_for_method}; {value} for other methods", f"{own.where}.{key}"
        else:
            yield (key, value, DEFAULT) if default is None else (key, f"{value}; default {default}", _source(settings, f"service.{key}"))


def _readers(setting: bool | str) -> str:
    """The setting, as the file would have it."""
    return setting if isinstance(setting, str) else str(setting).lower()


def target_settings(settings: "ServiceConfig", spec: "MethodSpec[Any, Any]") -> Iterator[Row]:
    """What the service file sets to its targets other than the default, and to the method `spec` there."""
    from towpath._app.settings.server.messages import entry_for

    for name, target in settings.targets.items():
        for key, value, default in () if isinstance(target, str) else target_limits(target):
            if default is not None:
                row = f"targets.{name}.{key}"
                yield row, f"{value}; default {default}", _source(settings, row)
        own = None if isinstance(target, str) else entry_for(spec, target.limits.methods)
        for key, value in () if own is None else _of_messages(own):
            if own is not None:
                yield f"targets.{name}.{key}", f"{value} for this method", f"{own.where}.{key}"


def _of_messages(own: "NamedMessageOptions") -> Iterator[tuple[str, str]]:
    """What a method's table has."""
    options = own.options
    if options.message_limit is not None:
        yield "message_limit", f"{options.message_limit} bytes"
    if options.compression is not None:
        yield "compression", options.compression


def target_limits(target: "ConfiguredTarget") -> Iterator[Told]:
    """The settings of a target, apart from its address and from those of single methods."""
    from towpath._app.settings import resilience, targets
    from towpath._app.settings.option_tables import OFF, told
    from towpath._app.settings.server_options import WINDOWS
    from towpath._transport import Backoff, ChannelOptions, Ejection

    channel, policies, limits = target.options, target.resilience, target.limits
    usual, usual_policies, usual_limits = ChannelOptions(), resilience.DEFAULT, targets.NO_OTHER_LIMITS
    for name in (field.name for field in fields(ChannelOptions)):
        if name not in ("backoff", "ejection"):
            value, default = getattr(channel, name), getattr(usual, name)
            if name in targets.DURATIONS:
                yield _compared(name, OFF if value is None else value, OFF if default is None else default, "s")
            else:
                yield _compared(name, value, default)
    yield _compared("message_limit", limits.message_limit, usual_limits.message_limit)
    yield _compared("header_limit", limits.header_limit, usual_limits.header_limit)
    yield _compared("compression", limits.compression or OFF, OFF)
    yield from _below("http2", told(WINDOWS, limits.http2, usual_limits.http2))
    yield from _below("connection_backoff", told(targets.CONNECTION_BACKOFF, channel.backoff, Backoff()))
    yield _compared("outlier_detection", "false" if channel.ejection is None else "true", "true")
    if channel.ejection is not None:
        yield from _below("outlier_detection", told(targets.OUTLIER_DETECTION, channel.ejection, Ejection()))
    yield _compared("breaker", policies.breaker, usual_policies.breaker)
    yield from _below("breaker", told(resilience.BREAKER_KEYS, policies.breaker_options, usual_policies.breaker_options))
    yield _compared("throttle", policies.throttle, usual_policies.throttle)
    yield from _below("throttle", told(resilience.THROTTLE_KEYS, policies.throttle_options, usual_policies.throttle_options))
    yield from _below("retry_budget", told(targets.RETRY_BUDGET, policies.budget, usual_policies.budget))
    yield _compared("layers", ", ".join(target.layers) or "none", "none")


def _source(settings: "ServiceConfig", key: str) -> str:
    return key if settings.source is None else f"{settings.source}: {key}"


def _below(table: str, told: Iterable[Told]) -> Iterator[Told]:
    for name, value, usual in told:
        yield f"{table}.{name}", value, usual


def _compared(name: str, value: Any, usual: Any, unit: str = "") -> Told:
    return name, _text(value, unit), None if value == usual else _text(usual, unit)


def _text(value: object, unit: str) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value or '""'
    return (f"{value:.12g}" if isinstance(value, float) else str(value)) + unit
