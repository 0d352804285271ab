"""gRPC as a dialect: length-prefixed messages both ways, the status in trailers."""

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.message import Message

from towpath._core.context import Reply
from towpath._core.errors import RpcError
from towpath._core.metadata import EMPTY, Metadata
from towpath._wire import metadata
from towpath._wire.codec import CODECS, MAY_BE_COSTLY, PROTO, BodyCodec
from towpath._wire.compression import GRPC_FIELDS, REGISTRY, Compression
from towpath._wire.dialect import CostlyMessage, ResponseEnd, StreamedDialect, WholeResponse
from towpath._wire.grpc import framing, status
from towpath._wire.grpc.framing import pack_prefix
from towpath._wire.http.fields import Field, Template


def _heads(content_type: bytes) -> dict[Compression | None, Template]:
    fields = (b":status", b"200"), (b"content-type", content_type), (GRPC_FIELDS.accepted, GRPC_FIELDS.offer)
    compressed = {known: Template(*fields, (GRPC_FIELDS.sent, known.name)) for known in REGISTRY.values()}
    return {None: Template(*fields), **compressed}


_PLAIN_TYPES: Final = {PROTO.subtype: b"application/grpc"}
_HEADS: Final = {subtype: _heads(_PLAIN_TYPES.get(subtype, b"application/grpc+" + subtype)) for subtype in CODECS}

HEADS: Final = _HEADS[PROTO.subtype]
"""The heads of responses in protobuf, by the compression of their messages."""
HEAD: Final = HEADS[None]
"""The head of a response without compression, which every call that fails at once has."""

_OK: Final[Sequence[Field]] = ((b"grpc-status", b"0"),)


class GrpcDialect(StreamedDialect):
    """A call over `application/grpc`. The request announced `request_compression`, responses get `response_compression`; `limit` is the
    message limit in bytes."""

    __slots__ = ("_codec", "_compression", "_limit", "_plain", "_reader", "_request")

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
        self._reader = framing.MessageReader(limit, request_compression)
        self._compression = response_compression
        self._plain = codec is PROTO and response_compression is None

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
            raise framing.ended_within_message("the request")

    def head(self, headers: Metadata) -> tuple[Template, Sequence[Field]]:
        """The head is the same for every outcome, because the trailers say how the call ended."""
        return _HEADS[self._codec.subtype][self._compression], metadata.encoded_fields(headers)

    def message(self, response: Any) -> bytes:
        if self._plain:  # as nearly always, with three calls less
            raw = response.SerializeToString()
            return pack_prefix(0, len(raw)) + raw
        return framing.frame(self._codec.encode(response), self._compression)

    def end(self, error: RpcError | None, trailers: Metadata) -> ResponseEnd:
        fields = _OK if error is None else status.encode(error)
        return ResponseEnd(b"", fields if trailers is EMPTY else [*fields, *metadata.encoded_fields(trailers)])

    def error_response(self, error: RpcError, reply: Reply | None) -> WholeResponse:
        """The error stands in the head, which ends the response: gRPC calls it Trailers-Only."""
        trailers = EMPTY if reply is None else reply.trailers
        return WholeResponse(_HEADS[self._codec.subtype][None], [*status.encode(error), *metadata.encoded_fields(trailers)], b"")


def trailers_only(error: RpcError) -> WholeResponse:
    """The response to a request that no call comes of."""
    return WholeResponse(HEAD, status.encode(error), b"")
