"""`[targets]` of the service file: the targets that a service calls, and the options of their channels.

    [targets]
    flights = "127.0.0.1:8081"

    [targets.airports]
    address = "dns:///airports:8081"
    protocol = "connect"                    # or "grpc-web"; default "grpc"
    balancer = "round_robin"                # or "least_request"; default "peak_ewma"
    health_service = "airports.v1.Airports" # the service whose health is watched, by its full name; "" for the server as a whole
    subset_size = 20                        # how many endpoints to use; all without it
    subset_client = 3                       # this client's number among those of the target
    slow_start = "10s"
    connect_timeout = "20s"
    max_age = "300s"                        # or "off"
    resolve_interval = "30s"
    keepalive_time = "60s"
    keepalive_timeout = "20s"
    message_limit = 4194304                 # bytes of a response message, or "4MiB"
    header_limit = 16384                    # bytes of a response's header fields
    compression = "gzip"                    # of requests; "off" without it
    http2 = { stream_window = 262144, connection_window = 4194304, max_frame_size = 16384 }
    connection_backoff = { initial_delay = "0.1s", multiplier = 1.6, jitter = 0.2, max_delay = "10s" }
    outlier_detection = false               # compare no endpoints (gRFC A50); true without it; or a table with its values
    breaker = "shadow"                      # only count calls that the breaker would keep away; or "off"; "on" without it; or a table
    throttle = "off"                        # or "shadow"; "on" without it; or a table
    layers = ["shop.layers:Audit"]          # the service's own layers around its calls; the first one is outermost
    retry_budget = { ratio = 0.1, per_second = 5.0, concurrent_ratio = 0.2, min_concurrent = 3 }

Tables `[targets.airports.methods."Service/Method"]` have the limits of single methods (`towpath._app.settings.server.messages`).
`towpath.transport.ChannelOptions`, `Backoff` and `Ejection` explain the settings and their defaults, `towpath._app.settings.resilience` the
last three, and `towpath._wire.http2.limits.Limits` those of HTTP/2. A variable TOWPATH_TARGET_<NAME> replaces the address alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from towpath._app.settings.duration import parse_duration
from towpath._app.settings.option_tables import OFF, Keys, Number, Seconds, options
from towpath._app.settings.resilience import DEFAULT, BreakerSettings, Mode, Resilience, ThrottleSettings, breaker_of, throttle_of
from towpath._app.settings.server.messages import MessageTable, NamedMessageOptions, messages_of
from towpath._app.settings.server.size import message_limit_of
from towpath._app.settings.server_options import DEFAULT_HEADER_LIMIT, HEADER_LIMIT, WINDOWS, CompressionSetting, header_limit
from towpath._core.errors import SetupError
from towpath._layers.retry_budget import BudgetOptions
from towpath._transport import Backoff, ChannelOptions, Ejection
from towpath._transport.client.endpoints.target import Target
from towpath._wire.compression import CompressionName
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT
from towpath._wire.http2 import DEFAULT_LIMITS, Limits

VARIABLE: Final = "TOWPATH_TARGET_"
"""The start of the name of each variable that sets a target's address."""

DURATIONS: Final = ("slow_start", "connect_timeout", "max_age", "resolve_interval", "keepalive_time", "keepalive_timeout")
"""The settings of a target whose values are durations."""


LAYER_PATH: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
"""The form of a layer's import path: a module, a colon, and a name in the module."""

MESSAGE_LIMIT: Final = Number("message_limit", 1, 2**32 - 1, "bytes")
"""The range of a target's `message_limit`: gRPC has four bytes for the size of a message."""

CONNECTION_BACKOFF: Final[Keys] = {
    "initial_delay": Seconds("initial"),
    "multiplier": Number("factor", 1, 1000),
    "jitter": Number("jitter", 0, 1),
    "max_delay": Seconds("most"),
}

OUTLIER_DETECTION: Final[Keys] = {
    "interval": Seconds("interval"),
    "base_ejection_time": Seconds("base_time"),
    "max_ejection_time": Seconds("most_time"),
    "max_ejected_share": Number("most_share", 0.001, 1),
    "min_hosts": Number("hosts", 1, 1_000_000),
    "min_requests": Number("requests", 1, 1_000_000_000),
    "stdev_factor": Number("sigmas", 0.001, 1000),
}

RETRY_BUDGET: Final[Keys] = {
    "ratio": Number("ratio", 0, 10),
    "per_second": Number("per_second", 0, 1_000_000),
    "concurrent_ratio": Number("concurrent_ratio", 0, 10),
    "min_concurrent": Number("min_concurrent", 0, 1_000_000),
}


class ClientHttp2Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A table `http2` of a target, as the file has it."""

    stream_window: int | None = None
    connection_window: int | None = None
    max_frame_size: int | None = None


class ConnectionBackoffSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A table `connection_backoff` of a target, as the file has it."""

    initial_delay: str | None = None
    multiplier: float | None = None
    jitter: float | None = None
    max_delay: str | None = None


class OutlierDetectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A table `outlier_detection` of a target, as the file has it. gRFC A50 has its names."""

    interval: str | None = None
    base_ejection_time: str | None = None
    max_ejection_time: str | None = None
    max_ejected_share: float | None = None
    min_hosts: int | None = None
    min_requests: int | None = None
    stdev_factor: float | None = None


class BudgetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A `retry_budget`, as the file has it. `towpath._layers.retry_budget.BudgetOptions` explains its fields."""

    RENAMED: ClassVar = {"least_concurrent": "min_concurrent"}

    ratio: float | None = None
    per_second: float | None = None
    concurrent_ratio: float | None = None
    min_concurrent: int | None = None


class TargetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A table of `[targets]`, as the file has it."""

    address: str
    """What the service calls: "127.0.0.1:8082", "dns:///flights:8081", "static:///a:1,b:2" or "unix:///run/flights.sock"."""
    protocol: str | None = None
    balancer: str | None = None
    health_service: str | None = None
    """The service whose health each server is asked by `grpc.health.v1`, by its full name; "" for that of the whole server. A server that
    is not serving gets no calls. Without it no server is asked."""
    subset_size: int | None = None
    """How many endpoints to use. Without it all of them."""
    subset_client: int | None = None
    slow_start: str | None = None
    max_connections: int | None = None
    connect_timeout: str | None = None
    max_age: str | None = None
    """When a connection is replaced, give or take a tenth, so that clients find new servers behind one address; or "off"."""
    resolve_interval: str | None = None
    keepalive_time: str | None = None
    """The silence after which a connection is pinged that had calls in that time; it is cut if it does not answer. With "off", the default,
    a connection is pinged only once two calls in a row had no answer."""
    keepalive_timeout: str | None = None
    message_limit: int | str | None = None
    """Bytes that a response message may have, before and after decompression."""
    header_limit: int | None = None
    """Bytes that the header fields of a response may have."""
    compression: CompressionSetting = "off"
    """The compression of requests."""
    methods: dict[str, MessageTable] = {}
    http2: ClientHttp2Settings = ClientHttp2Settings()
    connection_backoff: ConnectionBackoffSettings = ConnectionBackoffSettings()
    outlier_detection: bool | OutlierDetectionSettings = True
    """Whether endpoints are left out for a while whose answers are much worse than those of the others. It needs five endpoints or more."""
    breaker: Mode | BreakerSettings = "on"
    throttle: Mode | ThrottleSettings = "on"
    retry_budget: BudgetSettings = BudgetSettings()
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChannelLimits:
    """What a client allows the servers of one target, and the compression of its requests. Sizes are in bytes. Raises SetupError for a
    `message_limit` or `header_limit` out of its range."""

    message_limit: int = DEFAULT_MESSAGE_LIMIT
    """What a response message may have, before and after decompression."""
    header_limit: int = DEFAULT_HEADER_LIMIT
    """What the header fields of a response may have. It decides `max_header_list`, `max_header_block` and `max_continuations` of
    `http2`."""
    compression: CompressionName | None = None
    """The compression of requests; None for none."""
    methods: tuple[NamedMessageOptions, ...] = ()
    """Other limits, and compressions, of single methods' messages."""
    http2: Limits = DEFAULT_LIMITS
    """What a connection of HTTP/2 allows its server."""

    def __post_init__(self) -> None:
        MESSAGE_LIMIT.read(self.message_limit, "message_limit")
        HEADER_LIMIT.read(self.header_limit, "header_limit")


NO_OTHER_LIMITS: Final = ChannelLimits()
"""The limits of a target without settings."""


@dataclass(frozen=True)
class ConfiguredTarget:
    """The settings of one target, checked."""

    address: str
    """The text that says what the channel calls (see `towpath._transport.client.endpoints.target`)."""
    options: ChannelOptions = field(default_factory=ChannelOptions)
    """How the channel connects and chooses among endpoints."""
    resilience: Resilience = DEFAULT
    """How calls treat a target that fails or is overloaded."""
    limits: ChannelLimits = NO_OTHER_LIMITS
    """The limits of responses, and the compression of requests."""
    layers: tuple[str, ...] = ()
    """Import paths of the service's own layers around its calls, the first of them outermost (see `towpath._app.named_layers`)."""
    layers_where: str = field(default="layers", compare=False)
    """The place of `layers` in the file, for messages."""


def configured(named: Mapping[str, str | TargetSettings], source: Path | None, env: Mapping[str, str]) -> dict[str, ConfiguredTarget]:
    """The targets of file and environment together, by the normal form of their names. Raises SetupError that names the place and the
    mistake."""
    targets: dict[str, ConfiguredTarget] = {}
    for name, setting in named.items():
        where = f"{source}: targets.{name}"
        if normal_name(name) in targets:
            raise SetupError(f"{where} differs from another target only in case, '-' or '_'; rename one of them")
        if isinstance(setting, str):
            targets[normal_name(name)] = ConfiguredTarget(Target.parse(setting, where).text)
        else:
            address = Target.parse(setting.address, f"{where}.address").text
            channel, resilience, limits = _options(setting, where), _resilience(setting, where), _limits(setting, where)
            for number, path in enumerate(setting.layers):
                check_layer_path(path, f"{where}.layers[{number}]")
            targets[normal_name(name)] = ConfiguredTarget(address, channel, resilience, limits, setting.layers, f"{where}.layers")
    for variable, address in env.items():
        if variable.startswith(VARIABLE) and len(variable) > len(VARIABLE):
            name = normal_name(variable[len(VARIABLE) :])
            text = Target.parse(address, variable).text
            targets[name] = replace(targets[name], address=text) if name in targets else ConfiguredTarget(text)
    return targets


def _options(setting: TargetSettings, where: str) -> ChannelOptions:
    given: dict[str, Any] = {}
    for name in ChannelOptions.__dataclass_fields__:
        value = getattr(setting, name, None)
        if value == OFF and name in ("max_age", "keepalive_time"):
            given[name] = None
        elif value is not None:
            given[name] = parse_duration(value, f"{where}.{name}") if name in DURATIONS else value
    given["backoff"] = _backoff(setting.connection_backoff, f"{where}.connection_backoff")
    detection = setting.outlier_detection
    if detection is False:
        given["ejection"] = None
    elif isinstance(detection, OutlierDetectionSettings):
        given["ejection"] = options(Ejection, detection, OUTLIER_DETECTION, f"{where}.outlier_detection")
    try:
        return ChannelOptions(**given)
    except SetupError as error:
        raise SetupError(f"{where}: {error}") from None


def _backoff(setting: ConnectionBackoffSettings, where: str) -> Backoff:
    backoff = options(Backoff, setting, CONNECTION_BACKOFF, where)
    if backoff.initial <= backoff.most:
        return backoff
    if setting.max_delay is None:
        return replace(backoff, most=backoff.initial)
    if setting.initial_delay is None:
        return replace(backoff, initial=backoff.most)
    raise SetupError(f"{where}: initial_delay is {setting.initial_delay} and max_delay {setting.max_delay}; give the first no larger")


def _resilience(setting: TargetSettings, where: str) -> Resilience:
    budget = options(BudgetOptions, setting.retry_budget, RETRY_BUDGET, f"{where}.retry_budget")
    breaker, breaker_options = breaker_of(setting.breaker, f"{where}.breaker")
    throttle, throttle_options = throttle_of(setting.throttle, f"{where}.throttle")
    return Resilience(breaker=breaker, throttle=throttle, budget=budget, breaker_options=breaker_options, throttle_options=throttle_options)


def _limits(setting: TargetSettings, where: str) -> ChannelLimits:
    size = setting.message_limit
    return ChannelLimits(
        message_limit=DEFAULT_MESSAGE_LIMIT if size is None else message_limit_of(size, f"{where}.message_limit"),
        header_limit=header_limit(setting.header_limit, where),
        compression=None if setting.compression == "off" else setting.compression,
        methods=messages_of(setting.methods, f"{where}.methods"),
        http2=options(Limits, setting.http2, WINDOWS, f"{where}.http2"),
    )


def check_layer_path(path: str, where: str) -> None:
    """Check that `path` has the form of an import path. Raises SetupError that names the setting `where`."""
    if not LAYER_PATH.fullmatch(path):
        raise SetupError(f'{where} is {path!r}; give a module and a name in it, such as "shop.layers:Audit"')


def normal_name(name: str) -> str:
    """The form in which names of targets are compared. It ignores case and '-', since a variable's name has neither lower case nor '-'."""
    return name.lower().replace("-", "_")
