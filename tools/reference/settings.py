"""The page of settings: each key of the service file, from the structs that read it.

A struct says which keys there are and of which types. The mapping of its `Key`s has units and ranges, and the class of the options that the
keys set has the defaults. A key is described by its own docstring, or by that of the option. One that neither describes is an error.
"""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, Union, cast, get_args, get_origin

import griffe
import msgspec

from tools.reference.tables import table, words
from towpath._app.settings import (
    fallback,
    method_config,
    quotas_and_bulkheads,
    resilience,
    server_options,
    service_file,
    targets,
    tls,
    trust,
)
from towpath._app.settings.idempotency_store import MEMORY
from towpath._app.settings.option_tables import OFF, Key, Number, Seconds
from towpath._app.settings.server import cors, messages
from towpath._app.settings.telemetry import logs, loop, metrics, otlp, recorder, sampling
from towpath._app.settings.telemetry import table as telemetry_table
from towpath._app.system import system_file
from towpath._app.vocabulary.variables import VARIABLES
from towpath._contracts.policy import MethodConfig
from towpath._core.policies import FallbackPolicy, HedgingPolicy, RetryPolicy
from towpath._core.propagation.trust import Trust
from towpath._layers.admission.adaptive_limit import LimitOptions
from towpath._layers.admission.wait_limits import QueueOptions
from towpath._layers.breaker import BreakerOptions
from towpath._layers.bucket import Rate
from towpath._layers.bulkhead import Compartment
from towpath._layers.quota import Quota
from towpath._layers.retry_budget import BudgetOptions
from towpath._layers.throttle import ThrottleOptions
from towpath._telemetry.logs.access_log import AccessOptions
from towpath._telemetry.otlp.options import ExportOptions
from towpath._transport import Backoff, ChannelOptions, ConnectionLimits, Ejection
from towpath._transport.address import Address
from towpath._transport.message_options import MessageOptions
from towpath._transport.socket_options import TcpKeepalive
from towpath._transport.tls import ClientTls, ServerTls
from towpath._wire.cors import CorsOptions
from towpath._wire.http1 import Http1Limits
from towpath._wire.http2 import Limits

INTRO: Final = """\
# Every setting

A service reads these from its service file, `towpath.toml`. Every setting is optional unless its default is "required". An unknown key,
or a value that cannot be used, ends the start with an error that names the file and the key. [Look up a setting](../howto/settings.md) has
the tables as a file, with what belongs together. [Why each default](../explanation/defaults.md) has the reasons, and
[variables](variables.md) has the environment.

A duration is a text of seconds such as `"0.5s"`. A size is a number of bytes, or a text such as `"32MiB"`.
"""


SYSTEM: Final = tuple(
    f"[{field.encode_name}]" if get_origin(field.type) is not dict else f"[{field.encode_name}.NAME]"
    for field in msgspec.structs.fields(system_file._File)
)
"""The tables of the system file, in its order."""

SYSTEM_INTRO: Final = """\
The tables below are those of the [system file](../howto/add-a-service.md), `system.toml`, which `towpath up`, `dev` and `check` read.
"""


class Named(NamedTuple):
    """A key that has another name than its option, and neither unit nor range."""

    option: str


class Source(NamedTuple):
    """Where a struct's defaults, units and descriptions are."""

    keys: Mapping[str, Key | Named]
    """The `Key`s of its keys, by their names in the file."""
    options: tuple[type, ...]
    """The classes of the options, the first of which that has an option counts."""


SOURCES: Final[Mapping[type, Source]] = {
    service_file._Service: Source(
        {"header_limit": server_options.HEADER_LIMIT, "idempotency_memory": MEMORY, "max_timeout": server_options.MAX_TIMEOUT},
        (service_file.ServiceConfig, server_options.ServerOptions),
    ),
    tls.ServerTlsSettings: Source({}, (ServerTls,)),
    server_options.ConnectionSettings: Source(server_options.CONNECTIONS, (ConnectionLimits,)),
    server_options.KeepaliveSettings: Source(server_options.KEEPALIVE, (TcpKeepalive,)),
    server_options.Http1Settings: Source(server_options.HTTP1, (Http1Limits,)),
    server_options.Http2Settings: Source(server_options.HTTP2, (Limits,)),
    server_options.AdmissionSettings: Source({**server_options.LIMIT, **server_options.QUEUE}, (LimitOptions, QueueOptions)),
    cors.CorsSettings: Source({"max_age": cors._MAX_AGE}, (CorsOptions,)),
    messages.MessageTable: Source({}, (MessageOptions,)),
    telemetry_table.TelemetryTable: Source(
        {
            **recorder.RECORDER,
            "recorder_directory": Named("directory"),
            "sampling": Named("ratio"),
            **otlp.OTLP,
            **{f"otlp_{name}": Named(name) for name in ("endpoint", "protocol", "headers", "compression", "certificate", "kept")},
            **metrics.METRICS,
            "metrics_by": Named("by"),
            **loop.LOOP,
            "loop_monitor": Named("monitor"),
        },
        (
            recorder.RecorderOptions,
            sampling.SamplingOptions,
            ExportOptions,
            otlp.OtlpOptions,
            metrics.MetricsOptions,
            loop.LoopOptions,
        ),
    ),
    logs.LogsTable: Source({}, (logs.LogsOptions,)),
    logs.AccessTable: Source(logs.ACCESS, (AccessOptions,)),
    tls.ClientTlsSettings: Source({}, (ClientTls,)),
    targets.TargetSettings: Source(
        {"header_limit": server_options.HEADER_LIMIT},
        (targets.ConfiguredTarget, targets.ChannelLimits, resilience.Resilience, ChannelOptions),
    ),
    targets.ClientHttp2Settings: Source(server_options.WINDOWS, (Limits,)),
    targets.ConnectionBackoffSettings: Source(targets.CONNECTION_BACKOFF, (Backoff,)),
    targets.OutlierDetectionSettings: Source(targets.OUTLIER_DETECTION, (Ejection,)),
    targets.BudgetSettings: Source(targets.RETRY_BUDGET, (BudgetOptions,)),
    resilience.BreakerSettings: Source(resilience.BREAKER_KEYS, (BreakerOptions,)),
    resilience.ThrottleSettings: Source(resilience.THROTTLE_KEYS, (ThrottleOptions,)),
    method_config.MethodTable: Source({}, (MethodConfig,)),
    method_config.RetrySettings: Source({"retryableStatusCodes": Named("retryable_codes")}, (RetryPolicy,)),
    method_config.HedgingSettings: Source({"nonFatalStatusCodes": Named("non_fatal_codes")}, (HedgingPolicy,)),
    fallback.FallbackSettings: Source({}, (FallbackPolicy,)),
    system_file._System: Source({}, (system_file.SystemFile,)),
    quotas_and_bulkheads.QuotaTable: Source({}, (Quota, Rate)),
    quotas_and_bulkheads.BulkheadTable: Source({}, (Compartment,)),
}
"""What is known of each struct beside itself."""

NOTHING: Final = Source({}, ())


class Setting(NamedTuple):
    """One key of one table."""

    table: str
    key: str
    values: str
    default: str
    meaning: str


def settings_page(library: griffe.Module, missing: list[str]) -> str:
    """The page. Keys that nothing describes are added to `missing`."""
    found = list(settings(library, missing))
    parts = [INTRO]
    for name in dict.fromkeys(setting.table for setting in found):
        rows = [(f"`{one.key}`", one.values, one.default, one.meaning) for one in found if one.table == name]
        if name == SYSTEM[0]:
            parts.append(SYSTEM_INTRO)
        parts.append(f"## `{name}`\n\n{table(('key', 'values', 'default', 'what it does'), rows)}")
    return "\n".join(parts)


def settings(library: griffe.Module, missing: list[str]) -> Iterator[Setting]:
    """Every key, table by table: those of the service file, then those of the system file."""
    for field in msgspec.structs.fields(service_file._File):
        if field.encode_name == "settings":
            yield Setting(
                "[settings]",
                "NAME",
                "what its class says",
                "what its class says",
                "One of the service's own settings, see `App.settings_of`.",
            )
        else:
            yield from _tables_of(field.encode_name, field.type, library, missing)
    for field in msgspec.structs.fields(system_file._File):
        yield from _tables_of(field.encode_name, field.type, library, missing)


def _tables_of(where: str, kind: Any, library: griffe.Module, missing: list[str]) -> Iterator[Setting]:
    """The keys of the table `where`, and of those below it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is dict:
        name = '"SERVICE/METHOD"' if where.endswith("methods") else "NAME"
        plain = [one for one in get_args(arguments[1]) if one is str]
        if plain:
            yield Setting(f"[{where}]", name, "an address", "required", "The address of a target without settings of its own.")
        yield from _tables_of(f"{where}.{name}", arguments[1], library, missing)
        return
    if origin is tuple:
        yield from _keys_of(f"[[{where}]]", where, arguments[0], library, missing)
        return
    struct = _struct_in(kind)
    if struct is None:
        raise TypeError(f"{where} is no table: {kind}")
    yield from _keys_of(f"[{where}]", where, struct, library, missing)


def _keys_of(shown: str, where: str, struct: type, library: griffe.Module, missing: list[str]) -> Iterator[Setting]:
    below: list[tuple[str, Any]] = []
    source = SOURCES.get(struct, NOTHING)
    for field in msgspec.structs.fields(struct):
        inner = _struct_in(field.type)
        plain = [kind for kind in _kinds(field.type) if _struct_in(kind) is None]
        if inner is not None:
            below.append((f"{where}.{field.encode_name}", field.type))
        if inner is None or plain:
            yield Setting(
                shown,
                field.encode_name,
                _values(field, plain, source),
                _default(field, source),
                _meaning(struct, field, source, library, missing, f"{where}.{field.encode_name}"),
            )
    for path, kind in below:
        yield from _tables_of(path, kind, library, missing)


def _kinds(kind: Any) -> list[Any]:
    """The types of a union, without None; else the one type."""
    if get_origin(kind) in {types.UnionType, Union}:
        return [one for part in get_args(kind) for one in _kinds(part) if one is not types.NoneType]
    return [kind]


def _struct_in(kind: Any) -> type | None:
    """The struct that a type is, or has in it."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return next((struct for part in get_args(kind) if (struct := _struct_in(part)) is not None), None)


# -------------------------------------------------------------------------------------------------------------- values


def _values(field: Any, kinds: list[Any], source: Source) -> str:
    key = source.keys.get(field.encode_name)
    if isinstance(key, Seconds):
        off = f', or `"{OFF}"`' if key.can_be_off else ""
        return f'duration, `"{key.told(key.least)}"` to `"{key.told(key.most)}"`{off}'
    if isinstance(key, Number):
        whole = "whole number" if int in kinds else "number"
        return f"{whole}{f' of {key.unit}' if key.unit else ''}, {key.told(key.least)} to {key.told(key.most)}"
    if str in kinds and int in kinds:
        return "size"
    if kinds == [str] and _is_duration(field, source):
        return "duration"
    return ", or ".join(dict.fromkeys(_told_kind(kind) for kind in kinds))


def _told_kind(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return words(f'"{word}"' for word in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {'texts' if get_args(kind)[0] is str else 'tables'}"
    if get_origin(kind) is dict:
        return "table"
    return {bool: "`true`, `false`", int: "whole number", float: "number", str: "text"}.get(kind, "date")


def _is_duration(field: Any, source: Source) -> bool:
    """Whether the text becomes a number of seconds."""
    for options in source.options:
        for option in dataclasses.fields(options) if dataclasses.is_dataclass(options) else ():
            if option.name == field.name:
                return float in _kinds(typing.get_type_hints(options)[option.name])
    return False


# ------------------------------------------------------------------------------------------------------------ defaults


def _default(field: Any, source: Source) -> str:
    key = source.keys.get(field.encode_name)
    value = field.default
    if field.required:
        return "required"
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is None or (value == "" and isinstance(value, str)):
        found = _option_default(field, key, source)
        value = found if found is not None and not isinstance(found, type(dataclasses.MISSING)) else None
        if isinstance(key, Seconds):
            return f'`"{key.told(value)}"`'
        if isinstance(value, float) and _kinds(field.type) == [str] and _is_duration(field, source):
            return f'`"{value:.12g}s"`'
    return _told_value(value)


def _option_default(field: Any, key: Key | Named | None, source: Source) -> Any:
    name = field.name if key is None else key.option
    for options in source.options:
        for option in dataclasses.fields(options) if dataclasses.is_dataclass(options) else ():
            if option.name in {name, field.name}:
                return option.default if option.default is not dataclasses.MISSING else None
    return None


def _told_value(value: Any) -> str:
    if isinstance(value, Trust):
        return _told_value(trust.told(value))
    if isinstance(value, Address):
        return f'`"{value}"`, a free port'
    if value is None or (isinstance(value, tuple | dict | frozenset) and not value):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:.12g}`"
    if isinstance(value, tuple):
        return words(f'"{one}"' for one in cast("tuple[Any, ...]", value))
    if isinstance(value, frozenset):
        return words(sorted(f'"{one.name}"' for one in cast("frozenset[Any]", value)))
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


# -------------------------------------------------------------------------------------------------------- descriptions


def _meaning(struct: type, field: Any, source: Source, library: griffe.Module, missing: list[str], path: str) -> str:
    key = source.keys.get(field.encode_name)
    option = field.name if key is None else key.option
    names = [(struct, field.name), *((options, name) for options in source.options for name in dict.fromkeys((option, field.name)))]
    text = next((text for owner, name in names if (text := _docstring(library, owner, name))), "")
    text = re.sub(r",? ?\(?see `towpath\.[^`]*`\)?", "", text)
    if not text or "None" in text or "towpath._" in text:
        missing.append(f"the setting {path}: {text or 'no docstring'}")
    variable = next((one.name for one in VARIABLES if one.setting == path), None)
    return f"{text} The variable `{variable}` wins over it." if variable else text


def _docstring(library: griffe.Module, owner: type, name: str) -> str:
    """The docstring of an attribute of the class, or of a class that it is made of."""
    for kind in owner.__mro__:
        if kind.__module__.startswith("towpath"):
            member = cast("griffe.Class", library[f"{kind.__module__}.{kind.__qualname__}".removeprefix("towpath.")]).members.get(name)
            if member is not None and member.docstring is not None:
                return inspect.cleandoc(member.docstring.value)
    return ""
