"""Connect on the client (https://connectrpc.com/docs/protocol): a unary call's answer is the message as the body of an ordinary response,
a stream's is enveloped messages with a last one that says how it ended. Messages are protobuf's bytes."""

from collections.abc import Sequence
from typing import Final

from towpath._core.errors import Code, RpcError
from towpath._wire import metadata
from towpath._wire.compression import CONNECT_STREAM_FIELDS, HTTP_FIELDS, Compression
from towpath._wire.connect.errors import read_end, read_error
from towpath._wire.grpc import status
from towpath._wire.grpc.enveloped_response import EnvelopedResponseReader
from towpath._wire.grpc.framing import too_large
from towpath._wire.http.fields import Field
from towpath._wire.pieces import SMALL, Pieces, keep_small
from towpath._wire.response_reader import UnaryResponseReader

_UNARY: Final = b"application/proto"
_STREAM: Final = b"application/connect+proto"
_TRAILER: Final = b"trailer-"
_VERSION: Final = (b"connect-protocol-version", b"1")


def unary_head_fields(compression: Compression | None) -> list[Field]:
    """The fields by which a unary request is known."""
    return [(b"content-type", _UNARY), _VERSION, *HTTP_FIELDS.request(compression)]


def stream_head_fields(compression: Compression | None) -> list[Field]:
    """The fields by which a stream is known."""
    return [(b"content-type", _STREAM), _VERSION, *CONNECT_STREAM_FIELDS.request(compression)]


def unary_body(message: bytes, compression: Compression | None) -> bytes:
    """The body of a unary request."""
    return message if compression is None else compression.compress(message)


class ConnectUnaryResponseReader(UnaryResponseReader):
    """A unary call's answer: 200 with the message, or another status with the error as JSON. `limit` is the message limit in bytes."""

    __slots__ = ("_compression", "_content_type", "_limit", "_pieces", "_size", "_status")

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._status = b""
        self._content_type = b""
        self._compression: Compression | None = None
        self._pieces: Pieces = []
        self._size = 0

    def head(self, status_code: bytes, fields: Sequence[Field]) -> None:
        """The head has the trailers, each with a prefix, and says how the call ended, but for the text of an error."""
        found = dict(fields)
        self._status = status_code
        self._content_type = found.get(b"content-type", b"")
        self._compression = HTTP_FIELDS.announced(found)
        self.headers = metadata.decode(field for field in fields if not field[0].startswith(_TRAILER))
        self.trailers = metadata.decode((name[len(_TRAILER) :], value) for name, value in fields if name.startswith(_TRAILER))
        if status_code == b"200" and self._content_type != _UNARY:
            raise status.from_http(status_code, self._content_type, "Connect")

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise too_large(self._size, self._limit)
        if len(data) >= SMALL:
            self._pieces.append(data)
        else:
            keep_small(self._pieces, data)

    def end(self, fields: Sequence[Field]) -> bytes:
        """An error that cannot be read gets the code of its HTTP status."""
        body = b"".join(self._pieces)
        if self._compression is not None and body:
            body = self._compression.decompress(body, self._limit)
        if self._status == b"200":
            return body
        error = read_error(body, self.trailers) if self._content_type.startswith(b"application/json") else None
        raise error or status.from_http(self._status, self._content_type, "Connect")


class ConnectStreamResponseReader(EnvelopedResponseReader):
    """A stream's answer. The HTTP status is always 200."""

    __slots__ = ()

    end_flag = 0x02
    encoding_fields = CONNECT_STREAM_FIELDS

    def head(self, status_code: bytes, fields: Sequence[Field]) -> None:
        found = dict(fields)
        content_type = found.get(b"content-type", b"")
        if status_code != b"200" or content_type != _STREAM:
            raise status.from_http(status_code, content_type, "Connect")
        self.compression = CONNECT_STREAM_FIELDS.announced(found)
        self.headers = metadata.decode(fields)

    def concluded(self, ending: bytes | None, fields: Sequence[Field]) -> RpcError | None:
        if ending is None:
            return RpcError(Code.INTERNAL, "the server ended the stream without its last message")
        error, self.trailers = read_end(ending)
        return error
