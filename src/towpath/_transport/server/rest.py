"""REST on the server's port: what a path without gRPC's shape means, and how a call of it begins."""

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import Message

from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.http import BindingError, HttpBinding, check_binding
from towpath._core.service import MethodKind
from towpath._transport.server.protocols import Dialogue, MethodRoute
from towpath._wire.codec import JSON
from towpath._wire.compression import HTTP_FIELDS, Compression, Negotiation
from towpath._wire.dialect import Answer, Dialect
from towpath._wire.http.fields import Section
from towpath._wire.rest import Binding, NoMatch, RestStreamDialect, RestUnaryDialect, Router, refusal

_METHOD_NOT_ALLOWED: Final = 405
_UNSUPPORTED_MEDIA_TYPE: Final = 415


class RestDialogue(Dialogue):
    """REST: everything but the body is known from the head."""

    __slots__ = ("_binding", "_parameters")
    encoding_fields = HTTP_FIELDS

    def __init__(self, head: Section, method_route: MethodRoute, binding: Binding, parameters: Message) -> None:
        super().__init__(head, method_route, JSON)
        self._binding = binding
        self._parameters = parameters

    def dialect(self, negotiation: Negotiation, preferred: Compression | None) -> Dialect:
        """One body of JSON in, one or lines of them out."""
        limit = self.method_route.message_limit
        if self.method_route.method.kind is MethodKind.UNARY:
            return RestUnaryDialect(
                self._binding,
                self._parameters,
                limit=limit,
                request_compression=negotiation.request,
                response_compression=negotiation.response(preferred),
            )
        return RestStreamDialect(self._binding, self._parameters, limit=limit, request_compression=negotiation.request)

    def refusal(self, dialect: Dialect, fault: RpcError) -> Answer:
        """HTTP has a status for a body that is encoded in an unknown way."""
        return refusal(fault, status=_UNSUPPORTED_MEDIA_TYPE)


class RestRoutes:
    """The bindings of `method_routes`. Raises SetupError for one that cannot be served, and for two of one shape."""

    def __init__(self, method_routes: Iterable[MethodRoute]) -> None:
        self._router: Router[tuple[MethodRoute, Binding]] = Router()
        taken: dict[tuple[str, tuple[str, ...], str], str] = {}
        for method_route in method_routes:
            for http in method_route.method.http:
                try:
                    binding = _bound(method_route, http)
                except BindingError as error:
                    raise SetupError(f"{method_route.name}: {error}") from None
                template = http.template
                other = taken.setdefault((http.method, template.segments, template.verb), method_route.name)
                if other != method_route.name:
                    raise SetupError(f"{http} of {method_route.name} is bound to {other} too; serve only one of the two")
                self._router.add(http, (method_route, binding))
        self.any = bool(taken)
        """Whether there are any."""

    def resolve(self, head: Section, content_type: bytes) -> RestDialogue | Answer:
        """What serves a head, or the answer to one that nothing serves."""
        path, _, query = head.path.decode("latin-1").partition("?")
        method = head.method.decode("latin-1")
        try:
            found = self._router.match("GET" if method == "HEAD" else method, path)
            if isinstance(found, NoMatch):
                return _nothing(method, path, found)
            method_route, binding = found.target
            parameters = binding.parameters(found.variables, query)
        except RpcError as error:
            return refusal(error)
        if binding.http.body and not _is_json(content_type):
            error = RpcError(Code.INVALID_ARGUMENT, f"content-type {content_type.decode('latin-1')!r} is not served; send application/json")
            return refusal(error, status=_UNSUPPORTED_MEDIA_TYPE)
        return RestDialogue(head, method_route, binding, parameters)


def _bound(method_route: MethodRoute, http: HttpBinding) -> Binding:
    request, response = method_route.request, method_route.response
    check_binding(http, request.DESCRIPTOR, response.DESCRIPTOR, requests_stream=method_route.method.kind.requests_stream)
    return Binding(http, request, response)


def _nothing(method: str, path: str, found: NoMatch) -> Answer:
    if not found.allowed:
        return refusal(RpcError(Code.NOT_FOUND, f"nothing is served at {path}"))
    allowed = [*found.allowed, *(["HEAD"] if "GET" in found.allowed else [])]
    answer = refusal(RpcError(Code.UNIMPLEMENTED, f"{path} is not served to {method}"), status=_METHOD_NOT_ALLOWED)
    return Answer(answer.head, [*answer.fields, (b"allow", ", ".join(allowed).encode())], answer.body)


def _is_json(content_type: bytes) -> bool:
    return content_type in (b"", b"application/json") or (content_type.startswith(b"application/") and content_type.endswith(b"+json"))
