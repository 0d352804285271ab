"""Connect as a protocol (https://connectrpc.com/docs/protocol): unary calls are ordinary requests of HTTP, streams have a content type of
their own.

A method that has no side effects may be called with GET too."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from towpath._core.errors import RpcError
from towpath._core.service import Idempotency, MethodKind, MethodSpec
from towpath._wire import propagation
from towpath._wire.codec import CODECS, BodyCodec, JsonDefaults, codec_of
from towpath._wire.compression import ACCEPTED, CONNECT_STREAM_FIELDS, HTTP_FIELDS, Compression, Negotiation, negotiate
from towpath._wire.connect.client import (
    ConnectStreamResponseReader,
    ConnectUnaryResponseReader,
    stream_head_fields,
    unary_body,
    unary_head_fields,
)
from towpath._wire.connect.errors import HTTP_STATUS, error_body
from towpath._wire.connect.stream import ConnectStreamDialect
from towpath._wire.connect.unary import ConnectUnaryDialect, GetRequest
from towpath._wire.dialect import Dialect, WholeResponse
from towpath._wire.http.fields import Section, Template
from towpath._wire.protocol import ClientHalf, DialectFactory, MethodTable, RpcProtocol, ServerHalf

_UNARY: Final[Mapping[bytes, BodyCodec]] = {b"application/" + subtype: codec for subtype, codec in CODECS.items()}
_STREAM: Final[Mapping[bytes, BodyCodec]] = {b"application/connect+" + subtype: codec for subtype, codec in CODECS.items()}
_ERRORS: Final = {code: Template((b":status", b"%d" % http), (b"content-type", b"application/json")) for code, http in HTTP_STATUS.items()}


class ConnectProtocol(RpcProtocol):
    """Connect. Clients send protobuf's bytes and never GET; servers know JSON and GET too."""

    name = "connect"
    content_types: ClassVar[Mapping[bytes, BodyCodec]] = {**_UNARY, **_STREAM}
    client = ClientHalf(
        unary_fields=unary_head_fields,
        stream_fields=stream_head_fields,
        literals=propagation.connect_literals,
        unary_body=unary_body,
        unary_reader=ConnectUnaryResponseReader,
        stream_reader=ConnectStreamResponseReader,
    )

    def server(self, methods: MethodTable) -> ServerHalf:
        return ConnectServerHalf(methods)


class ConnectServerHalf(ServerHalf):
    """Connect on a server of `methods`. A request is known by its path as well as its content type, which many others have."""

    def __init__(self, methods: MethodTable) -> None:
        self._methods = methods

    def resolve(self, head: Section, content_type: bytes) -> DialectFactory | WholeResponse | None:
        path, _, query = head.path.partition(b"?")
        method = self._methods.by_path.get(path)
        if method is None:
            return None
        if head.method == b"GET":
            return _get(method, query.decode("latin-1"), negotiate(HTTP_FIELDS, dict(head.fields)), self._methods.json_defaults)
        if head.method != b"POST":
            return None
        codec = (_UNARY if method.kind is MethodKind.UNARY else _STREAM).get(content_type)
        if codec is None:
            return None
        codec = codec_of(codec, self._methods.json_defaults)
        if method.kind is MethodKind.UNARY:
            return ConnectUnaryDialects(method, codec, negotiate(HTTP_FIELDS, dict(head.fields)))
        return ConnectStreamDialects(method, codec, negotiate(CONNECT_STREAM_FIELDS, dict(head.fields)))


def _get(
    method: MethodSpec[Any, Any], query: str, negotiation: Negotiation, defaults: JsonDefaults
) -> DialectFactory | WholeResponse | None:
    if method.kind is not MethodKind.UNARY or method.idempotency is not Idempotency.NO_SIDE_EFFECTS:
        return None
    try:
        get = GetRequest.parse(query)
    except RpcError as error:
        return WholeResponse(_ERRORS[error.code], (), error_body(error))
    return ConnectGetDialects(method, codec_of(get.codec, defaults), get, negotiation)


class ConnectStreamDialects(DialectFactory):
    """Makes the dialects of streams."""

    __slots__ = ()
    encoding_fields = CONNECT_STREAM_FIELDS

    def dialect(self, negotiation: Negotiation, preferred: Compression | None, limit: int) -> Dialect:
        return ConnectStreamDialect(
            self.method.request,
            self.codec,
            limit=limit,
            request_compression=negotiation.request,
            response_compression=negotiation.response(preferred),
        )


class _HttpDialects(DialectFactory):
    """Makes the dialects of calls whose bodies are encoded as HTTP has it."""

    __slots__ = ()
    encoding_fields = HTTP_FIELDS

    def error_response(self, dialect: Dialect, fault: RpcError) -> WholeResponse:
        return super().error_response(dialect, fault).with_field(ACCEPTED)


class ConnectUnaryDialects(_HttpDialects):
    """Makes the dialects of unary calls."""

    __slots__ = ()

    def dialect(self, negotiation: Negotiation, preferred: Compression | None, limit: int) -> Dialect:
        return ConnectUnaryDialect(
            self.method.request,
            self.codec,
            limit=limit,
            request_compression=negotiation.request,
            response_compression=negotiation.response(preferred),
        )


class ConnectGetDialects(_HttpDialects):
    """Makes the dialects of unary calls with GET. The query has the request's message, and says how it is compressed."""

    __slots__ = ("_get",)

    def __init__(self, method: MethodSpec[Any, Any], codec: BodyCodec, get: GetRequest, negotiation: Negotiation) -> None:
        super().__init__(method, codec, negotiation)
        self._get = get

    def dialect(self, negotiation: Negotiation, preferred: Compression | None, limit: int) -> Dialect:
        return ConnectUnaryDialect(
            self.method.request,
            self.codec,
            limit=limit,
            request_compression=self._get.compression,
            response_compression=negotiation.response(preferred),
            request_body=self._get.raw,
        )
