"""gRPC and gRPC-Web as protocols: which content types are theirs, what a client writes and reads, and what a server answers.

The two have the same header fields and the same framing of messages. They differ in the content type, and in where the status of a call is:
gRPC has it in HTTP's trailers, gRPC-Web in the body.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from towpath._core.errors import Code, RpcError
from towpath._core.service import MethodSpec
from towpath._wire import propagation
from towpath._wire.codec import CODECS, PROTO, BodyCodec, codec_of
from towpath._wire.compression import GRPC_FIELDS, Compression, Negotiation, negotiate
from towpath._wire.dialect import Dialect, WholeResponse
from towpath._wire.grpc import framing, web_client
from towpath._wire.grpc.client import GrpcResponseReader, head_fields
from towpath._wire.grpc.dialect import GrpcDialect, trailers_only
from towpath._wire.grpc.web import GrpcWebDialect, response_head
from towpath._wire.http.fields import Section
from towpath._wire.protocol import ClientHalf, DialectFactory, MethodTable, RpcProtocol, ServerHalf
from towpath._wire.response_reader import OneMessageReader, UnaryResponseReader

_GRPC: Final = b"application/grpc"
_WEB: Final = b"application/grpc-web"
_WEB_TEXT: Final = b"application/grpc-web-text"


def _with_subtypes(content_type: bytes) -> dict[bytes, BodyCodec]:
    """The codecs of messages by content type, which without a subtype means protobuf."""
    return {content_type: PROTO, **{content_type + b"+" + subtype: codec for subtype, codec in CODECS.items()}}


def _unary_reader(limit: int) -> UnaryResponseReader:
    return OneMessageReader(GrpcResponseReader(limit))


def _web_unary_reader(limit: int) -> UnaryResponseReader:
    return OneMessageReader(web_client.GrpcWebResponseReader(limit))


class GrpcProtocol(RpcProtocol):
    """gRPC over HTTP/2."""

    name = "grpc"
    content_types: ClassVar[Mapping[bytes, BodyCodec]] = _with_subtypes(_GRPC)
    client = ClientHalf(
        unary_fields=head_fields,
        stream_fields=head_fields,
        literals=propagation.literals,
        unary_body=framing.frame,
        unary_reader=_unary_reader,
        stream_reader=GrpcResponseReader,
    )

    def server(self, methods: MethodTable) -> ServerHalf:
        return GrpcServerHalf(methods)


class GrpcWebProtocol(RpcProtocol):
    """gRPC-Web: gRPC for callers that cannot read trailers. Servers know its binary form and its text form, clients the binary form."""

    name = "grpc-web"
    content_types: ClassVar[Mapping[bytes, BodyCodec]] = _with_subtypes(_WEB) | _with_subtypes(_WEB_TEXT)
    client = ClientHalf(
        unary_fields=web_client.head_fields,
        stream_fields=web_client.head_fields,
        literals=propagation.literals,
        unary_body=framing.frame,
        unary_reader=_web_unary_reader,
        stream_reader=web_client.GrpcWebResponseReader,
    )

    def server(self, methods: MethodTable) -> ServerHalf:
        return GrpcWebServerHalf(methods)


class GrpcServerHalf(ServerHalf):
    """gRPC on a server of `methods`. A request is known by its content type, whatever its path, so that its errors are gRPC's."""

    def __init__(self, methods: MethodTable) -> None:
        self._methods = methods

    def resolve(self, head: Section, content_type: bytes) -> DialectFactory | WholeResponse | None:
        if head.method != b"POST" or not content_type.startswith(_GRPC) or content_type.startswith(_WEB):
            return None
        found = _asked(self._methods, head, content_type, GrpcProtocol.content_types)
        return found if isinstance(found, WholeResponse) else GrpcDialects(*found)


class GrpcWebServerHalf(ServerHalf):
    """gRPC-Web on a server of `methods`."""

    def __init__(self, methods: MethodTable) -> None:
        self._methods = methods

    def resolve(self, head: Section, content_type: bytes) -> DialectFactory | WholeResponse | None:
        if head.method != b"POST" or not content_type.startswith(_WEB):
            return None
        found = _asked(self._methods, head, content_type, GrpcWebProtocol.content_types)
        text = content_type.startswith(_WEB_TEXT)
        if isinstance(found, WholeResponse):  # which names the content type of gRPC
            return WholeResponse(response_head(PROTO, text=text), [(GRPC_FIELDS.accepted, GRPC_FIELDS.offer), *found.fields], found.body)
        return GrpcWebDialects(*found, text=text)


def _asked(
    methods: MethodTable, head: Section, content_type: bytes, content_types: Mapping[bytes, BodyCodec]
) -> tuple[MethodSpec[Any, Any], BodyCodec, Negotiation] | WholeResponse:
    """The method that a head asks for, the codec of its messages, and what the head says of compression. Or the response to a head that no
    call can have."""
    codec = content_types.get(content_type)
    if codec is None:
        text = f"content-type {content_type.decode('latin-1')!r} is not supported; use application/grpc+proto or +json"
        return trailers_only(RpcError(Code.INTERNAL, text))
    negotiation = negotiate(GRPC_FIELDS, dict(head.fields))
    if negotiation.fault is not None:
        return trailers_only(negotiation.fault)
    method = methods.by_path.get(head.path.partition(b"?")[0])
    if method is None:
        return trailers_only(methods.unknown(head.path.decode("latin-1")))
    return method, codec_of(codec, methods.json_defaults), negotiation


class GrpcDialects(DialectFactory):
    """Makes the dialects of gRPC."""

    __slots__ = ()
    encoding_fields = GRPC_FIELDS
    ends_with_trailers = True

    def dialect(self, negotiation: Negotiation, preferred: Compression | None, limit: int) -> Dialect:
        return GrpcDialect(
            self.method.request,
            self.codec,
            limit=limit,
            request_compression=negotiation.request,
            response_compression=negotiation.response(preferred),
        )


class GrpcWebDialects(DialectFactory):
    """Makes the dialects of gRPC-Web, of its text form with `text`."""

    __slots__ = ("_head", "_text")
    encoding_fields = GRPC_FIELDS

    def __init__(self, method: MethodSpec[Any, Any], codec: BodyCodec, negotiation: Negotiation, *, text: bool) -> None:
        super().__init__(method, codec, negotiation)
        self._text = text
        self._head = response_head(codec, text=text)

    def dialect(self, negotiation: Negotiation, preferred: Compression | None, limit: int) -> Dialect:
        return GrpcWebDialect(
            self.method.request,
            self.codec,
            self._head,
            limit=limit,
            request_compression=negotiation.request,
            response_compression=negotiation.response(preferred),
            text=self._text,
        )
