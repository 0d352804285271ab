"""What can be set of a channel."""

from dataclasses import dataclass, field

from towpath._core.errors import SetupError
from towpath._transport.client.connection_backoff import Backoff
from towpath._transport.client.load_balancing.balancer import PICKERS
from towpath._transport.client.load_balancing.outlier_ejection import Ejection
from towpath._wire.protocols import CLIENT_HALVES


@dataclass(frozen=True, kw_only=True)
class ChannelOptions:
    """All times in seconds. Raises SetupError for what cannot be meant."""

    protocol: str = "grpc"
    """What calls are made in: "grpc", or "connect" or "grpc-web" for servers and proxies that know no gRPC. Each of them goes over HTTP/2.
    Health is asked over gRPC in any case."""

    balancer: str = "peak_ewma"
    """How an endpoint is chosen among those that are ready: "peak_ewma" or "least_request", both the better of two drawn at random, or
    "round_robin"."""

    slow_start: float = 10.0
    """How long a new connection's endpoint gets less than its share; 0 for not at all."""

    subset_size: int | None = None
    """How many endpoints to use; None for all."""

    subset_client: int = 0
    """The number of this client among those of the target, from 0, by which clients are spread evenly over subsets."""

    max_connections: int = 8
    """How many connections one endpoint may have. There is one, and another is made when all have as many calls under way as the server
    takes on a connection; it is given back once it is idle. With 1 calls wait instead."""

    connect_timeout: float = 20.0
    """The limit on TCP, TLS and the server's settings together."""

    backoff: Backoff = field(default_factory=Backoff)
    """The pause between attempts to connect."""

    max_age: float | None = 300.0
    """When a connection is replaced, give or take a tenth, so that clients find new servers behind one address; None for never."""

    resolve_interval: float = 30.0
    """How often a name is resolved again. A lost connection has it resolved too, but not within 1 s."""

    keepalive_time: float | None = None
    """The silence after which a connection is pinged that had calls in that time; it is cut if it does not answer. None for never. In any
    case a connection is pinged once two calls in a row had no answer, see `towpath._transport.client.endpoints.keepalive`."""

    keepalive_timeout: float = 20.0
    """How long the answer to a ping may take, and how long bytes that were sent may wait for any sign of the server's machine."""

    health_service: str | None = None
    """Whose health each server is asked by `grpc.health.v1`: a service's, or the whole server's with ""; None for not asking. A server that
    says that it is not serving gets no calls until it says that it is."""

    ejection: Ejection | None = field(default_factory=Ejection)
    """Whether endpoints are left out whose answers are much worse than those of the others; None for not. It needs five endpoints or more,
    see `towpath._transport.client.load_balancing.outlier_ejection`."""

    def __post_init__(self) -> None:
        if self.protocol not in CLIENT_HALVES:
            raise SetupError(f"protocol is {self.protocol!r}; give one of {', '.join(CLIENT_HALVES)}")
        if self.balancer not in PICKERS:
            raise SetupError(f"balancer is {self.balancer!r}; give one of {', '.join(PICKERS)}")
        if self.subset_client < 0 or self.slow_start < 0:
            raise SetupError("subset_client and slow_start are 0 or more")
        if not self.max_connections >= 1:
            raise SetupError(f"max_connections is {self.max_connections}; give 1 or more")
        for name in ("subset_size", "connect_timeout", "max_age", "resolve_interval", "keepalive_time", "keepalive_timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SetupError(f"{name} is {value}; give more than 0")
