"""A call over REST: a request of one JSON body, and JSON, lines of JSON or a problem for an answer."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from google.protobuf.message import Message

from towpath.core.context import Reply
from towpath.core.errors import Code, RpcError
from towpath.core.metadata import Metadata
from towpath.wire.compression import compress, decompress
from towpath.wire.connect.errors import HTTP_STATUS
from towpath.wire.dialect import Answer, Dialect, Ending, StreamedDialect, WholeDialect
from towpath.wire.grpc import metadata
from towpath.wire.http2 import Field, Template
from towpath.wire.rest.binding import Binding
from towpath.wire.rest.problem import CONTENT_TYPE, problem, problem_body, problem_fields

_TOO_LARGE: Final = 413
_OK: Final = Template((b":status", b"200"), (b"content-type", b"application/json"))
_LINES: Final = Template((b":status", b"200"), (b"content-type", b"application/x-ndjson"))
_PROBLEMS: Final = {
    status: Template((b":status", b"%d" % status), (b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store"))
    for status in {*HTTP_STATUS.values(), 405, _TOO_LARGE, 415}
}


def refusal(error: RpcError, reply: Reply | None = None, *, status: int | None = None) -> Answer:
    """The answer to a call that failed, as a problem. `status` is HTTP's where the code's own would say too little."""
    fields = [*_fields(reply), *metadata.encoded_fields(error.metadata), *problem_fields(error)]
    return Answer(_PROBLEMS[HTTP_STATUS[error.code] if status is None else status], fields, problem_body(error, status))


class _RestDialect(Dialect):
    """The request. `parameters` is what path and query have told of it, `limit` the message limit in bytes."""

    __slots__ = ("_binding", "_ended", "_gzip_in", "_limit", "_parameters", "_pieces", "_taken", "_too_large", "_unread")

    def __init__(self, binding: Binding, parameters: Message, *, limit: int, gzip_in: bool) -> None:
        self._binding = binding
        self._parameters = parameters
        self._limit = limit
        self._gzip_in = gzip_in
        self._pieces: list[bytes] = []
        self._unread = 0
        self._ended = False
        self._taken = False
        self._too_large = False

    @property
    def unread(self) -> int:
        """Bytes that were not yet handed on."""
        return self._unread

    def feed(self, data: bytes) -> None:
        """A piece of the body."""
        self._unread += len(data)
        if self._unread > self._limit:
            self._too_large = True
            raise RpcError(Code.RESOURCE_EXHAUSTED, f"the request is larger than the limit of {self._limit} bytes")
        self._pieces.append(data)

    def complete(self) -> bool:
        """Whether the body has ended."""
        return self._ended and not self._taken

    def next(self) -> Message | None:
        """The request, once."""
        if not self.complete():
            return None
        self._taken = True
        raw = b"".join(self._pieces)
        self._pieces.clear()
        self._unread = 0
        return self._binding.request(self._parameters, decompress(raw, self._limit) if self._gzip_in and raw else raw)

    def finish(self) -> None:
        """Whatever came is the body."""
        self._ended = True

    def refusal(self, error: RpcError, reply: Reply | None) -> Answer:
        """The error as a problem."""
        return refusal(error, reply, status=_TOO_LARGE if self._too_large else None)


class RestUnaryDialect(_RestDialect, WholeDialect):
    """A unary method. `gzip_in` and `gzip_out` are as the head's `content-encoding` and `accept-encoding` say."""

    __slots__ = ("_gzip_out",)

    def __init__(self, binding: Binding, parameters: Message, *, limit: int, gzip_in: bool, gzip_out: bool) -> None:
        super().__init__(binding, parameters, limit=limit, gzip_in=gzip_in)
        self._gzip_out = gzip_out

    def answer(self, response: Any, reply: Reply | None) -> Answer:
        """200 and the response's JSON. Trailers are sent as headers: clients of REST look nowhere else."""
        body = self._binding.body(response)
        fields = list(_fields(reply))
        if self._gzip_out:
            body = compress(body)
            fields.append((b"content-encoding", b"gzip"))
        return Answer(_OK, fields, body)


class RestStreamDialect(_RestDialect, StreamedDialect):
    """A method whose responses stream: one JSON value a line. A stream that fails once it has begun ends with a line that is an object of
    the one member `error`, a problem; one that ends well ends without."""

    __slots__ = ()

    def head(self, headers: Metadata) -> tuple[Template, Sequence[Field]]:
        """200, said before it is known how the stream ends."""
        return _LINES, list(metadata.encoded_fields(headers))

    def message(self, response: Any) -> bytes:
        """One line."""
        return self._binding.body(response) + b"\n"

    def end(self, error: RpcError | None, trailers: Metadata) -> Ending:  # lines have no place for trailers
        """The line of a stream that failed."""
        return Ending(b"" if error is None else msgspec.json.encode({"error": problem(error)}) + b"\n", None)


def _fields(reply: Reply | None) -> Iterator[Field]:
    if reply is not None:
        yield from metadata.encoded_fields(reply.headers)
        yield from metadata.encoded_fields(reply.trailers)
