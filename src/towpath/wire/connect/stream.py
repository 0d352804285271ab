"""A stream over Connect: enveloped messages both ways, and a last envelope that says how it ended. The HTTP status is always 200."""

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.message import Message

from towpath.core.context import Reply
from towpath.core.errors import Code, RpcError
from towpath.core.metadata import EMPTY, Metadata
from towpath.wire.codec import CODECS, BodyCodec
from towpath.wire.connect.errors import end_body
from towpath.wire.dialect import Answer, Ending, StreamedDialect
from towpath.wire.grpc import framing, metadata
from towpath.wire.http2 import Field, Template

_HEADS: Final = {
    subtype: Template((b":status", b"200"), (b"content-type", b"application/connect+" + subtype), (b"connect-accept-encoding", b"gzip"))
    for subtype in CODECS
}
_END: Final = 2


class ConnectStreamDialect(StreamedDialect):
    """A call over `application/connect+proto` or `+json`. `gzip_in` and `gzip_out` are as `connect-content-encoding` and
    `connect-accept-encoding` say, `limit` is the message limit in bytes."""

    __slots__ = ("_codec", "_gzip_out", "_limit", "_reader", "_request")

    def __init__(self, request: type[Message], codec: BodyCodec, *, limit: int, gzip_in: bool, gzip_out: bool) -> None:
        self._request = request
        self._codec = codec
        self._limit = limit
        self._reader = framing.MessageReader(limit, gzip=gzip_in)
        self._gzip_out = gzip_out

    @property
    def unread(self) -> int:
        """Bytes that were not yet handed on."""
        return self._reader.unread

    def feed(self, data: bytes) -> None:
        """A piece of the body."""
        self._reader.feed(data)

    def complete(self) -> bool:
        """Whether a whole message has come."""
        return self._reader.complete()

    def next(self) -> Message | None:
        """The next message."""
        raw = self._reader.next()
        return None if raw is None else self._codec.decode(raw, self._request, self._limit)

    def finish(self) -> None:
        """A body may end between messages."""
        if not self._reader.finished() and not self._reader.complete():
            raise RpcError(Code.INVALID_ARGUMENT, "the request ended within a message")

    def head(self, headers: Metadata) -> tuple[Template, Sequence[Field]]:
        """200, whatever comes."""
        fields = metadata.encoded_fields(headers)
        return _HEADS[self._codec.subtype], [(b"connect-content-encoding", b"gzip"), *fields] if self._gzip_out else fields

    def message(self, response: Any) -> bytes:
        """An enveloped message."""
        return framing.frame(self._codec.encode(response), gzip=self._gzip_out)

    def end(self, error: RpcError | None, trailers: Metadata) -> Ending:
        """The last envelope; never compressed, so that everybody can read it."""
        body = end_body(error, trailers)
        return Ending(framing.pack_prefix(_END, len(body)) + body, None)

    def refusal(self, error: RpcError, reply: Reply | None) -> Answer:
        """A stream of the last envelope alone."""
        head, fields = self.head(EMPTY if reply is None else reply.headers)
        return Answer(head, fields, self.end(error, EMPTY if reply is None else reply.trailers).body)
