"""What a service allows its clients: the tables of `[service]` with the limits of its server.

    [service]
    header_limit = 16384             # bytes of a request's header fields, over HTTP/1.1 and HTTP/2
    compression = "gzip"             # of the answers to callers that accept it; "off" without it
    json_defaults = "print"          # JSON has fields that have their default; "omit", without it, leaves them out
    max_timeout = "contract"         # the longest timeout of a caller: its method's, or a duration for unary calls; "off" without it

    [service.connections]            # see `towpath._transport.server.connections.connection_limits.ConnectionLimits`
    max_connections = 10000
    max_per_peer = 100               # of one host; any number without it, since a proxy is one host
    max_age = "1800s"                # after which a client is asked to connect anew; never without it
    head_timeout = "20s"
    unused_timeout = "300s"          # or "off"
    idle_timeout = "3600s"           # or "off"
    ping_time = "300s"               # and ping_timeout: of clients with calls under way over HTTP/2
    body_timeout = "60s"             # or "off": of a request that is one message, and a second more for each 500 bytes of it
    unread_timeout = "240s"          # or "off": of a client that reads nothing of what waits for it
    max_buffered = 33554432          # bytes of requests in part and answers that are not read, of all connections together

    [service.keepalive]              # of TCP, by which a server notices clients that vanished
    time = "120s"                    # silence after which TCP asks a client; "off" for never
    timeout = "120s"                 # how long no answer may come

    [service.http1]                  # see `towpath._wire.http1.limits.Http1Limits`
    max_header_fields = 100          # and overhead_burst, overhead_per_second

    [service.http2]                  # see `towpath._wire.http2.limits.Limits`
    max_concurrent_streams = 256
    stream_window = 262144           # and connection_window, max_frame_size: bytes
    reset_burst = 1000               # and resets_per_second, overhead_burst, overhead_per_second

    [service.cors]                   # pages of other origins: see `towpath._app.settings.server.cors`

    [service.admission]              # or admission = "on", "shadow" or "off" in [service]
    mode = "on"
    initial_limit = 20               # and min_limit, max_limit: see `towpath._layers.admission.adaptive_limit.LimitOptions`
    target = "0.005s"                # and interval, max_lag, max_queue_length: see `towpath._layers.admission.wait_limits.QueueOptions`

Each limit has a range. A value outside of it is a SetupError that names the file, the key and the range.
"""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

import msgspec

from towpath._app.settings.option_tables import OFF, Keys, Number, Seconds, options
from towpath._app.settings.server.cors import CorsSettings
from towpath._core.errors import SetupError
from towpath._layers.admission.adaptive_limit import DEFAULT_LIMIT, LimitOptions
from towpath._layers.admission.wait_limits import DEFAULT_QUEUE, QueueOptions
from towpath._transport import ConnectionLimits
from towpath._transport.server.method_route import MaxTimeout
from towpath._transport.socket_options import MAX_KEEPALIVE, TcpKeepalive
from towpath._wire.codec import JsonDefaults
from towpath._wire.compression import CompressionName
from towpath._wire.cors import CorsOptions
from towpath._wire.http1 import Http1Limits
from towpath._wire.http2 import DEFAULT_LIMITS, Limits
from towpath._wire.http2.frames import DEFAULT_MAX_FRAME_SIZE, DEFAULT_WINDOW, LARGEST_MAX_FRAME_SIZE, MAX_WINDOW

AdmissionMode = Literal["off", "shadow", "on"]
"""Whether an overloaded server rejects calls ("on"), only counts those that it would reject ("shadow"), or neither ("off")."""

CompressionSetting = CompressionName | Literal["off"]
"""A compression of messages, or "off" for none."""

DEFAULT_HEADER_LIMIT: Final = DEFAULT_LIMITS.max_header_list
"""Bytes of the header fields of a message without a setting."""

_BLOCK: Final = 4
"""How many times as large as its limit a header list may be on its way, encoded: no octet takes more than 30 bits (RFC 7541)."""

CONTRACT: Final = "contract"
"""The `max_timeout` by which no call outlasts the timeout that its method's contract declares."""

MAX_TIMEOUT: Final = Seconds("max_timeout", can_be_off=True)
"""The range of `max_timeout`."""

HEADER_LIMIT: Final = Number("header_limit", 1024, 1024 * 1024, "bytes")
"""The range of `header_limit`, of servers and targets."""

CONNECTIONS: Final[Keys] = {
    "max_connections": Number("total", 1, 1_000_000),
    "max_per_peer": Number("per_peer", 1, 1_000_000),
    "max_age": Seconds("max_age", 0.1, can_be_off=True),
    "head_timeout": Seconds("head_timeout", 0.1),
    "unused_timeout": Seconds("unused_timeout", 0.1, can_be_off=True),
    "idle_timeout": Seconds("idle_timeout", 0.1, can_be_off=True),
    "ping_time": Seconds("keepalive_time", 0.1, can_be_off=True),
    "ping_timeout": Seconds("keepalive_timeout", 0.1),
    "body_timeout": Seconds("body_timeout", 0.1, can_be_off=True),
    "unread_timeout": Seconds("unread_timeout", 0.1, can_be_off=True),
    "max_buffered": Number("max_buffered", 1024 * 1024, 1024**4, "bytes"),
}

KEEPALIVE: Final[Keys] = {"time": Seconds("time", 1, MAX_KEEPALIVE, can_be_off=True), "timeout": Seconds("timeout", 1, MAX_KEEPALIVE)}

OVERHEAD: Final[Keys] = {
    "overhead_burst": Number("overhead_burst", 1, 1_000_000_000),
    "overhead_per_second": Number("overhead_per_second", 0, 1_000_000_000),
}
"""What a client may do beside what its calls need, on a connection of either HTTP."""

HTTP1: Final[Keys] = {"max_header_fields": Number("max_fields", 1, 100_000), **OVERHEAD}

WINDOWS: Final[Keys] = {
    "stream_window": Number("stream_window", DEFAULT_WINDOW, MAX_WINDOW, "bytes"),
    "connection_window": Number("connection_window", DEFAULT_WINDOW, MAX_WINDOW, "bytes"),
    "max_frame_size": Number("max_frame_size", DEFAULT_MAX_FRAME_SIZE, LARGEST_MAX_FRAME_SIZE, "bytes"),
}
"""What HTTP/2 allows the other side to send, of servers and targets."""

HTTP2: Final[Keys] = {
    "max_concurrent_streams": Number("max_concurrent_streams", 1, MAX_WINDOW),
    **WINDOWS,
    "reset_burst": Number("reset_burst", 1, 1_000_000_000),
    "resets_per_second": Number("resets_per_second", 0, 1_000_000_000),
    **OVERHEAD,
}

LIMIT: Final[Keys] = {
    "initial_limit": Number("initial", 1, 1_000_000),
    "min_limit": Number("min_limit", 1, 1_000_000),
    "max_limit": Number("max_limit", 1, 1_000_000),
}

QUEUE: Final[Keys] = {
    "max_queue_length": Number("max_length", 1, 10_000_000),
    "target": Seconds("target"),
    "interval": Seconds("interval"),
    "max_lag": Seconds("max_lag"),
}


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The table `[service.connections]`, as the file has it."""

    max_connections: int | None = None
    max_per_peer: int | None = None
    max_age: str | None = None
    head_timeout: str | None = None
    unused_timeout: str | None = None
    idle_timeout: str | None = None
    ping_time: str | None = None
    ping_timeout: str | None = None
    body_timeout: str | None = None
    unread_timeout: str | None = None
    max_buffered: int | None = None


class KeepaliveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The table `[service.keepalive]`, as the file has it."""

    time: str | None = None
    timeout: str | None = None


class Http1Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The table `[service.http1]`, as the file has it."""

    max_header_fields: int | None = None
    """Fields that the head of a request may have."""
    overhead_burst: int | None = None
    overhead_per_second: float | None = None
    """Such requests and pieces a second, on average."""


class Http2Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The table `[service.http2]`, as the file has it."""

    max_concurrent_streams: int | None = None
    stream_window: int | None = None
    connection_window: int | None = None
    max_frame_size: int | None = None
    reset_burst: int | None = None
    """Calls that a client may take back at once before they are answered. Only those count that exceed half of its calls."""
    resets_per_second: float | None = None
    overhead_burst: int | None = None
    """Frames that a client may send at once beside what its calls need (see `docs/howto/floods.md`)."""
    overhead_per_second: float | None = None


class AdmissionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The table `[service.admission]`, as the file has it."""

    mode: AdmissionMode = "on"
    """Whether an overloaded server rejects calls, with "shadow" only counts those that it would reject, or neither."""
    initial_limit: int | None = None
    """Calls of a method that may be under way while the event loop is late, before anything was learnt."""
    min_limit: int | None = None
    """The limit never learns to be less."""
    max_limit: int | None = None
    """The limit never learns to be more. Calls that were under way while the loop was in time stay allowed even so."""
    max_queue_length: int | None = None
    target: str | None = None
    interval: str | None = None
    max_lag: str | None = None


@dataclass(frozen=True, kw_only=True)
class AdmissionOptions:
    """The limits by which an overloaded server chooses the calls that it rejects. They hold for each method by itself."""

    limit: LimitOptions = DEFAULT_LIMIT
    """The calls that may be under way while the event loop is late."""
    queue: QueueOptions = DEFAULT_QUEUE
    """The calls that may wait, and for how long."""


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What a server allows its clients. The fields are the tables and keys of `[service]` with their names. Raises SetupError for a
    `header_limit` out of its range."""

    header_limit: int = DEFAULT_HEADER_LIMIT
    """Bytes of a request's header fields. It decides `max_header_list`, `max_header_block` and `max_continuations` of `http2`, and
    `max_head` of `http1`."""
    compression: CompressionName | None = None
    """The compression of answers to callers that accept it; None for none."""
    json_defaults: JsonDefaults = "omit"
    """Whether JSON leaves out fields without presence that have their default ("omit"), or has them ("print"): over REST, Connect and
    gRPC-Web, in messages of streams and details of errors, and in what `towpath call` prints."""
    max_timeout: MaxTimeout = None
    """The longest timeout that a caller gets: seconds, for unary calls; "contract" for what contracts declare; None for any."""
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    """How many connections there are, and how old they get."""
    keepalive: TcpKeepalive | None = field(default_factory=TcpKeepalive)
    """When TCP asks silent clients whether they are there; None for never."""
    http1: Http1Limits = field(default_factory=Http1Limits)
    """What a connection of HTTP/1.1 allows its client."""
    http2: Limits = DEFAULT_LIMITS
    """What a connection of HTTP/2 allows its client."""
    cors: CorsOptions | None = None
    """Which pages of other origins may call; None for none."""

    def __post_init__(self) -> None:
        HEADER_LIMIT.read(self.header_limit, "header_limit")


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of `[service]` that make its `ServerOptions`."""

    header_limit: int | None = None
    """Bytes that the header fields of a request may have, over HTTP/1.1 and HTTP/2."""
    compression: CompressionSetting = "off"
    """The compression of answers to callers that accept it."""
    json_defaults: JsonDefaults = "omit"
    """Whether JSON leaves out fields that have their default ("omit"), or has them ("print")."""
    max_timeout: str = OFF
    """The longest timeout that a caller gets: a duration for unary calls, or "contract" for what each method's contract declares. With
    "off" a caller gets what it asks for."""
    connections: ConnectionSettings = ConnectionSettings()
    keepalive: KeepaliveSettings = KeepaliveSettings()
    http1: Http1Settings = Http1Settings()
    http2: Http2Settings = Http2Settings()
    cors: CorsSettings | None = None

    def server_options(self, where: str) -> ServerOptions:
        """The options, checked. Raises SetupError that names the place below `where`."""
        return ServerOptions(
            header_limit=header_limit(self.header_limit, where),
            compression=None if self.compression == "off" else self.compression,
            json_defaults=self.json_defaults,
            max_timeout=_max_timeout(self.max_timeout, f"{where}.max_timeout"),
            connections=options(ConnectionLimits, self.connections, CONNECTIONS, f"{where}.connections"),
            keepalive=_keepalive(self.keepalive, f"{where}.keepalive"),
            http1=options(Http1Limits, self.http1, HTTP1, f"{where}.http1"),
            http2=options(Limits, self.http2, HTTP2, f"{where}.http2"),
            cors=None if self.cors is None else self.cors.options(f"{where}.cors"),
        )


def header_limit(setting: int | None, where: str) -> int:
    """The bytes of a `header_limit` in the table `where`. Raises SetupError for one out of its range."""
    return DEFAULT_HEADER_LIMIT if setting is None else int(HEADER_LIMIT.read(setting, f"{where}.header_limit"))


def with_header_limit(limits: Limits, size: int) -> Limits:
    """`limits` with room for header lists of `size` bytes, in blocks and frames that are large enough for them."""
    block = _BLOCK * size
    frames = -(-block // limits.max_frame_size)
    continuations = max(DEFAULT_LIMITS.max_continuations, frames)
    return replace(limits, max_header_list=size, max_header_block=block, max_continuations=continuations)


def admission_of(setting: AdmissionMode | AdmissionSettings, where: str) -> tuple[AdmissionMode, AdmissionOptions]:
    """The mode of `service.admission`, and its limits. Raises SetupError that names the place `where`, and the key."""
    if isinstance(setting, str):
        return setting, AdmissionOptions()
    for name, key in LIMIT.items():
        if getattr(setting, name) is not None:
            key.read(getattr(setting, name), f"{where}.{name}")
    lowest = DEFAULT_LIMIT.min_limit if setting.min_limit is None else setting.min_limit
    highest = setting.max_limit
    if highest is None:  # the default, or what the others ask for
        highest = max(DEFAULT_LIMIT.max_limit, lowest, setting.initial_limit or 0)
    initial = setting.initial_limit
    if initial is None:
        initial = min(max(DEFAULT_LIMIT.initial, lowest), highest)
    whole = msgspec.structs.replace(setting, initial_limit=initial, min_limit=lowest, max_limit=highest)
    if not lowest <= initial <= highest:
        raise SetupError(
            f"{where}: min_limit is {lowest}, initial_limit {initial} and max_limit {highest}; give each no less than the one before"
        )
    return setting.mode, AdmissionOptions(
        limit=options(LimitOptions, whole, LIMIT, where), queue=options(QueueOptions, whole, QUEUE, where)
    )


def _max_timeout(setting: str, where: str) -> MaxTimeout:
    if setting == CONTRACT:
        return CONTRACT
    try:
        return MAX_TIMEOUT.read(setting, where)
    except SetupError as error:
        raise SetupError(f'{error}; or "{CONTRACT}" for the timeouts that contracts declare') from None


def _keepalive(setting: KeepaliveSettings, where: str) -> TcpKeepalive | None:
    if setting.time == OFF:
        options(TcpKeepalive, msgspec.structs.replace(setting, time=None), KEEPALIVE, where)
        return None
    return options(TcpKeepalive, setting, KEEPALIVE, where)
