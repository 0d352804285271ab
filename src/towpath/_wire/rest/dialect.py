"""A call over REST: the request is one JSON body; the answer is JSON, lines of JSON, or a problem."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from google.protobuf.message import Message

from towpath._core.context import Reply
from towpath._core.errors import RpcError
from towpath._core.metadata import Metadata
from towpath._wire import metadata
from towpath._wire.body import OneBodyDialect
from towpath._wire.codec import JSON
from towpath._wire.compression import HTTP_FIELDS, Compression
from towpath._wire.connect.errors import HTTP_STATUS
from towpath._wire.dialect import ResponseEnd, StreamedDialect, WholeDialect, WholeResponse
from towpath._wire.http.fields import Field, Template
from towpath._wire.rest.binding import Binding
from towpath._wire.rest.problem import CONTENT_TYPE, problem, problem_body, problem_fields

_TOO_LARGE: Final = 413
_OK: Final = Template((b":status", b"200"), (b"content-type", b"application/json"))
_LINES: Final = Template((b":status", b"200"), (b"content-type", b"application/x-ndjson"))
_PROBLEMS: Final = {
    status: Template((b":status", b"%d" % status), (b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store"))
    for status in {*HTTP_STATUS.values(), 405, _TOO_LARGE, 415}
}


def error_response(error: RpcError, reply: Reply | None = None, *, status: int | None = None) -> WholeResponse:
    """The answer to a failed call, as a problem. `status` replaces HTTP's status where the code's own would say too little."""
    fields = [*_fields(reply), *metadata.encoded_fields(error.metadata), *problem_fields(error)]
    return WholeResponse(_PROBLEMS[HTTP_STATUS[error.code] if status is None else status], fields, problem_body(error, status))


class _RestDialect(OneBodyDialect):
    """The request of a call. `parameters` has the fields of path and query."""

    __slots__ = ("_binding", "_parameters")

    def __init__(self, binding: Binding, parameters: Message, *, limit: int, request_compression: Compression | None) -> None:
        OneBodyDialect.__init__(self, limit=limit, compression=request_compression)
        self._binding = binding
        self._parameters = parameters

    def read(self, body: bytes) -> Message:
        return self._binding.request(self._parameters, body, self._limit)

    def is_costly(self, body: bytes) -> bool:
        return JSON.is_costly(body, type(self._parameters), self._limit)

    def error_response(self, error: RpcError, reply: Reply | None) -> WholeResponse:
        return error_response(error, reply, status=_TOO_LARGE if self.too_large else None)


class RestUnaryDialect(_RestDialect, WholeDialect):
    """A unary method. The request's body is of `request_compression`, the response's gets `response_compression`."""

    __slots__ = ("_response_compression",)

    def __init__(
        self,
        binding: Binding,
        parameters: Message,
        *,
        limit: int,
        request_compression: Compression | None,
        response_compression: Compression | None,
    ) -> None:
        super().__init__(binding, parameters, limit=limit, request_compression=request_compression)
        self._response_compression = response_compression

    def whole_response(self, response: Any, reply: Reply | None) -> WholeResponse:
        """The response has the status 200. Trailers are sent as headers, because clients of REST look nowhere else."""
        body = self._binding.body(response)
        fields = list(_fields(reply))
        compression = self._response_compression
        if compression is not None:
            body = compression.compress(body)
            fields.append((HTTP_FIELDS.sent, compression.name))
        return WholeResponse(_OK, fields, body)


class RestStreamDialect(_RestDialect, StreamedDialect):
    """A method whose responses stream: one JSON value a line. A stream that fails after its start ends with a line that is an object of the
    one member `error`, a problem. A stream that ends well has no such line."""

    __slots__ = ()
    early_head = False  # its status is the call's until the first message

    def head(self, headers: Metadata) -> tuple[Template, Sequence[Field]]:
        """The head has the status 200, and is sent before the end of the stream is known."""
        return _LINES, list(metadata.encoded_fields(headers))

    def message(self, response: Any) -> bytes:
        return self._binding.body(response) + b"\n"

    def end(self, error: RpcError | None, trailers: Metadata) -> ResponseEnd:  # lines have no place for trailers
        return ResponseEnd(b"" if error is None else msgspec.json.encode({"error": problem(error)}) + b"\n", None)


def _fields(reply: Reply | None) -> Iterator[Field]:
    if reply is not None:
        yield from metadata.encoded_fields(reply.headers)
        yield from metadata.encoded_fields(reply.trailers)
