"""The service file, `towpath.toml`, and the environment that overrides it.

    [service]
    name = "search"
    listen = "127.0.0.1:8080"                            # or "unix:///run/search.sock"
    contracts = ["skyline.search.v1.search_towpath"]     # generated modules: the contracts that this file's names are from
    admin = "127.0.0.1:9090"                             # the address for probes and scrapers; none without it
    workers = 2                                          # processes that serve, each of which may use one core; 1 without it
    settle = "5s"                                        # how long to go on serving after SIGTERM, while callers learn of it
    grace = "5s"                                         # how long running calls may then take to end
    reflection = "trusted"                               # who may read the service's contracts from it: or true (all), false (nobody)
    openapi = "trusted"                                  # who may read /openapi.json, which describes the service's REST API
    deprecation_warnings = true                          # whether the log tells of the first use of a deprecated method or field
    unknown_query = "ignore"                             # REST ignores unknown query parameters; "refuse", the default, is a 400
    idempotency = "sqlite:///run/keys.db"                # the store of answers by key; "memory" without it
    idempotency_memory = 33554432                        # bytes of keys and answers in memory
    message_limit = 4194304                              # bytes of a request message, or "4MiB"; gRPC's default of 4 MiB without it
    admission = "shadow"                                 # only count calls that are too many; "on", the default, rejects them
    quota_store = "redis://cache:6379/0"                 # counts calls for all processes together; "local" without it
    settings = "shop.settings:ShopSettings"              # the class of [settings], which `towpath config` and `doctor` look at
    trust = ["10.4.0.0/16"]                              # whose tenants and criticalities hold (`towpath._app.settings.trust`)

    [service.tls]                                        # the service's own certificate; paths are relative to this file
    certificate = "tls.crt"
    key = "tls.key"
    client_ca = "clients.crt"                            # callers need a certificate signed by one of these

    [targets]
    flights = "127.0.0.1:8081"                           # or "dns:///flights:8081", "static:///a:1,b:2", "unix:///run/flights.sock"

    [targets.airports]                                   # a target with settings (see `towpath._app.settings.targets`)
    address = "dns:///airports:8081"
    balancer = "round_robin"
    health_service = "skyline.airports.v1.AirportsService"

    [tls]                                                # the authorities that its calls trust, and its certificate as a client
    ca = "ca.crt"                                        # the system's authorities without it
    certificate = "tls.crt"
    key = "tls.key"

    [settings]                                           # the service's own (see `towpath._app.settings.own`)
    currency = "EUR"

    [telemetry]                                          # what is recorded of calls (see `towpath._app.settings.telemetry`)
    recorder_rows = 65536

    [[methodConfig]]                                     # the shape of gRPC's service config
    name = [{ service = "skyline.flights.v1.FlightsService", method = "GetFlight" }]
    timeout = "0.5s"
    criticality = "SHEDDABLE"
    retryPolicy = { maxAttempts = 4 }                    # or hedgingPolicy (see `towpath._app.settings.method_config`)
    fallback = { maxAge = "60s" }                        # the last good answer, or a value (see `towpath._app.settings.fallback`)

Tables that name methods or services take a service without its package if that is not ambiguous (`towpath._app.settings.method_names`). A
name that no contract has is an error. There is one exception: in a file that lists no contracts, an unknown service in `[[methodConfig]]`
is only a warning in the log, since a client of it may be imported later (`towpath._app.methods`).

`towpath._app.settings.server_options` explains the limits of the server: `service.header_limit`, `service.compression`,
`[service.connections]`, `[service.keepalive]`, `[service.http1]`, `[service.http2]` and `[service.admission]`.
`towpath._app.settings.server.messages` explains `[service.methods]`, by which single methods have other limits.
`towpath._app.settings.quotas_and_bulkheads` explains `[quotas]` and `[bulkheads]`, which limit tenants and methods.
`towpath._app.settings.declarations` explains `service.owns`, `service.serves`, `[[calls]]` and `[[waivers]]`; only `towpath check` reads
them.

Plaintext is spoken on the loopback address alone, unless `service.insecure = true` or TOWPATH_INSECURE=1 says that it is meant, such as
behind a mesh's sidecar. A service without a configured address listens on a free port of 127.0.0.1. An unknown key or an unusable value is
a SetupError that names file and field; nothing is guessed.

Variables win over the file: `towpath._app.vocabulary.variables` has them. An address that holds a password belongs in a variable."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from towpath._app.settings import toml
from towpath._app.settings.declarations import NOTHING, CallTable, Declarations, WaiverTable
from towpath._app.settings.duration import parse_duration
from towpath._app.settings.idempotency_store import memory_of
from towpath._app.settings.method_config import MethodTable
from towpath._app.settings.own.own_settings import OwnSettings, variables_of
from towpath._app.settings.quotas_and_bulkheads import LOCAL, BulkheadTable, NamedBulkhead, NamedQuota, QuotaTable, bulkheads_of, quotas_of
from towpath._app.settings.server.messages import MessageTable, NamedMessageOptions, check_budget, messages_of
from towpath._app.settings.server.size import message_limit_of
from towpath._app.settings.server_options import (
    AdmissionMode,
    AdmissionOptions,
    AdmissionSettings,
    ServerOptions,
    ServerSettings,
    admission_of,
)
from towpath._app.settings.suggest import suggestion
from towpath._app.settings.targets import VARIABLE, ConfiguredTarget, TargetSettings, configured, normal_name
from towpath._app.settings.telemetry.table import TelemetryTable
from towpath._app.settings.telemetry.telemetry import TelemetryConfig, telemetry_of
from towpath._app.settings.tls import ClientTlsSettings, ServerTlsSettings
from towpath._app.settings.trust import trust_of
from towpath._contracts.policy import MethodConfig, by_method_name
from towpath._core.errors import SetupError
from towpath._core.http_bindings import UnknownQuery
from towpath._core.propagation.trust import DEFAULT_TRUST, Trust
from towpath._layers.idempotency.memory_store import DEFAULT_MAX_BYTES
from towpath._transport.address import Address, Place, parse_place
from towpath._transport.tls import ClientTls, ServerTls
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT

DEFAULT_FILE: Final = "towpath.toml"
"""The file that is read from the working directory, if it exists, when neither TOWPATH_CONFIG nor the program names another."""

DEFAULT_GRACE: Final = 5.0
"""Seconds that running calls may take to end once a service has been asked to stop."""

DEFAULT_NAME: Final = "towpath"
"""The name of a service whose file gives it none."""

Readers = bool | Literal["trusted"]
"""The callers that may read the contracts of a service: those that `service.trust` believes, all for true, and nobody for false."""

_ANYWHERE: Final = Address("127.0.0.1", 0)


class _Service(ServerSettings, frozen=True, kw_only=True):
    name: str = ""
    listen: str | None = None
    contracts: tuple[str, ...] = ()
    admin: str | None = None
    """The address for probes and scrapers. Without it there is none."""
    settle: str | None = None
    grace: str | None = None
    reflection: Readers = "trusted"
    openapi: Readers = "trusted"
    deprecation_warnings: bool = True
    unknown_query: UnknownQuery = "refuse"
    message_limit: int | str = DEFAULT_MESSAGE_LIMIT
    methods: dict[str, MessageTable] = msgspec.field(default_factory=dict[str, MessageTable])
    admission: AdmissionMode | AdmissionSettings = "on"
    idempotency: str = "memory"
    idempotency_memory: int = DEFAULT_MAX_BYTES
    quota_store: str = LOCAL
    insecure: bool = False
    trust: str | tuple[str, ...] | None = None
    settings: str = ""
    """The class of `[settings]`, as `module:Class`, for `towpath config` and `towpath doctor`."""
    workers: int = 1
    owns: tuple[str, ...] = ()
    """The data for which this service alone has the truth, for `towpath check`."""
    serves: tuple[str, ...] | None = None
    """The services that are served here, for `towpath check`. Without it the calls tell."""
    tls: ServerTlsSettings | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    service: _Service = _Service()
    tls: ClientTlsSettings | None = None
    targets: dict[str, str | TargetSettings] = {}
    method_config: tuple[MethodTable, ...] = ()
    quotas: dict[str, QuotaTable] = {}
    bulkheads: dict[str, BulkheadTable] = {}
    calls: tuple[CallTable, ...] = ()
    waivers: tuple[WaiverTable, ...] = ()
    telemetry: TelemetryTable = TelemetryTable()
    settings: dict[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class ServiceConfig:
    """The configuration of one process, from file and environment."""

    name: str = DEFAULT_NAME
    """The name of the service in its log and in `towpath check`."""
    listen: Place = _ANYWHERE
    """The address on which the service listens."""
    listen_where: str = "the default address"
    """Where `listen` was set, for messages."""
    admin: Place | None = None
    """The address for probes and scrapers; None for no such address."""
    settle: float = 0.0
    """Seconds for which the service goes on serving after SIGTERM, while callers learn that it ends."""
    grace: float = DEFAULT_GRACE
    """Seconds that running calls may take to end after `settle`."""
    reflection: Readers = "trusted"
    """The callers that `grpc.reflection` tells the contracts."""
    openapi: Readers = "trusted"
    """The callers that get the OpenAPI document, at `/openapi.json`."""
    deprecation_warnings: bool = True
    """Whether the server logs the first call of each deprecated method, and the first request with each deprecated field."""
    unknown_query: UnknownQuery = "refuse"
    """Whether REST refuses a query parameter that is no field of the request, or ignores it."""
    message_limit: int = DEFAULT_MESSAGE_LIMIT
    """Bytes that a request message may have, before and after decompression."""
    messages: tuple[NamedMessageOptions, ...] = ()
    """The tables of `[service.methods]`: other limits, and compressions, of single methods' messages."""
    server: ServerOptions = field(default_factory=ServerOptions)
    """What the server allows its clients (see `towpath._app.settings.server_options`)."""
    admission: AdmissionMode = "on"
    """Whether an overloaded server rejects calls."""
    admission_options: AdmissionOptions = field(default_factory=AdmissionOptions)
    """The limits by which it chooses the calls."""
    idempotency: str = field(default="memory", repr=False)  # it may hold a password
    """The store of answers by idempotency key (see `towpath._app.settings.idempotency_store`)."""
    idempotency_where: str = "idempotency"
    """Where `idempotency` was set, for messages."""
    idempotency_memory: int = DEFAULT_MAX_BYTES
    """Bytes of keys and answers, if the store of them is in memory."""
    quota_store: str = field(default=LOCAL, repr=False)  # it may hold a password
    """The store that counts calls for quotas (see `towpath._app.settings.quotas_and_bulkheads`)."""
    quota_store_where: str = "quota_store"
    """Where `quota_store` was set, for messages."""
    quotas: tuple[NamedQuota, ...] = ()
    """The tables of `[quotas]`."""
    bulkheads: tuple[NamedBulkhead, ...] = ()
    """The tables of `[bulkheads]`."""
    insecure: bool = False
    """Whether plaintext is spoken beyond the loopback address."""
    trust: Trust = DEFAULT_TRUST
    """The callers whose words about tenant, criticality and the like hold (see `towpath._app.settings.trust`)."""
    workers: int = 1
    """The number of processes that serve."""
    tls: ServerTls | None = None
    """The certificate of the service; None for plaintext."""
    client_tls: ClientTls | None = None
    """The authorities that the service's own calls trust, and its certificate as a client."""
    contracts: tuple[str, ...] = ()
    """The generated modules whose methods the file names."""
    targets: Mapping[str, str | ConfiguredTarget] = field(default_factory=dict[str, str | ConfiguredTarget])
    """The targets that the service calls, by the normal form of their logical names."""
    methods: tuple[MethodConfig, ...] = ()
    """The entries of `[[methodConfig]]`, with names as the file has them."""
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)
    """What is recorded and told of calls (see `towpath._app.settings.telemetry`)."""
    own: OwnSettings = field(default_factory=OwnSettings, repr=False)  # they may hold secrets
    """The service's own settings, which `App.settings_of` gives a type."""
    own_class: str = ""
    """The class of the service's own settings, as `module:Class`, for commands."""
    declares: Declarations = NOTHING
    """The tables that only `towpath check` reads."""
    listen_fd: int | None = None
    """The file descriptor of an inherited listening socket, if the environment gives one."""
    notify_fd: int | None = None
    """The file descriptor on which to say READY=1, if the environment gives one."""
    metrics_dump: Path | None = None
    """Where to write the metrics at exit, if the environment says so."""
    worker: int | None = None
    """The number of this worker among several, if the environment gives one."""
    source: Path | None = None
    """The file that was read; None for no file."""

    def target(self, name: str) -> ConfiguredTarget:
        """The target with the logical name `name`. Raises SetupError that lists the known names if there is none."""
        target = self.targets.get(normal_name(name))
        if target is None:
            file = self.source or DEFAULT_FILE
            known = suggestion(normal_name(name), self.targets, kind="targets")
            variable = f"{VARIABLE}{normal_name(name).upper()}"
            raise SetupError(f"unknown target {name!r}; {known}; set targets.{name} in {file}, or {variable}")
        return ConfiguredTarget(target) if isinstance(target, str) else target


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> ServiceConfig:
    """The configuration of this process. TOWPATH_CONFIG wins over `path`. With neither, `towpath.toml` is read if it exists.

    `environ` defaults to the process environment. Raises SetupError for a mistake in the file or in the environment.
    """
    env = os.environ if environ is None else environ
    source = _source(path, env)
    file = _File() if source is None else toml.read(source, _File)

    listen, listen_where = _listen(file.service.listen, source, env)
    grace, settle = file.service.grace, file.service.settle
    admission, admission_options = admission_of(file.service.admission, f"{source}: service.admission")
    server = file.service.server_options(f"{source}: service")
    messages = messages_of(file.service.methods, f"{source}: service.methods")
    check_budget(messages, server.connections.max_buffered)
    methods = tuple(item.config(f"{source}: methodConfig[{index}]") for index, item in enumerate(file.method_config))
    by_method_name(methods)  # two entries for one name are an error now, and not when the first client is made
    return ServiceConfig(
        name=file.service.name or DEFAULT_NAME,
        listen=listen,
        listen_where=listen_where,
        admin=_admin(file.service.admin, source, env),
        settle=0.0 if settle is None else parse_duration(settle, f"{source}: service.settle", zero=True),
        grace=DEFAULT_GRACE if grace is None else parse_duration(grace, f"{source}: service.grace", zero=True),
        reflection=file.service.reflection,
        openapi=file.service.openapi,
        deprecation_warnings=file.service.deprecation_warnings,
        unknown_query=file.service.unknown_query,
        message_limit=message_limit_of(file.service.message_limit, f"{source}: service.message_limit"),
        messages=messages,
        server=server,
        admission=admission,
        admission_options=admission_options,
        idempotency=env.get("TOWPATH_IDEMPOTENCY") or file.service.idempotency,
        idempotency_where=_where("idempotency", source, env),
        idempotency_memory=memory_of(file.service.idempotency_memory, f"{source}: service.idempotency_memory"),
        quota_store=env.get("TOWPATH_QUOTA_STORE") or file.service.quota_store,
        quota_store_where=_where("quota_store", source, env),
        quotas=quotas_of(file.quotas, source),
        bulkheads=bulkheads_of(file.bulkheads, source),
        insecure=file.service.insecure or env.get("TOWPATH_INSECURE", "") not in ("", "0"),
        trust=trust_of(env.get("TOWPATH_TRUST") or file.service.trust, _where("trust", source, env)),
        workers=_workers(file.service.workers, source, env),
        tls=None if source is None or file.service.tls is None else file.service.tls.resolved(source),
        client_tls=None if source is None or file.tls is None else file.tls.resolved(source),
        contracts=file.service.contracts,
        targets=configured(file.targets, source, env),
        methods=methods,
        telemetry=telemetry_of(file.telemetry, f"{source}: telemetry", env),
        own=OwnSettings(file.settings, variables_of(env), source),
        own_class=file.service.settings,
        declares=Declarations(owns=file.service.owns, serves=file.service.serves, calls=file.calls, waivers=file.waivers),
        listen_fd=_number("TOWPATH_LISTEN_FD", env, "a file descriptor"),
        notify_fd=_number("TOWPATH_NOTIFY_FD", env, "a file descriptor"),
        metrics_dump=Path(env["TOWPATH_METRICS_DUMP"]) if env.get("TOWPATH_METRICS_DUMP") else None,
        worker=_number("TOWPATH_WORKER", env, "a worker's number"),
        source=source,
    )


def _source(path: Path | None, env: Mapping[str, str]) -> Path | None:
    if env.get("TOWPATH_CONFIG"):
        return Path(env["TOWPATH_CONFIG"])
    default = Path(DEFAULT_FILE)
    return path or (default if default.is_file() else None)


def _listen(setting: str | None, source: Path | None, env: Mapping[str, str]) -> tuple[Place, str]:
    if env.get("TOWPATH_LISTEN"):
        return parse_place(env["TOWPATH_LISTEN"], "TOWPATH_LISTEN"), "TOWPATH_LISTEN"
    if setting is not None:
        where = f"{source}: service.listen"
        return parse_place(setting, where), where
    return _ANYWHERE, "the default address"


def _where(setting: str, source: Path | None, env: Mapping[str, str]) -> str:
    """The variable or the field of the file that sets `service.<setting>`, for messages."""
    variable = f"TOWPATH_{setting.upper()}"
    if env.get(variable):
        return variable
    return setting if source is None else f"{source}: service.{setting}"


def _admin(setting: str | None, source: Path | None, env: Mapping[str, str]) -> Place | None:
    if env.get("TOWPATH_ADMIN"):
        return parse_place(env["TOWPATH_ADMIN"], "TOWPATH_ADMIN")
    return None if setting is None else parse_place(setting, f"{source}: service.admin")


def _workers(setting: int, source: Path | None, env: Mapping[str, str]) -> int:
    where, text = f"{source}: service.workers", env.get("TOWPATH_WORKERS")
    if text:
        where, setting = "TOWPATH_WORKERS", int(text) if text.isascii() and text.isdigit() else 0
    if setting < 1:
        raise SetupError(f"{where}: {text or setting!r} is no number of processes; write 1 or more, such as the number of cores")
    return setting


def _number(variable: str, env: Mapping[str, str], what: str) -> int | None:
    text = env.get(variable)
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise SetupError(f"{variable}: {text!r} is not {what}; it is set by whoever starts the process, and a number")
    return int(text)
