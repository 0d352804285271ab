"""From a request's head to what serves it. Decided once per distinct head, since a client's calls of one method have the same."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from towpath.core.context import Criticality
from towpath.core.errors import Code, RpcError, SetupError
from towpath.core.service import Handler, Layer, MethodKind, MethodSpec, Service, compose
from towpath.core.streaming import exchange_handler
from towpath.wire.dialect import Dialect
from towpath.wire.grpc.dialect import GrpcDialect
from towpath.wire.grpc.framing import ENCODINGS
from towpath.wire.grpc.propagation import Inherited
from towpath.wire.http2 import Field, Section

_CONTENT_TYPE: Final = b"application/grpc"
_KNOWN_TYPES: Final = frozenset({b"application/grpc", b"application/grpc+proto"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoint:
    """One method with its composed stack. `timeout` is in seconds, None for no end; it holds if the caller sends none, as `criticality`
    does. The method's name and types stand here once more, since each call reads them."""

    method: MethodSpec[Any, Any]
    handler: Handler
    name: str
    request: type[Message]
    response: type[Message]
    timeout: float | None
    criticality: Criticality


class Route:
    """A head that asks for the endpoint of a unary method over gRPC, with what it says of the call."""

    __slots__ = ("accepts_gzip", "endpoint", "gzip", "head", "inherited")

    def __init__(self, head: Section, endpoint: Endpoint) -> None:
        self.head = head
        self.endpoint = endpoint
        self.gzip, self.accepts_gzip = _compression(head)
        self.inherited = Inherited(head.fields, endpoint.criticality)


class Dialogue(ABC):
    """A head that asks for an endpoint in a protocol that `towpath.transport.exchange` speaks through a dialect."""

    __slots__ = ("endpoint", "head", "inherited")

    def __init__(self, head: Section, endpoint: Endpoint) -> None:
        self.head = head
        self.endpoint = endpoint
        self.inherited = Inherited(head.fields, endpoint.criticality)

    @abstractmethod
    def dialect(self, extra: Sequence[Field], limit: int, compresses: bool) -> Dialect:
        """A new call's dialect. `extra` are the fields of the head that vary, `limit` the message limit in bytes, and `compresses` says
        whether the server compresses its answers where it may."""


class GrpcDialogue(Dialogue):
    """gRPC, of a method that streams."""

    __slots__ = ("_accepts_gzip", "_gzip")

    def __init__(self, head: Section, endpoint: Endpoint) -> None:
        super().__init__(head, endpoint)
        self._gzip, self._accepts_gzip = _compression(head)

    def dialect(self, extra: Sequence[Field], limit: int, compresses: bool) -> Dialect:
        """GRPC."""
        return GrpcDialect(self.endpoint.request, limit=limit, gzip_in=self._gzip, gzip_out=compresses and self._accepts_gzip)


class Refusal:
    """A head that cannot be served: the error to answer with, or None where the request is not gRPC at all."""

    __slots__ = ("error",)

    def __init__(self, error: RpcError | None) -> None:
        self.error = error


def _compression(head: Section) -> tuple[bool, bool]:
    """Whether a request's messages may be compressed, and whether its responses may be."""
    fields = dict(head.fields)
    accepted = fields.get(b"grpc-accept-encoding", b"").replace(b" ", b"").split(b",")
    return fields.get(b"grpc-encoding") == b"gzip", b"gzip" in accepted


class Routes:
    """Every method that a server serves, by path."""

    def __init__(self, services: Sequence[Service], layers: Sequence[Layer]) -> None:
        self._endpoints: dict[bytes, Endpoint] = {}
        self._services: set[str] = set()
        for service in services:
            if service.spec.name in self._services:
                raise SetupError(f"service {service.spec.name} is served twice; give the server one implementation of it")
            self._services.add(service.spec.name)
            for method, handler in service.handlers():
                innermost = handler if method.kind is MethodKind.UNARY else exchange_handler(method.kind, handler)
                self._endpoints[method.path.encode()] = Endpoint(
                    method=method,
                    handler=compose(layers, method, innermost),
                    name=method.full_name,
                    request=method.request,
                    response=method.response,
                    timeout=method.default_timeout,
                    criticality=method.default_criticality,
                )

    def resolve(self, head: Section) -> Route | Dialogue | Refusal:
        """What becomes of a head, from now on remembered on it."""
        route = head.memo = self._resolve(head)
        return route

    def _resolve(self, head: Section) -> Route | Dialogue | Refusal:
        fields = dict(head.fields)
        content_type = fields.get(b"content-type", b"").split(b";")[0].strip()
        if head.method != b"POST" or not content_type.startswith(_CONTENT_TYPE):
            return Refusal(None)
        if content_type not in _KNOWN_TYPES:
            return Refusal(RpcError(Code.INTERNAL, f"content-type {content_type.decode('latin-1')!r} is not supported; use protobuf"))
        encoding = fields.get(b"grpc-encoding", b"identity")
        if encoding not in ENCODINGS:
            return Refusal(RpcError(Code.UNIMPLEMENTED, f"grpc-encoding {encoding.decode('latin-1')!r} is not supported; use gzip"))
        endpoint = self._endpoints.get(head.path)
        if endpoint is None:
            return Refusal(self._unknown(head.path.decode("latin-1")))
        return Route(head, endpoint) if endpoint.method.kind is MethodKind.UNARY else GrpcDialogue(head, endpoint)

    def _unknown(self, path: str) -> RpcError:
        service, _, method = path.removeprefix("/").rpartition("/")
        if service in self._services:
            return RpcError(Code.UNIMPLEMENTED, f"service {service} has no method {method!r}")
        return RpcError(Code.UNIMPLEMENTED, f"this server has no service {service!r}")
