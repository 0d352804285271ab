"""What can be set of the export of spans. `towpath._app.settings.telemetry.otlp` reads it from the service file and from OpenTelemetry's
variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

Protocol = Literal["grpc", "http/protobuf"]


class Endpoint(NamedTuple):
    """Where a collector listens."""

    host: str
    """A name or an address; one of IPv6 without brackets."""
    port: int
    """Of TCP."""
    path: str = ""
    """With its query, of HTTP alone."""
    is_secure: bool = False
    """Whether it speaks TLS."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        path, query, _ = self.path.partition("?")  # which may hold a secret
        return f"http{'s' if self.is_secure else ''}://{host}:{self.port}{path}{query and '?...'}"


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Where spans go, and how many may wait on the way. All times in seconds."""

    endpoint: Endpoint
    """The collector to which spans of sampled calls go."""
    protocol: Protocol = "http/protobuf"
    """What is spoken to the collector."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # they may hold secrets
    """Sent with each request, such as an authorization."""
    timeout: float = 10.0
    """The limit on one request, from the connection to the answer."""
    compression: Literal["gzip", "none"] = "none"
    """What requests are compressed with."""
    certificate: Path | None = None
    """The PEM file with the authorities that are trusted in place of the system's."""
    client_certificate: Path | None = None
    """The PEM file with the certificate that a collector is shown which asks for one."""
    client_key: Path | None = None
    """The PEM file with the private key of the certificate."""
    kept: bool = False
    """Whether spans of calls go out that were kept as slow or failed, and not sampled."""
    queue: int = 2048
    """How many spans wait at the most. Further ones wait in the recorder's ring, and are dropped from there once that is half full."""
    batch: int = 512
    """How many spans a request has at the most."""
    delay: float = 5.0
    """How long a span waits at the most for others to go with it."""
    resource: Mapping[str, str] = field(default_factory=dict[str, str])
    """Attributes of the process, such as `deployment.environment.name`. They win over what towpath says of it."""
