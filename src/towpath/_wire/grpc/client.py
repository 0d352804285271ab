"""gRPC on the client: the fields by which a request is known, and how an answer is read. The status is in HTTP's trailers.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from collections.abc import Sequence
from typing import Final

from towpath._wire import metadata
from towpath._wire.compression import GRPC_FIELDS, Compression
from towpath._wire.grpc import framing, status
from towpath._wire.http.fields import Field, Section
from towpath._wire.response_reader import MessageSource, StreamResponseReader

_CONTENT_TYPE: Final = b"application/grpc"


def head_fields(compression: Compression | None) -> list[Field]:
    """The fields by which a request of gRPC is known, whose messages are compressed so."""
    return [(b"te", b"trailers"), (b"content-type", _CONTENT_TYPE), *GRPC_FIELDS.request(compression)]


class ResponseHead:
    """What a response's head says: whether it is gRPC, and how its messages may be compressed."""

    __slots__ = ("compression", "error")

    @staticmethod
    def of(head: Section) -> "ResponseHead":
        """The facts of `head`, which are worked out once and remembered on it."""
        facts: ResponseHead | None = head.response_facts
        if facts is None:
            facts = head.response_facts = ResponseHead(head.status, head.fields)
        return facts

    def __init__(self, status_code: bytes, fields: Sequence[Field]) -> None:
        found = dict(fields)
        content_type = found.get(b"content-type", b"")
        genuine = status_code == b"200" and content_type.startswith(_CONTENT_TYPE)
        self.error = None if genuine else status.from_http(status_code, content_type)
        self.compression = GRPC_FIELDS.announced(found)


def has_status(fields: Sequence[Field], extra: Sequence[Field] = ()) -> bool:
    """A trailers-only answer counts by its grpc-status, whatever HTTP status a proxy put on it."""
    return any(name == b"grpc-status" for name, _ in (*fields, *extra))


class GrpcResponseReader(StreamResponseReader):
    """A call's answer. `limit` is the message limit in bytes, before and after decompression."""

    __slots__ = ("_limit", "_reader")

    def __init__(self, limit: int) -> None:
        super().__init__(ends_in_body=False)
        self._limit = limit
        self._reader = framing.MessageReader(limit)

    @property
    def messages(self) -> MessageSource:
        """The reader, without the answer around it."""
        return self._reader

    @property
    def unread(self) -> int:
        return self._reader.unread

    def head(self, status_code: bytes, fields: Sequence[Field]) -> None:
        """The head has the status 200 and gRPC's content type, or else a status of gRPC, whatever a proxy made of the rest."""
        facts = ResponseHead(status_code, fields)
        if facts.error is not None and not has_status(fields):
            raise facts.error
        self._reader = framing.MessageReader(self._limit, facts.compression)
        self.headers = metadata.decode(fields)

    def feed(self, data: bytes) -> None:
        self._reader.feed(data)

    def complete(self) -> bool:
        return self._reader.complete()

    def next(self) -> bytes | None:
        return self._reader.next()

    def end(self, fields: Sequence[Field]) -> None:
        self.trailers = metadata.decode(fields)
        error = status.decode(fields)
        if error is not None:
            raise error
