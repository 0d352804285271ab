"""A stream over Connect: enveloped messages both ways, and a last envelope that says how it ended. The HTTP status is always 200."""

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.message import Message

from towpath._core.context import Reply
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY, Metadata
from towpath._wire import metadata
from towpath._wire.codec import CODECS, MAY_BE_COSTLY, BodyCodec
from towpath._wire.compression import CONNECT_STREAM_FIELDS, Compression
from towpath._wire.connect.errors import end_body
from towpath._wire.dialect import CostlyMessage, ResponseEnd, StreamedDialect, WholeResponse
from towpath._wire.grpc import framing
from towpath._wire.http.fields import Field, Template

_ACCEPTED: Final = (CONNECT_STREAM_FIELDS.accepted, CONNECT_STREAM_FIELDS.offer)
_HEADS: Final = {
    subtype: Template((b":status", b"200"), (b"content-type", b"application/connect+" + subtype), _ACCEPTED) for subtype in CODECS
}
_END: Final = 2


class _EnvelopeReader(framing.MessageReader):
    __slots__ = ()

    encoding_fields = CONNECT_STREAM_FIELDS


class ConnectStreamDialect(StreamedDialect):
    """A call over `application/connect+proto` or `+json`. The request announced `request_compression`, responses get
    `response_compression`; `limit` is the message limit in bytes."""

    __slots__ = ("_codec", "_compression", "_limit", "_reader", "_request")

    def __init__(
        self,
        request: type[Message],
        codec: BodyCodec,
        *,
        limit: int,
        request_compression: Compression | None,
        response_compression: Compression | None,
    ) -> None:
        self._request = request
        self._codec = codec
        self._limit = limit
        self._reader = _EnvelopeReader(limit, request_compression)
        self._compression = response_compression

    @property
    def unread(self) -> int:
        return self._reader.unread

    def feed(self, data: bytes) -> None:
        self._reader.feed(data)

    def complete(self) -> bool:
        return self._reader.complete()

    def next(self) -> Message | CostlyMessage | None:
        raw = self._reader.next()
        if raw is None:
            return None
        if len(raw) > MAY_BE_COSTLY and self._codec.is_costly(raw, self._request, self._limit):
            return CostlyMessage(lambda: self._codec.decode(raw, self._request, self._limit))
        return self._codec.decode(raw, self._request, self._limit)

    def finish(self) -> None:
        if not self._reader.finished() and not self._reader.complete():
            raise framing.ended_within_message("the request", Code.INVALID_ARGUMENT)

    def head(self, headers: Metadata) -> tuple[Template, Sequence[Field]]:
        """The head is the same for every outcome, because the last envelope says how the call ended."""
        fields = metadata.encoded_fields(headers)
        compression = self._compression
        return _HEADS[self._codec.subtype], fields if compression is None else [(CONNECT_STREAM_FIELDS.sent, compression.name), *fields]

    def message(self, response: Any) -> bytes:
        return framing.frame(self._codec.encode(response), self._compression)

    def end(self, error: RpcError | None, trailers: Metadata) -> ResponseEnd:
        """The last envelope is never compressed, so that every caller can read it."""
        body = end_body(error, trailers)
        return ResponseEnd(framing.pack_prefix(_END, len(body)) + body, None)

    def error_response(self, error: RpcError, reply: Reply | None) -> WholeResponse:
        """The body has no envelope but the last one."""
        head, fields = self.head(EMPTY if reply is None else reply.headers)
        return WholeResponse(head, fields, self.end(error, EMPTY if reply is None else reply.trailers).body)
