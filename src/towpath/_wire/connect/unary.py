"""A unary call over Connect: the request's body is the message, the response's too, and the HTTP status says how it ended.

A method without side effects may also be called with GET, the message in the query: such calls can be cached by whatever is in between.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from google.protobuf.message import Message

from towpath._core.context import Reply
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._wire import metadata
from towpath._wire.body import OneBodyDialect
from towpath._wire.codec import CODECS, BodyCodec
from towpath._wire.compression import HTTP_FIELDS, Compression, named
from towpath._wire.connect.errors import HTTP_STATUS, error_body
from towpath._wire.dialect import WholeDialect, WholeResponse
from towpath._wire.http.fields import Field, Template

_OK: Final = {subtype: Template((b":status", b"200"), (b"content-type", b"application/" + subtype)) for subtype in CODECS}
_ERRORS: Final = {
    code: Template((b":status", b"%d" % http), (b"content-type", b"application/json"), (b"cache-control", b"no-store"))
    for code, http in HTTP_STATUS.items()
}
_MOST_PARAMETERS: Final = 16


@dataclass(frozen=True, kw_only=True)
class GetRequest:
    """What the query of a GET says: the message, not yet decompressed, and how it is encoded."""

    codec: BodyCodec
    raw: bytes
    compression: Compression | None

    @staticmethod
    def parse(query: str) -> "GetRequest":
        """The request that `query` is. Raises RpcError (INVALID_ARGUMENT) for a query that is not Connect's."""
        try:
            found = dict(parse_qsl(query, keep_blank_values=True, encoding="latin-1", max_num_fields=_MOST_PARAMETERS))
        except ValueError:
            raise RpcError(Code.INVALID_ARGUMENT, f"over {_MOST_PARAMETERS} query parameters; Connect has five") from None
        codec = CODECS.get(found.get("encoding", "").encode())
        if codec is None or "message" not in found:
            raise RpcError(Code.INVALID_ARGUMENT, "a GET needs the query parameters message, and encoding: json or proto")
        compression = named("compression", found.get("compression", "identity").encode("latin-1"))
        raw = found["message"].encode("latin-1")
        if found.get("base64") == "1":
            try:
                raw = base64.b64decode(raw.rstrip(b"=") + b"=" * (-len(raw.rstrip(b"=")) % 4), b"-_", validate=True)
            except (binascii.Error, ValueError):
                raise RpcError(Code.INVALID_ARGUMENT, "the query parameter message is not URL-safe base64") from None
        return GetRequest(codec=codec, raw=raw, compression=compression)


class ConnectUnaryDialect(OneBodyDialect, WholeDialect):
    """A call over `application/proto` or `application/json`. The request's body is of `request_compression`, the response's gets
    `response_compression`; `limit` is the message limit in bytes. `request_body` is the message that came with the head of a GET."""

    __slots__ = ("_codec", "_request", "_response_compression")

    def __init__(
        self,
        request: type[Message],
        codec: BodyCodec,
        *,
        limit: int,
        request_compression: Compression | None,
        response_compression: Compression | None,
        request_body: bytes | None = None,
    ) -> None:
        OneBodyDialect.__init__(self, limit=limit, compression=request_compression)
        self._request = request
        self._codec = codec
        self._response_compression = response_compression
        if request_body is not None:
            self._pieces.append(request_body)

    def read(self, body: bytes) -> Message:
        return self._codec.decode(body, self._request, self._limit)

    def is_costly(self, body: bytes) -> bool:
        return self._codec.is_costly(body, self._request, self._limit)

    def whole_response(self, response: Any, reply: Reply | None) -> WholeResponse:
        """The response has the status 200. Its trailers go into the head, with a prefix."""
        body = self._codec.encode(response)
        fields = _fields(reply)
        compression = self._response_compression
        if compression is not None and body:
            body = compression.compress(body)
            fields = [(HTTP_FIELDS.sent, compression.name), *fields]
        return WholeResponse(_OK[self._codec.subtype], fields, body)

    def error_response(self, error: RpcError, reply: Reply | None) -> WholeResponse:
        """The response has the HTTP status of the error's code, and the error as JSON."""
        return WholeResponse(_ERRORS[error.code], [*_fields(reply), *_trailing(error.metadata)], error_body(error))


def _fields(reply: Reply | None) -> Sequence[Field]:
    if reply is None:
        return ()
    return [*metadata.encoded_fields(reply.headers), *_trailing(reply.trailers)]


def _trailing(trailers: Metadata) -> list[Field]:
    return [(b"trailer-" + name, value) for name, value in metadata.encoded_fields(trailers)]
