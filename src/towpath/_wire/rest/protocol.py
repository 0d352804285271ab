"""REST as a protocol: a server finds a request's method by the bindings of `google.api.http`. towpath calls nobody in it."""

from typing import Any, Final

from google.protobuf.message import Message

from towpath._core.disclosure.printable import printable, shortened
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.http_bindings import BindingError, HttpBinding, check_binding
from towpath._core.service import MethodKind, MethodSpec
from towpath._wire.codec import JSON
from towpath._wire.compression import ACCEPTED, HTTP_FIELDS, Compression, Negotiation, negotiate
from towpath._wire.dialect import Dialect, WholeResponse
from towpath._wire.http.fields import Section, Template
from towpath._wire.protocol import DialectFactory, MethodTable, RpcProtocol, ServerHalf
from towpath._wire.rest.binding import Binding
from towpath._wire.rest.dialect import RestRequestStreamDialect, RestStreamDialect, RestUnaryDialect, error_response
from towpath._wire.rest.multipart import MEDIA_TYPE, boundary_of
from towpath._wire.rest.router import NoMatch, Router

_METHOD_NOT_ALLOWED: Final = 405
_UNSUPPORTED_MEDIA_TYPE: Final = 415
_JSON_LINES: Final = (b"application/x-ndjson", b"application/ndjson", b"application/jsonl")
_OPTIONS: Final = Template((b":status", b"200"))
"""The head of a response that says what may be asked of a path."""


class RestProtocol(RpcProtocol):
    """REST by the bindings of a contract."""

    name = "rest"

    def server(self, methods: MethodTable) -> ServerHalf:
        return RestServerHalf(methods)


class RestServerHalf(ServerHalf):
    """The bindings of `methods`. Raises SetupError for one that cannot be served, and for two of one shape."""

    def __init__(self, methods: MethodTable) -> None:
        self._methods = methods
        self._router: Router[tuple[MethodSpec[Any, Any], Binding]] = Router()
        taken: dict[tuple[str, tuple[str, ...], str], str] = {}
        for method in methods.by_path.values():
            for http in method.http:
                try:
                    binding = _bound(method, http, methods)
                except BindingError as error:
                    raise SetupError(f"{method.full_name}: {error}") from None
                template = http.template
                other = taken.setdefault((http.method, template.segments, template.verb), method.full_name)
                if other != method.full_name:
                    raise SetupError(f"{http} of {method.full_name} is bound to {other} too; serve only one of the two")
                self._router.add(http, (method, binding))
        self._any = bool(taken)
        self._dotted = {segments[0].encode() for _, segments, _ in taken if "." in segments[0]}

    def resolve(self, head: Section, content_type: bytes) -> DialectFactory | WholeResponse | None:
        if not self._any or not self._is_resource(head.path.partition(b"?")[0]):
            return None
        path, _, query = head.path.decode("latin-1").partition("?")
        http_method = head.method.decode("latin-1")
        try:
            found = self._router.match(http_method, path)
            if isinstance(found, NoMatch) and http_method == "HEAD":
                found = self._router.match("GET", path)
            if isinstance(found, NoMatch):
                return _nothing(http_method, path, found)
            method, binding = found.target
            parameters = binding.parameters(found.variables, query)
        except RpcError as error:
            return error_response(error, json_defaults=self._methods.json_defaults)
        streams = method.kind.requests_stream
        if binding.http.body and not (binding.takes_bytes or _is_json(content_type) or (streams and content_type in _JSON_LINES)):
            served = "application/x-ndjson" if streams else "application/json"
            error = RpcError(
                Code.INVALID_ARGUMENT, f"content-type {shortened(content_type.decode('latin-1'))!r} is not served; send {served}"
            )
            return error_response(error, status=_UNSUPPORTED_MEDIA_TYPE)
        fields = dict(head.fields)
        whole_type = fields.get(b"content-type", b"").decode("latin-1")
        try:
            boundary = boundary_of(whole_type) if binding.takes_bytes and content_type == MEDIA_TYPE else b""
        except RpcError as error:
            return error_response(error)
        return RestDialects(method, binding, parameters, negotiate(HTTP_FIELDS, fields), content_type=whole_type, boundary=boundary)

    def has(self, http_method: bytes, path: bytes) -> bool:
        if not self._any or not self._is_resource(path):
            return False
        asked = "GET" if http_method == b"HEAD" else http_method.decode("latin-1")
        try:
            found = self._router.match(asked, path.decode("latin-1"))
        except RpcError:
            return False
        return not isinstance(found, NoMatch) or (http_method == b"OPTIONS" and bool(found.allowed))

    def _is_resource(self, path: bytes) -> bool:
        """Whether a path is neither a method's own nor like one, whose first segment is the name of a package and a service. A binding may
        begin with a name with a dot too, such as `.well-known`."""
        first = path[1:].partition(b"/")[0]
        return path not in self._methods.by_path and path.startswith(b"/") and (b"." not in first or first in self._dotted)


class RestDialects(DialectFactory):
    """Makes the dialects of calls by `binding`; `parameters` is the request as far as path and query say it, `content_type` that of its
    body, and `boundary` that of a form; b"" for any other body."""

    __slots__ = ("_binding", "_boundary", "_content_type", "_parameters")
    encoding_fields = HTTP_FIELDS

    def __init__(
        self,
        method: MethodSpec[Any, Any],
        binding: Binding,
        parameters: Message,
        negotiation: Negotiation,
        *,
        content_type: str,
        boundary: bytes,
    ) -> None:
        super().__init__(method, JSON, negotiation)
        self._boundary = boundary
        self._content_type = content_type
        self._binding = binding
        self._parameters = parameters

    def dialect(self, negotiation: Negotiation, preferred: Compression | None, limit: int) -> Dialect:
        if self.method.kind is MethodKind.UNARY:
            return RestUnaryDialect(
                self._binding,
                self._parameters,
                limit=limit,
                request_compression=negotiation.request,
                response_compression=negotiation.response(preferred),
                content_type=self._content_type,
                boundary=self._boundary,
            )
        kind = self.method.kind
        if kind.requests_stream:
            one = not kind.responses_stream
            compressed = negotiation.request is not None
            return RestRequestStreamDialect(
                self._binding,
                self._parameters,
                limit=limit,
                content_type=self._content_type,
                one=one,
                compressed=compressed,
                boundary=self._boundary,
            )
        return RestStreamDialect(
            self._binding,
            self._parameters,
            limit=limit,
            request_compression=negotiation.request,
            content_type=self._content_type,
            boundary=self._boundary,
        )

    def error_response(self, dialect: Dialect, fault: RpcError) -> WholeResponse:
        # HTTP has a status for a body that is encoded in an unknown way.
        return error_response(fault, status=_UNSUPPORTED_MEDIA_TYPE).with_field(ACCEPTED)


def _bound(method: MethodSpec[Any, Any], http: HttpBinding, methods: MethodTable) -> Binding:
    check_binding(http, method.request.DESCRIPTOR, method.response.DESCRIPTOR, requests_stream=method.kind.requests_stream)
    return Binding(http, method.request, method.response, unknown_query=methods.unknown_query, json_defaults=methods.json_defaults)


def _nothing(method: str, path: str, found: NoMatch) -> WholeResponse:
    if not found.allowed:
        return error_response(RpcError(Code.NOT_FOUND, f"nothing is served at {printable(shortened(path))}"))
    allowed = [*found.allowed, *(["HEAD"] if "GET" in found.allowed and "HEAD" not in found.allowed else [])]
    if method == "OPTIONS":
        return WholeResponse(_OPTIONS, [(b"allow", ", ".join([*allowed, method]).encode())], b"")
    answer = error_response(
        RpcError(Code.UNIMPLEMENTED, f"{printable(shortened(path))} is not served to {printable(shortened(method))}"),
        status=_METHOD_NOT_ALLOWED,
    )
    return WholeResponse(answer.head, [*answer.fields, (b"allow", ", ".join(allowed).encode())], answer.body)


def _is_json(content_type: bytes) -> bool:
    return content_type in (b"", b"application/json") or (content_type.startswith(b"application/") and content_type.endswith(b"+json"))
