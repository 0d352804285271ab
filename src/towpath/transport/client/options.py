"""What can be set of a channel."""

from dataclasses import dataclass, field

from towpath.core.errors import SetupError
from towpath.transport.client.backoff import Backoff
from towpath.transport.client.load_balancing.balancer import Policy
from towpath.transport.client.load_balancing.outlier_ejection import Ejection
from towpath.wire.client_protocol import CLIENT_PROTOCOLS

_POLICIES = ("peak_ewma", "least_request", "round_robin")


@dataclass(frozen=True, kw_only=True)
class ChannelOptions:
    """All times in seconds.

    `protocol` (gRPC) is what calls are spoken in: "connect" or "grpc-web" for servers and proxies that know no gRPC. All three go over
    HTTP/2, and health is asked over gRPC whichever it is.
    `balancer` chooses among ready endpoints: "peak_ewma" (default) or "least_request", each of two drawn at random, or "round_robin".
    `slow_start` (10; 0 for none) is how long a new connection's endpoint gets less than its share. `subset_size` (None: all) is how many
    endpoints to use, and `subset_client` the number of this client among those of the target, from 0: by it clients are spread evenly.
    `connect_timeout` (20) bounds TCP, TLS and the server's settings; `backoff` is between attempts. `max_age` (300, give or take a tenth;
    None: any) is when a connection is replaced, so that clients find new servers behind one address. `resolve_interval` (30) is how often
    a name is resolved again; a lost connection has that done too, but not within 1 s. `keepalive_time` (None: never) is the silence
    after which a connection with calls under way is pinged, `keepalive_timeout` (20) how long it may take to answer, and TCP to deliver.

    `health_service` (None: not asked; "" for the whole server) is whose health each server is asked to tell, by `grpc.health.v1`: one that
    says that it is not serving gets no calls until it says that it is.

    `ejection` (on; None: off) leaves out endpoints whose answers are much worse than those of the others, see
    `towpath.transport.client.load_balancing.outlier_ejection`; it needs five endpoints or more.
    """

    protocol: str = "grpc"
    balancer: Policy = "peak_ewma"
    slow_start: float = 10.0
    subset_size: int | None = None
    subset_client: int = 0
    connect_timeout: float = 20.0
    backoff: Backoff = field(default_factory=Backoff)
    max_age: float | None = 300.0
    resolve_interval: float = 30.0
    keepalive_time: float | None = None
    keepalive_timeout: float = 20.0
    health_service: str | None = None
    ejection: Ejection | None = field(default_factory=Ejection)

    def __post_init__(self) -> None:
        """Raises SetupError for what cannot be meant."""
        if self.protocol not in CLIENT_PROTOCOLS:
            raise SetupError(f"protocol is {self.protocol!r}; give one of {', '.join(CLIENT_PROTOCOLS)}")
        if self.balancer not in _POLICIES:
            raise SetupError(f"balancer is {self.balancer!r}; give one of {', '.join(_POLICIES)}")
        if self.subset_client < 0 or self.slow_start < 0:
            raise SetupError("subset_client and slow_start are 0 or more")
        for name in ("subset_size", "connect_timeout", "max_age", "resolve_interval", "keepalive_time", "keepalive_timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SetupError(f"{name} is {value}; give more than 0")
