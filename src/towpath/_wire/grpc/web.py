"""gRPC-Web: gRPC for clients that cannot read trailers, which come as the last frame of the body.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md. In the text form (`application/grpc-web-text`) bodies are in base64, in any
number of pieces that are each padded by themselves.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.message import Message

from towpath._core.context import Reply
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY, Metadata
from towpath._wire import metadata
from towpath._wire.codec import CODECS, BodyCodec
from towpath._wire.compression import GRPC_FIELDS, Compression
from towpath._wire.dialect import ResponseEnd, WholeResponse
from towpath._wire.grpc import framing, status
from towpath._wire.grpc.dialect import GrpcDialect
from towpath._wire.http.fields import Field, Template

_TRAILERS: Final = 0x80
_OK: Final = ((b"grpc-status", b"0"),)
_HEADS: Final = {
    (text, subtype): Template((b":status", b"200"), (b"content-type", b"application/grpc-web" + infix + subtype))
    for text, infix in ((False, b"+"), (True, b"-text+"))
    for subtype in CODECS
}


def response_head(codec: BodyCodec, *, text: bool) -> Template:
    """The head of responses in the binary form, or in the text form with `text`."""
    return _HEADS[text, codec.subtype]


class GrpcWebDialect(GrpcDialect):
    """A call over `application/grpc-web`, or with `text` over `application/grpc-web-text`. `head` has its content type."""

    __slots__ = ("_answer", "_rest", "_text")

    def __init__(
        self,
        request: type[Message],
        codec: BodyCodec,
        head: Template,
        *,
        limit: int,
        request_compression: Compression | None,
        response_compression: Compression | None,
        text: bool,
    ) -> None:
        super().__init__(request, codec, limit=limit, request_compression=request_compression, response_compression=response_compression)
        self._answer = head
        self._text = text
        self._rest = b""

    def feed(self, data: bytes) -> None:
        super().feed(self._decoded(data) if self._text else data)

    def finish(self) -> None:
        if self._rest:
            raise RpcError(Code.INTERNAL, "the request ended within a group of base64")
        super().finish()

    def head(self, headers: Metadata) -> tuple[Template, Sequence[Field]]:
        fields = metadata.encoded_fields(headers)
        compression = self._compression
        return self._answer, fields if compression is None else [(GRPC_FIELDS.sent, compression.name), *fields]

    def message(self, response: Any) -> bytes:
        return self._encoded(super().message(response))

    def end(self, error: RpcError | None, trailers: Metadata) -> ResponseEnd:
        """The trailers are the last frame of the body."""
        fields = [*(_OK if error is None else status.encode(error)), *metadata.encoded_fields(trailers)]
        block = b"".join(b"%s: %s\r\n" % field for field in fields)
        return ResponseEnd(self._encoded(framing.pack_prefix(_TRAILERS, len(block)) + block), None)

    def error_response(self, error: RpcError, reply: Reply | None) -> WholeResponse:
        """The body has no frame but that of the trailers."""
        return WholeResponse(self._answer, (), self.end(error, EMPTY if reply is None else reply.trailers).body)

    def _encoded(self, data: bytes) -> bytes:
        return base64.b64encode(data) if self._text else data

    def _decoded(self, data: bytes) -> bytes:
        data = self._rest + data
        whole = len(data) & ~3
        self._rest = data[whole:]
        # Padding ends a piece, and another one may follow.
        pieces = data[:whole].replace(b"=", b"= ").replace(b"= =", b"==").split(b" ")
        try:
            return b"".join(binascii.a2b_base64(piece, strict_mode=True) for piece in pieces)
        except binascii.Error:
            raise RpcError(Code.INTERNAL, "the request is not base64, which application/grpc-web-text says that it is") from None
