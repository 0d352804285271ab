"""Which protocol a request's head speaks, and how a call of it begins: gRPC, gRPC-Web and Connect, told apart by content type.

Decided once per distinct head, since a client's calls of one method have the same; what varies is looked at per call.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from google.protobuf.message import Message

from towpath._core.context import Criticality
from towpath._core.early_rejection import EarlyRejection
from towpath._core.errors import RpcError
from towpath._core.service import Handler, Idempotency, MethodKind, MethodSpec
from towpath._wire.codec import CODECS, PROTO, BodyCodec
from towpath._wire.compression import (
    CONNECT_STREAM_FIELDS,
    GRPC_FIELDS,
    HTTP_FIELDS,
    Compression,
    EncodingFields,
    Negotiation,
    negotiate,
)
from towpath._wire.connect import ConnectStreamDialect, ConnectUnaryDialect, GetRequest
from towpath._wire.dialect import Answer, Dialect
from towpath._wire.grpc import status
from towpath._wire.grpc.dialect import GrpcDialect
from towpath._wire.grpc.propagation import Inherited
from towpath._wire.grpc.web import GrpcWebDialect
from towpath._wire.hpack import literal
from towpath._wire.http.fields import Field, Section, Template

_MOST_REFUSED: Final = 8


class Refused:
    """The errors of the last early rejections, and their bytes: an overloaded server says the same to thousands a second."""

    __slots__ = ("_fields",)

    def __init__(self) -> None:
        self._fields: dict[RpcError, bytes] = {}

    def fields(self, error: RpcError) -> bytes:
        """The fields of `error`, encoded when it is first given."""
        fields = self._fields.get(error)
        if fields is None:
            if len(self._fields) >= _MOST_REFUSED:
                self._fields.clear()
            fields = self._fields[error] = b"".join(literal(name, value) for name, value in status.encode(error))
        return fields


@dataclass(kw_only=True, eq=False)
class MethodRoute:
    """A method as a server serves it. The method's name and types stand here once more, since each call reads them."""

    method: MethodSpec[Any, Any]
    handler: Handler
    """The composed stack, which another may replace."""
    name: str
    request: type[Message]
    response: type[Message]
    timeout: float | None
    """Seconds, None for no end. It holds if the caller sends none."""
    criticality: Criticality
    """How important calls are whose caller does not say."""
    message_limit: int
    """Bytes that a request message may have, before and after decompression."""
    early_rejection: EarlyRejection | None = None
    """What is asked about unary calls before they cost a task."""
    refused: Refused = field(default_factory=Refused)


class Dialogue(ABC):
    """A head that asks for a method in a protocol that `towpath._transport.server.exchange` speaks through a dialect."""

    __slots__ = ("_negotiation", "codec", "head", "inherited", "method_route", "needs_http2")

    encoding_fields: ClassVar[EncodingFields] = GRPC_FIELDS
    """The fields that say how the request is compressed, and how the response may be."""
    ends_with_trailers: ClassVar[bool] = False
    """Whether the protocol says how a call ended in HTTP's trailers, which few clients of HTTP/1.1 read."""

    def __init__(self, head: Section, method_route: MethodRoute, codec: BodyCodec) -> None:
        self.head = head
        self.method_route = method_route
        self.codec = codec
        self.inherited = Inherited(head.fields, method_route.criticality)
        self.needs_http2 = self.ends_with_trailers or method_route.method.kind is MethodKind.BIDI_STREAMING
        # What most calls over HTTP/1.1 need, whose heads have nothing that varies: 15 % of a GET of JSON when it was worked out per call.
        self._negotiation = negotiate(self.encoding_fields, dict(head.fields))

    @abstractmethod
    def dialect(self, negotiation: Negotiation, preferred: Compression | None) -> Dialect:
        """A new call's dialect. `preferred` is what the server compresses answers with where it may."""

    def negotiation(self, extra: Sequence[Field]) -> Negotiation:
        """What the head of a call says of compression. `extra` are the fields of the head that vary."""
        names = self.encoding_fields
        for name, _ in extra:
            if name in {names.sent, names.accepted}:
                return negotiate(names, dict((*self.head.fields, *extra)))
        return self._negotiation

    def refusal(self, dialect: Dialect, fault: RpcError) -> Answer:
        """What a call is answered whose head has a fault."""
        return dialect.refusal(fault, None)


class GrpcDialogue(Dialogue):
    """gRPC: streams, and messages as JSON."""

    __slots__ = ()
    ends_with_trailers = True

    def dialect(self, negotiation: Negotiation, preferred: Compression | None) -> Dialect:
        """GRPC."""
        return GrpcDialect(
            self.method_route.request,
            self.codec,
            limit=self.method_route.message_limit,
            request_compression=negotiation.request,
            response_compression=negotiation.response(preferred),
        )


class GrpcWebDialogue(Dialogue):
    """gRPC-Web, in its binary and in its text form."""

    __slots__ = ("_answer", "_text")

    def __init__(self, head: Section, method_route: MethodRoute, codec: BodyCodec, *, text: bool) -> None:
        super().__init__(head, method_route, codec)
        self._text = text
        self._answer = _WEB_HEADS[text, codec.subtype]

    def dialect(self, negotiation: Negotiation, preferred: Compression | None) -> Dialect:
        """gRPC-Web."""
        return GrpcWebDialect(
            self.method_route.request,
            self.codec,
            self._answer,
            limit=self.method_route.message_limit,
            request_compression=negotiation.request,
            response_compression=negotiation.response(preferred),
            text=self._text,
        )


class ConnectStreamDialogue(Dialogue):
    """Connect, of a method that streams."""

    __slots__ = ()
    encoding_fields = CONNECT_STREAM_FIELDS

    def dialect(self, negotiation: Negotiation, preferred: Compression | None) -> Dialect:
        """Connect's envelopes."""
        return ConnectStreamDialect(
            self.method_route.request,
            self.codec,
            limit=self.method_route.message_limit,
            request_compression=negotiation.request,
            response_compression=negotiation.response(preferred),
        )


class ConnectUnaryDialogue(Dialogue):
    """Connect, of a unary method."""

    __slots__ = ()
    encoding_fields = HTTP_FIELDS

    def dialect(self, negotiation: Negotiation, preferred: Compression | None) -> Dialect:
        """Connect's plain bodies."""
        return ConnectUnaryDialect(
            self.method_route.request,
            self.codec,
            limit=self.method_route.message_limit,
            request_compression=negotiation.request,
            response_compression=negotiation.response(preferred),
        )


class ConnectGetDialogue(Dialogue):
    """Connect, of a unary method that is called with GET."""

    __slots__ = ("_get",)
    encoding_fields = HTTP_FIELDS

    def __init__(self, head: Section, method_route: MethodRoute, get: GetRequest) -> None:
        super().__init__(head, method_route, get.codec)
        self._get = get

    def dialect(self, negotiation: Negotiation, preferred: Compression | None) -> Dialect:
        """Connect's plain bodies; the request's came in the query, which says how it is compressed."""
        return ConnectUnaryDialect(
            self.method_route.request,
            self.codec,
            limit=self.method_route.message_limit,
            request_compression=self._get.compression,
            response_compression=negotiation.response(preferred),
            request_body=self._get.raw,
        )


def _web_type(text: bool, subtype: bytes) -> bytes:
    return b"application/grpc-web" + (b"-text+" if text else b"+") + subtype


_WEB_HEADS: Final = {
    (text, subtype): Template((b":status", b"200"), (b"content-type", _web_type(text, subtype)))
    for text in (False, True)
    for subtype in CODECS
}


def _web(text: bool) -> "Opening":
    return lambda head, method_route, codec: GrpcWebDialogue(head, method_route, codec, text=text)


def _connect_unary(head: Section, method_route: MethodRoute, codec: BodyCodec) -> Dialogue | None:
    return ConnectUnaryDialogue(head, method_route, codec) if method_route.method.kind is MethodKind.UNARY else None


def _connect_stream(head: Section, method_route: MethodRoute, codec: BodyCodec) -> Dialogue | None:
    return None if method_route.method.kind is MethodKind.UNARY else ConnectStreamDialogue(head, method_route, codec)


Opening = Callable[[Section, MethodRoute, BodyCodec], Dialogue | None]
"""Makes the dialogue, or None for a method that the protocol does not carry under this content type."""

CONTENT_TYPES: Final[dict[bytes, tuple[Opening, BodyCodec]]] = {
    b"application/grpc": (GrpcDialogue, PROTO),
    b"application/grpc-web": (_web(text=False), PROTO),
    b"application/grpc-web-text": (_web(text=True), PROTO),
    **{b"application/grpc+" + subtype: (GrpcDialogue, codec) for subtype, codec in CODECS.items()},
    **{_web_type(text, subtype): (_web(text=text), codec) for text in (False, True) for subtype, codec in CODECS.items()},
    **{b"application/connect+" + subtype: (_connect_stream, codec) for subtype, codec in CODECS.items()},
    **{b"application/" + subtype: (_connect_unary, codec) for subtype, codec in CODECS.items()},
}
"""What may be posted to a method's path."""


def get_dialogue(head: Section, method_route: MethodRoute, query: str) -> Dialogue | None:
    """The dialogue of a GET on a method's path: Connect's, if the method has no side effects. Raises RpcError for a bad query."""
    method = method_route.method
    if method.kind is not MethodKind.UNARY or method.idempotency is not Idempotency.NO_SIDE_EFFECTS:
        return None
    return ConnectGetDialogue(head, method_route, GetRequest.parse(query))
