"""From a request's head to what serves it: by path to the method's route, by content type to the protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from towpath._core.calls.recording import received_rows
from towpath._core.calls.stream_handler import exchange_handler
from towpath._core.calls.thread_handlers import asynchronous
from towpath._core.calls.unstarted_calls import OnUnknown, unknown_callbacks, unstarted_callbacks
from towpath._core.early_rejection import early_rejection_of
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.http_bindings import UnknownQuery
from towpath._core.propagation.trust import Belief
from towpath._core.service import Handler, Layer, MethodKind, Service, compose
from towpath._transport.message_options import AS_USUAL, NO_METHODS, MethodOptions
from towpath._transport.server.direct_response import DirectResponse, UnknownMethodResponse
from towpath._transport.server.method_route import MaxTimeout, MethodRoute, max_timeout_of
from towpath._transport.server.mounts.mount import Mount, Mounts
from towpath._transport.server.mounts.mount_route import MountRoute
from towpath._transport.server.mounts.mounted_call import handler_of
from towpath._wire.codec import PROTO, JsonDefaults
from towpath._wire.compression import CompressionName, Negotiation, configured, negotiate
from towpath._wire.connect.errors import error_body
from towpath._wire.cors import Cors, CorsFields, CorsOptions
from towpath._wire.dialect import WholeResponse
from towpath._wire.grpc.dialect import trailers_only
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT
from towpath._wire.http.fields import REQUEST, Field, Section, Template
from towpath._wire.propagation import Inherited
from towpath._wire.protocol import DialectFactory, MethodTable, ServerHalf
from towpath._wire.protocols import GRPC, PROTOCOLS


@dataclass(frozen=True, slots=True)
class Document:
    """What a GET is answered with that is no call: a content type, a body and HTTP's status."""

    content_type: str
    body: bytes
    status: int = 200
    trusted_only: bool = False
    """Whether the callers alone get it whose words the server believes."""


Documents = Mapping[str, Callable[[], Document]]
"""Documents by path, each made when it is asked for."""

NO_DOCUMENTS: Final[Documents] = {}

_CONTENT_TYPES: Final = sorted(content_type for protocol in PROTOCOLS for content_type in protocol.content_types)
_FOREIGN: Final = Template((b":status", b"415"), (b"accept-post", b", ".join(_CONTENT_TYPES)))
_NOT_POST: Final = Template((b":status", b"405"), (b"allow", b"POST"))
_OPTIONS: Final = Template((b":status", b"200"), (b"allow", b"POST, OPTIONS"))
_NOT_FOUND: Final = Template((b":status", b"404"), (b"content-type", b"application/json"))

_UNEXPECTED: Final = Template((b":status", b"417"), (b"content-type", b"text/plain"))

_WITHHELD: Final = WholeResponse(
    Template((b":status", b"403"), (b"content-type", b"application/json"), (b"cache-control", b"no-store")),
    (),
    error_body(
        RpcError(
            Code.PERMISSION_DENIED,
            "this server shows its contracts to callers that it trusts (service.trust); service.openapi = true shows them to all",
        )
    ),
)
_NO_WEBSOCKET: Final = Template((b":status", b"501"), (b"content-type", b"text/plain"))
_WEBSOCKET: Final = b"sec-websocket-key"

_OVERSIZED: Final = Template((b":status", b"431"), (b"content-type", b"application/json"))
_GRPC: Final = b"application/grpc"


class GrpcUnaryRoute:
    """A head that asks for a unary method over gRPC, with what it says of the call."""

    __slots__ = ("inherited", "message_limit", "method_route", "negotiation")

    def __init__(self, head: Section, method_route: MethodRoute, negotiation: Negotiation, belief: Belief) -> None:
        self.method_route = method_route
        self.message_limit = method_route.message_limit  # once more, for each call reads it
        self.negotiation = negotiation
        self.inherited = Inherited(head.fields, method_route.criticality, belief)


class DialectRoute:
    """A head that asks for a method in any protocol, whose calls `towpath._transport.server.exchange` runs through a dialect."""

    __slots__ = (
        "_fields",
        "_negotiation",
        "bodiless",
        "cors",
        "dialects",
        "expects_continue",
        "inherited",
        "method_route",
        "needs_http2",
        "reads_on",
    )

    def __init__(
        self, head: Section, method_route: MethodRoute, dialects: DialectFactory, belief: Belief, *, expects_continue: bool = False
    ) -> None:
        # Not the head itself, which keeps its route: what an ended connection remembers of heads is freed at once.
        self._fields = head.fields
        self.bodiless = head.method == b"HEAD"
        self.method_route = method_route
        self.dialects = dialects
        self.inherited = Inherited(head.fields, method_route.criticality, belief)
        self.expects_continue = expects_continue
        self.cors: CorsFields | None = None
        """What responses have for pages of other origins; None without such a setting."""
        self.needs_http2 = dialects.ends_with_trailers or method_route.method.kind is MethodKind.BIDI_STREAMING
        self.reads_on = not (method_route.method.kind.requests_stream or dialects.ends_with_trailers)
        # What most calls over HTTP/1.1 need, whose heads have nothing that varies: 15 % of a GET of JSON when it was worked out per call.
        self._negotiation = dialects.negotiation

    def negotiation(self, extra: Sequence[Field]) -> Negotiation:
        """What the head of a call says of compression. `extra` are the fields of the head that vary."""
        names = self.dialects.encoding_fields
        for name, _ in extra:
            if name in {names.sent, names.accepted}:
                return negotiate(names, dict((*self._fields, *extra)))
        return self._negotiation


class DocumentResponse(DirectResponse):
    """A head that asks for a document."""

    __slots__ = ("_belief", "_cors", "_fields", "_heads", "_make")

    def __init__(self, head: Section, make: Callable[[], Document], heads: dict[tuple[int, str], Template], belief: Belief) -> None:
        """`heads` are the heads of documents that were sent before, by status and content type."""
        self._fields = head.fields
        self._make = make
        self._heads = heads
        self._belief = belief
        self._cors: CorsFields | None = None

    def answer(self, extra: Sequence[Field], /) -> WholeResponse:
        """The document, or that the caller must not see it."""
        response = self._document(extra)
        return response if self._cors is None else self._cors.response(response)

    def _document(self, extra: Sequence[Field]) -> WholeResponse:
        made = self._make()
        if made.trusted_only and not Inherited((*self._fields, *extra), belief=self._belief).trusted:
            return _WITHHELD
        key = made.status, made.content_type
        head = self._heads.get(key)
        if head is None:
            fields = (b":status", b"%d" % made.status), (b"content-type", made.content_type.encode()), (b"cache-control", b"no-store")
            head = self._heads[key] = Template(*fields)
        return WholeResponse(head, (), made.body)

    def with_cors(self, cors: CorsFields) -> "DocumentResponse":
        """The same, with fields for pages of other origins from now on."""
        self._cors = cors
        return self


Route = GrpcUnaryRoute | DialectRoute | MountRoute | DirectResponse
"""What becomes of a head."""


class Routes:
    """Every method that a server serves, by path. `documents` are what a GET of their paths is answered with, `message_limit` is each
    method's in bytes, and `compression` that of its responses, unless `methods` say something else of it. `unknown_query` is how REST
    treats a query parameter that no request has, and `json_defaults` what JSON does with fields that have their default. `max_timeout`
    bounds callers' timeouts. `cors` says which pages of other origins may call. `mounts` are the ASGI applications that have paths of their
    own. Raises SetupError for a path that is wanted twice."""

    def __init__(
        self,
        services: Sequence[Service],
        layers: Sequence[Layer],
        documents: Documents = NO_DOCUMENTS,
        *,
        message_limit: int = DEFAULT_MESSAGE_LIMIT,
        compression: CompressionName | None = None,
        methods: MethodOptions = NO_METHODS,
        unknown_query: UnknownQuery = "refuse",
        json_defaults: JsonDefaults = "omit",
        max_timeout: MaxTimeout = None,
        cors: CorsOptions | None = None,
        mounts: Sequence[Mount] = (),
    ) -> None:
        self._cors = None if cors is None else Cors(cors)
        self._documents = {path.encode(): document for path, document in documents.items()}
        self._document_heads: dict[tuple[int, str], Template] = {}
        self._method_routes: dict[bytes, MethodRoute] = {}
        self._innermost: list[tuple[MethodRoute, Handler]] = []
        self._on_unknown: list[OnUnknown] = []
        names: set[str] = set()
        usual = configured(compression)
        for service in services:
            if service.spec.name in names:
                raise SetupError(f"service {service.spec.name} is served twice; give the server one implementation of it")
            names.add(service.spec.name)
            for method, handler in service.handlers():
                innermost = asynchronous(handler) if method.kind is MethodKind.UNARY else exchange_handler(method.kind, handler)
                options = methods.get(method.full_name, AS_USUAL)
                method_route = self._method_routes[method.path.encode()] = MethodRoute(
                    method=method,
                    handler=innermost,
                    name=method.full_name,
                    request=method.request,
                    response=method.response,
                    timeout=method.default_timeout,
                    criticality=method.default_criticality,
                    message_limit=options.limit(message_limit),
                    compression=options.compresses(usual),
                    max_timeout=max_timeout_of(method, max_timeout),
                    takes_turns=method.kind is MethodKind.UNARY,
                )
                self._innermost.append((method_route, innermost))
        self._message_limit = message_limit
        self._mounts = Mounts(mounts)
        self._mount_routes = {mount: self._route_of(mount) for mount in mounts}
        self.compose(layers)
        self._methods = MethodTable((service.spec for service in services), unknown_query, json_defaults)
        self._server_halves = [(protocol, protocol.server(self._methods)) for protocol in PROTOCOLS]
        bound = any(method.http for method in self._methods.by_path.values())
        self._bindings = [half.has for _, half in self._server_halves if bound and type(half).has is not ServerHalf.has]
        self._mounts.check(self._methods.by_path, self._documents)

    def _route_of(self, mount: Mount) -> MethodRoute:
        method, innermost = mount.method(), handler_of(mount)
        route = MethodRoute(
            method=method,
            handler=innermost,
            name=method.full_name,
            request=method.request,
            response=method.response,
            timeout=None,
            criticality=method.default_criticality,
            message_limit=self._message_limit,
            takes_turns=True,
        )
        self._innermost.append((route, innermost))
        return route

    def compose(self, layers: Sequence[Layer]) -> None:
        """Put `layers` around every handler, in place of those that are there. Calls under way end in the stack that they began in."""
        mounted = self._mount_routes.values()
        self._on_unknown[:] = unknown_callbacks(layers)
        composed = [compose(layers, method_route.method, innermost) for method_route, innermost in self._innermost]
        for (method_route, _), handler in zip(self._innermost, composed, strict=True):
            method_route.handler = handler
            method_route.on_unstarted = unstarted_callbacks(layers, method_route.method)
            method_route.rows = received_rows(layers, method_route.method)
            if method_route.method.kind is MethodKind.UNARY or method_route in mounted:
                method_route.early_rejection = early_rejection_of(layers, method_route.method)

    def resolve(self, head: Section, belief: Belief = Belief.ALL) -> Route:
        """What becomes of a head, from now on remembered on it. `belief` is what the server believes of the connection that the head came
        over; a head is no other connection's."""
        route = self._mounted_alike(head)
        if route is None:
            route = self._resolve(head, belief) if self._cors is None else self._resolve_for_pages(self._cors, head, belief)
        head.route = route
        return route

    def _mounted_alike(self, head: Section) -> MountRoute | None:
        """What becomes of a head to a mounted application that has got one which differs in its path alone. Nearly every path that such an
        application is asked for is another one."""
        if not head.alike:
            return None
        path, _, query = head.path.partition(b"?")
        if path in self._method_routes or path in self._documents:
            return None
        mount = self._mounts.below_prefix(path) or self._mounts.at_root(path)
        if mount is None or (not mount.prefix and self._is_bound(head.method, path)):
            return None
        known: MountRoute | None = head.alike.get(mount)
        return None if known is None else known.at(path, query)

    def _is_bound(self, http_method: bytes, path: bytes) -> bool:
        """Whether the contract has HTTP's method at `path` for something that is no method's own path."""
        for has in self._bindings:  # noqa: SIM110 - of which there is one
            if has(http_method, path):
                return True
        return False

    def _resolve_for_pages(self, cors: Cors, head: Section, belief: Belief) -> Route:
        route = self._resolve(head, belief)
        if isinstance(route, MountRoute):  # the application has its own rule
            return route
        fields = dict(head.fields)
        preflight = cors.preflight(fields) if head.method == b"OPTIONS" else None
        if preflight is not None:
            return DirectResponse(preflight)
        if isinstance(route, GrpcUnaryRoute):  # no page can call in gRPC, whose trailers browsers do not show
            return route
        added = cors.fields(fields.get(b"origin"))
        if isinstance(route, DirectResponse):
            return route.with_cors(added)
        route.cors = added
        return route

    def oversized(self, fields: Sequence[Field], reason: str) -> Section:
        """The head in the place of one that is too large (`oversized_head`)."""
        head = oversized_head(fields, reason)
        if self._cors is not None:
            direct: DirectResponse = head.route
            head.route = direct.with_cors(self._cors.fields(dict(fields).get(b"origin")))
        return head

    def _resolve(self, head: Section, belief: Belief) -> Route:
        fields = dict(head.fields)
        expects = b"expect" in fields
        if expects and _expectations(head) != {b"100-continue"}:
            return DirectResponse(WholeResponse(_UNEXPECTED, (), b"nothing but 100-continue can be expected here\n"))
        path = head.path.partition(b"?")[0]
        is_method = path in self._method_routes
        document = self._documents.get(path)
        if document is not None and head.method in (b"GET", b"HEAD") and not is_method:
            return DocumentResponse(head, document, self._document_heads, belief)
        content_type = fields.get(b"content-type", b"").split(b";")[0].strip().lower()
        if self._mounts and not is_method:
            mount = self._mounts.below_prefix(path)
            if mount is None and not content_type.startswith(_GRPC) and not self._is_bound(head.method, path):
                mount = self._mounts.at_root(path)
            if mount is not None:
                return self._mounted(head, mount, belief, expects=expects)
        for protocol, server_half in self._server_halves:
            found = server_half.resolve(head, content_type)
            if isinstance(found, WholeResponse):
                is_call = not is_method and content_type.startswith(_GRPC)
                return UnknownMethodResponse(found, self._on_unknown) if is_call else DirectResponse(found)
            if found is not None:
                method_route = self._method_routes[found.method.path.encode()]
                if not expects and protocol is GRPC and found.codec is PROTO and found.method.kind is MethodKind.UNARY:
                    return GrpcUnaryRoute(head, method_route, found.negotiation, belief)
                return DialectRoute(head, method_route, found, belief, expects_continue=expects)
        if head.method == b"OPTIONS" and is_method:
            return DirectResponse(WholeResponse(_OPTIONS, (), b""))
        if is_method:
            return DirectResponse(WholeResponse(_FOREIGN if head.method == b"POST" else _NOT_POST, (), b""))
        missing = WholeResponse(_NOT_FOUND, (), error_body(self._methods.unknown(path.decode("latin-1"))))
        is_call = head.method == b"POST" and content_type in _CONTENT_TYPES
        return UnknownMethodResponse(missing, self._on_unknown) if is_call else DirectResponse(missing)

    def _mounted(self, head: Section, mount: Mount, belief: Belief, *, expects: bool) -> MountRoute | DirectResponse:
        if any(name == _WEBSOCKET for name, _ in head.fields):
            return DirectResponse(WholeResponse(_NO_WEBSOCKET, (), b"WebSocket is not served here\n"))
        limit = mount.limit(self._message_limit)
        route = MountRoute(head, mount, self._mount_routes[mount], belief, limit, expects_continue=expects)
        if head.alike is not None:
            head.alike[mount] = route
        return route


def oversized_head(fields: Sequence[Field], reason: str) -> Section:
    """The head in the place of one that is too large; `fields` are the first of its fields."""
    found = dict(fields)
    error = RpcError(Code.RESOURCE_EXHAUSTED, f"the request's fields are too large, {reason}; send as a message what is large")
    is_grpc = found.get(b"content-type", b"").partition(b"+")[0] == _GRPC
    head = Section(REQUEST, {b":method": found.get(b":method", b"")}, (), -1)
    head.route = DirectResponse(trailers_only(error) if is_grpc else WholeResponse(_OVERSIZED, (), error_body(error)))
    return head


def _expectations(head: Section) -> set[bytes]:
    """What the client wants to be sure of before it sends its body, in lower case."""
    values = [value for name, value in head.fields if name == b"expect"]
    return {expectation.strip().lower() for value in values for expectation in value.split(b",")}
