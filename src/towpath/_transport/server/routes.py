"""From a request's head to what serves it: by path to the method's route, by content type to the protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from towpath._core.calls.blocking import asynchronous
from towpath._core.calls.stream_handler import exchange_handler
from towpath._core.early_rejection import early_rejection_of
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.service import Handler, Layer, MethodKind, Service, compose
from towpath._transport.server.protocols import CONTENT_TYPES, Dialogue, MethodRoute, get_dialogue
from towpath._transport.server.rest import RestRoutes
from towpath._wire.codec import PROTO
from towpath._wire.compression import GRPC_FIELDS, Negotiation, negotiate
from towpath._wire.connect.errors import HTTP_STATUS, error_body
from towpath._wire.dialect import Answer
from towpath._wire.grpc import status
from towpath._wire.grpc.dialect import HEAD
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT
from towpath._wire.grpc.propagation import Inherited
from towpath._wire.http.fields import Section, Template


@dataclass(frozen=True, slots=True)
class Document:
    """What a GET is answered with that is no call: a content type, a body and HTTP's status."""

    content_type: str
    body: bytes
    status: int = 200


Documents = Mapping[str, Callable[[], Document]]
"""Documents by path, each made when it is asked for."""

NO_DOCUMENTS: Final[Documents] = {}

_GRPC: Final = b"application/grpc"
_FOREIGN: Final = Template((b":status", b"415"), (b"accept-post", b", ".join(sorted(CONTENT_TYPES))))
_NOT_POST: Final = Template((b":status", b"405"), (b"allow", b"POST"))
_NOT_FOUND: Final = Template((b":status", b"404"), (b"content-type", b"application/json"))


class Route:
    """A head that asks for a unary method over gRPC, with what it says of the call."""

    __slots__ = ("head", "inherited", "message_limit", "method_route", "negotiation")

    def __init__(self, head: Section, method_route: MethodRoute, negotiation: Negotiation) -> None:
        self.head = head
        self.method_route = method_route
        self.message_limit = method_route.message_limit  # once more, for each call reads it
        self.negotiation = negotiation
        self.inherited = Inherited(head.fields, method_route.criticality)


class Settled:
    """A head whose answer needs no call: what is wrong with it, or a document."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Answer | Callable[[], Answer]) -> None:
        self._answer = answer

    @property
    def answer(self) -> Answer:
        """What to answer with, now."""
        answer = self._answer
        return answer if isinstance(answer, Answer) else answer()

    @staticmethod
    def grpc(error: RpcError) -> "Settled":
        """An error, as gRPC says it."""
        return Settled(Answer(HEAD, status.encode(error), b""))


class Routes:
    """Every method that a server serves, by path. `documents` are what a GET of their paths is answered with, `message_limit` is each
    method's in bytes."""

    def __init__(
        self,
        services: Sequence[Service],
        layers: Sequence[Layer],
        documents: Documents = NO_DOCUMENTS,
        *,
        message_limit: int = DEFAULT_MESSAGE_LIMIT,
    ) -> None:
        self._documents = {path.encode(): Settled(_answering(document)) for path, document in documents.items()}
        self._method_routes: dict[bytes, MethodRoute] = {}
        self._innermost: list[tuple[MethodRoute, Handler]] = []
        self._services: set[str] = set()
        for service in services:
            if service.spec.name in self._services:
                raise SetupError(f"service {service.spec.name} is served twice; give the server one implementation of it")
            self._services.add(service.spec.name)
            for method, handler in service.handlers():
                innermost = asynchronous(handler) if method.kind is MethodKind.UNARY else exchange_handler(method.kind, handler)
                method_route = self._method_routes[method.path.encode()] = MethodRoute(
                    method=method,
                    handler=innermost,
                    name=method.full_name,
                    request=method.request,
                    response=method.response,
                    timeout=method.default_timeout,
                    criticality=method.default_criticality,
                    message_limit=message_limit,
                )
                self._innermost.append((method_route, innermost))
        self.compose(layers)
        self._rest = RestRoutes(self._method_routes.values())

    def compose(self, layers: Sequence[Layer]) -> None:
        """Put `layers` around every handler, in place of those that are there. Calls under way end in the stack that they began in."""
        composed = [compose(layers, method_route.method, innermost) for method_route, innermost in self._innermost]
        for (method_route, _), handler in zip(self._innermost, composed, strict=True):
            method_route.handler = handler
            if method_route.method.kind is MethodKind.UNARY:
                method_route.early_rejection = early_rejection_of(layers, method_route.method)

    def resolve(self, head: Section) -> Route | Dialogue | Settled:
        """What becomes of a head, from now on remembered on it."""
        route = head.route = self._resolve(head)
        return route

    def _resolve(self, head: Section) -> Route | Dialogue | Settled:
        fields = dict(head.fields)
        content_type = fields.get(b"content-type", b"").split(b";")[0].strip().lower()
        path, _, query = head.path.partition(b"?")
        method_route = self._method_routes.get(path)
        if content_type.startswith(_GRPC) and head.method == b"POST":
            return self._grpc(head, content_type, method_route)
        if method_route is None:
            return self._beyond_methods(head, path, content_type)
        if head.method == b"GET":
            try:
                dialogue = get_dialogue(head, method_route, query.decode("latin-1"))
            except RpcError as error:
                return _plain(error)
            return dialogue or Settled(Answer(_NOT_POST, (), b""))
        if head.method != b"POST":
            return Settled(Answer(_NOT_POST, (), b""))
        opening, codec = CONTENT_TYPES.get(content_type, (None, PROTO))
        found = None if opening is None else opening(head, method_route, codec)
        return found or Settled(Answer(_FOREIGN, (), b""))

    def _grpc(self, head: Section, content_type: bytes, method_route: MethodRoute | None) -> Route | Dialogue | Settled:
        opening, codec = CONTENT_TYPES.get(content_type, (None, PROTO))
        if opening is None:
            text = f"content-type {content_type.decode('latin-1')!r} is not supported; use application/grpc+proto or +json"
            return Settled.grpc(RpcError(Code.INTERNAL, text))
        negotiation = negotiate(GRPC_FIELDS, dict(head.fields))
        if negotiation.fault is not None:
            return Settled.grpc(negotiation.fault)
        if method_route is None:
            return Settled.grpc(self._unknown(head.path.decode("latin-1")))
        if method_route.method.kind is MethodKind.UNARY and content_type in (_GRPC, _GRPC + b"+proto"):
            return Route(head, method_route, negotiation)
        return opening(head, method_route, codec) or Settled(Answer(_FOREIGN, (), b""))

    def _beyond_methods(self, head: Section, path: bytes, content_type: bytes) -> Dialogue | Settled:
        document = self._documents.get(path)
        if document is not None and head.method in (b"GET", b"HEAD"):
            return document
        if self._rest.any and path.startswith(b"/") and b"." not in path[1:].partition(b"/")[0]:  # else it is like a method's own path
            found = self._rest.resolve(head, content_type)
            return Settled(found) if isinstance(found, Answer) else found
        return Settled(Answer(_NOT_FOUND, (), error_body(self._unknown(path.decode("latin-1")))))

    def _unknown(self, path: str) -> RpcError:
        service, _, method = path.removeprefix("/").rpartition("/")
        if service in self._services:
            return RpcError(Code.UNIMPLEMENTED, f"service {service} has no method {method!r}")
        return RpcError(Code.UNIMPLEMENTED, f"this server has no service {service!r}")


def _answering(document: Callable[[], Document]) -> Callable[[], Answer]:
    heads: dict[tuple[int, str], Template] = {}

    def answer() -> Answer:
        made = document()
        key = made.status, made.content_type
        head = heads.get(key)
        if head is None:
            fields = (b":status", b"%d" % made.status), (b"content-type", made.content_type.encode()), (b"cache-control", b"no-store")
            head = heads[key] = Template(*fields)
        return Answer(head, (), made.body)

    return answer


_PLAIN: Final = {code: Template((b":status", b"%d" % http), (b"content-type", b"application/json")) for code, http in HTTP_STATUS.items()}


def _plain(error: RpcError) -> Settled:
    return Settled(Answer(_PLAIN[error.code], (), error_body(error)))
