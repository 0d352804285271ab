"""What a protocol of calls is made of: a half for clients and a half for servers, without IO.

Each protocol is one class, an `RpcProtocol` in its room of `towpath._wire`. `towpath._wire.protocols` lists all of them. A channel asks a
protocol for its client half. A server asks each protocol for its server half, which says what a request's head asks for, and runs the call
that the head asks for.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from towpath._core.context import Context, Criticality
from towpath._core.disclosure.printable import shortened
from towpath._core.errors import Code, RpcError
from towpath._core.http_bindings import UnknownQuery
from towpath._core.service import MethodSpec, ServiceSpec
from towpath._wire.codec import BodyCodec, JsonDefaults
from towpath._wire.compression import Compression, EncodingFields, Negotiation
from towpath._wire.dialect import Dialect, WholeResponse
from towpath._wire.http.fields import Field, Section
from towpath._wire.response_reader import StreamResponseReader, UnaryResponseReader

_USER_AGENT: Final = b"towpath-python"


def request_head(path: str, scheme: bytes, authority: bytes, own: Sequence[Field]) -> list[Field]:
    """The fields that begin every call of the method at `path`; `own` are those of the protocol."""
    return [
        (b":method", b"POST"),
        (b":scheme", scheme),
        (b":path", path.encode()),
        (b":authority", authority),
        *own,
        (b"user-agent", _USER_AGENT),
    ]


@dataclass(frozen=True, kw_only=True)
class ClientHalf:
    """How requests of one protocol are written, and what reads their answers. The requests of a stream are enveloped as gRPC's are."""

    unary_fields: Callable[[Compression | None], list[Field]]
    """The fields of a unary call's head beside HTTP's own, by the compression of requests."""

    stream_fields: Callable[[Compression | None], list[Field]]
    """The fields of a stream's head beside HTTP's own, by the compression of requests."""

    literals: Callable[[Context, float, Criticality], bytes]
    """The encoded fields of a head that differ from call to call: of a call, at a time, of a method. A call of the method's own criticality
    has no field for it."""

    unary_body: Callable[[bytes, Compression | None], bytes]
    """The body of a unary request, from its message and the compression."""

    unary_reader: Callable[[int], UnaryResponseReader]
    """What reads the answer of a unary call, within a message limit in bytes."""

    stream_reader: Callable[[int], StreamResponseReader]
    """What reads the answer of a stream, within a message limit in bytes."""


class MethodTable:
    """The methods that a server serves, how their bindings to HTTP treat a query parameter that no request has, and what the server's JSON
    does with defaults."""

    def __init__(
        self, services: Iterable[ServiceSpec], unknown_query: UnknownQuery = "refuse", json_defaults: JsonDefaults = "omit"
    ) -> None:
        specs = list(services)
        self._services: Final = frozenset(spec.name for spec in specs)
        self.by_path: Final = {method.path.encode(): method for spec in specs for method in spec.methods}
        """The methods by the path of their requests."""
        self.unknown_query: Final = unknown_query
        self.json_defaults: Final[JsonDefaults] = json_defaults

    def unknown(self, path: str) -> RpcError:
        """The error of a call to `path`, where no method is."""
        service, _, method = path.removeprefix("/").rpartition("/")
        if service in self._services:
            return RpcError(Code.UNIMPLEMENTED, f"service {service} has no method {shortened(method)!r}")
        return RpcError(Code.UNIMPLEMENTED, f"this server has no service {shortened(service)!r}")


class DialectFactory(ABC):
    """What a request's head asks for: a method, in one form of a protocol. It makes the dialect of each call that begins with the head."""

    __slots__ = ("codec", "method", "negotiation")

    encoding_fields: ClassVar[EncodingFields]
    """The fields that say how the request is compressed, and how the response may be."""

    ends_with_trailers: ClassVar[bool] = False
    """Whether the protocol says how a call ended in HTTP's trailers, which few clients of HTTP/1.1 read."""

    def __init__(self, method: MethodSpec[Any, Any], codec: BodyCodec, negotiation: Negotiation) -> None:
        self.method: Final = method
        """What is called."""
        self.codec: Final = codec
        """How messages are encoded."""
        self.negotiation: Final = negotiation
        """What the head says of compression. A call's own fields may say something else."""

    @abstractmethod
    def dialect(self, negotiation: Negotiation, preferred: Compression | None, limit: int) -> Dialect:
        """The dialect of a new call. The server compresses responses with `preferred` where `negotiation` allows it. `limit` is the message
        limit in bytes."""

    def error_response(self, dialect: Dialect, fault: RpcError) -> WholeResponse:
        """The response to a call whose request is compressed in an unknown way, of which `fault` tells."""
        return dialect.error_response(fault, None)


class ServerHalf(ABC):
    """How one server understands requests in one protocol."""

    @abstractmethod
    def resolve(self, head: Section, content_type: bytes) -> DialectFactory | WholeResponse | None:
        """What a request with `head` asks for, or the response to a head that asks for nothing which is served. None if the head is not of
        this protocol. `content_type` is the head's, in lower case and without parameters."""

    def has(self, http_method: bytes, path: bytes) -> bool:
        """Whether HTTP's method may ask for something at `path` in this protocol. The path is no method's own, and has no query."""
        return False


class RpcProtocol(ABC):
    """A protocol of calls. It has no state."""

    name: ClassVar[str]
    """What users call it."""

    content_types: ClassVar[Mapping[bytes, BodyCodec]] = {}
    """The content types that a request to a method's own path may have, and how each of them encodes messages."""

    client: ClassVar[ClientHalf | None] = None
    """How clients call in it; None for a protocol in which towpath only serves."""

    @abstractmethod
    def server(self, methods: MethodTable) -> ServerHalf:
        """How a server of `methods` is called in it. Raises SetupError for methods that cannot be served."""
