"""A call over REST: the request is one body of JSON, lines of JSON, or bytes of any type; so is the answer, or it is a problem."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from google.protobuf.message import Message

from towpath._core.context import Reply
from towpath._core.errors import Code, RpcError
from towpath._core.http.reply import is_mismatch
from towpath._core.metadata import Metadata
from towpath._wire import metadata
from towpath._wire.body import OneBodyDialect
from towpath._wire.codec import JSON, MAY_BE_COSTLY, JsonDefaults
from towpath._wire.compression import HTTP_FIELDS, Compression
from towpath._wire.connect.errors import HTTP_STATUS
from towpath._wire.dialect import CUT_SHORT, CostlyMessage, ResponseEnd, StreamedDialect, WholeDialect, WholeResponse
from towpath._wire.http.fields import Field, Template
from towpath._wire.json import JsonCodec
from towpath._wire.rest.binding import OCTET_STREAM, WRITERS, Binding
from towpath._wire.rest.form import FormReader, read_form
from towpath._wire.rest.problem import CONTENT_TYPE, problem, problem_body, problem_fields
from towpath._wire.rest.request_stream import BodyReader, LineReader, PieceReader, compressed_stream

_PRECONDITION_FAILED: Final = 412
_TOO_LARGE: Final = 413
_UNSUPPORTED: Final = 415
_OK: Final = Template((b":status", b"200"), (b"content-type", b"application/json"))
_BYTES: Final = Template((b":status", b"200"))
_NOT_MODIFIED: Final = Template((b":status", b"304"))
_LINES: Final = Template((b":status", b"200"), (b"content-type", b"application/x-ndjson"))
_PROBLEMS: Final = {
    status: Template((b":status", b"%d" % status), (b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store"))
    for status in {*HTTP_STATUS.values(), 405, _PRECONDITION_FAILED, _TOO_LARGE, _UNSUPPORTED}
}


def error_response(
    error: RpcError, reply: Reply | None = None, *, status: int | None = None, json_defaults: JsonDefaults = "omit"
) -> WholeResponse:
    """The answer to a failed call, as a problem. `status` replaces HTTP's status where the code's own would say too little."""
    return _problem(error, reply, status, WRITERS[json_defaults])


def _problem(error: RpcError, reply: Reply | None, status: int | None, writer: JsonCodec) -> WholeResponse:
    if status is None and is_mismatch(error):
        status = _PRECONDITION_FAILED
    fields = [*_fields(reply), *metadata.encoded_fields(error.metadata), *problem_fields(error)]
    return WholeResponse(_PROBLEMS[HTTP_STATUS[error.code] if status is None else status], fields, problem_body(error, status, writer))


class _RestDialect(OneBodyDialect):
    """The request of a call. `parameters` has the fields of path and query, `content_type` is that of a body of bytes, and `boundary` that
    of a form."""

    __slots__ = ("_binding", "_boundary", "_content_type", "_parameters")

    def __init__(
        self,
        binding: Binding,
        parameters: Message,
        *,
        limit: int,
        request_compression: Compression | None,
        content_type: str,
        boundary: bytes,
    ) -> None:
        OneBodyDialect.__init__(self, limit=limit, compression=request_compression)
        self._binding = binding
        self._parameters = parameters
        self._content_type = content_type
        self._boundary = boundary

    def read(self, body: bytes) -> Message:
        if self._boundary:
            return read_form(self._binding, self._parameters, self._boundary, body, self._limit)
        if self._binding.takes_bytes:
            return self._binding.bytes_request(self._parameters, self._content_type, body)
        return self._binding.request(self._parameters, body, self._limit)

    def is_costly(self, body: bytes) -> bool:
        return not self._binding.takes_bytes and JSON.is_costly(body, type(self._parameters), self._limit)

    def error_response(self, error: RpcError, reply: Reply | None) -> WholeResponse:
        return _problem(error, reply, _TOO_LARGE if self.too_large else None, self._binding.writer)


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
        content_type: str = "",
        boundary: bytes = b"",
    ) -> None:
        super().__init__(
            binding, parameters, limit=limit, request_compression=request_compression, content_type=content_type, boundary=boundary
        )
        self._response_compression = response_compression

    def whole_response(self, response: Any, reply: Reply | None) -> WholeResponse:
        """The response has the status 200, or 304 for a reader who has this version. Trailers are sent as headers, because clients of REST
        look nowhere else."""
        fields = list(_fields(reply))
        if reply is not None and self._binding.reads and getattr(reply, "unchanged", False):
            return WholeResponse(_NOT_MODIFIED, fields, b"")
        head = _OK
        if self._binding.gives_bytes:
            head = _BYTES
            content_type, body = self._binding.bytes_body(response)
            fields.append((b"content-type", content_type))
        else:
            body = self._binding.body(response)
        compression = self._response_compression
        if compression is not None:
            body = compression.compress(body)
            fields.append((HTTP_FIELDS.sent, compression.name))
        return WholeResponse(head, fields, body)


class _Responses(StreamedDialect):
    """The responses of a method of which any side streams: one JSON value a line, or bytes as they come, or the one response of a method
    whose requests alone stream. A stream of lines that fails after its start ends with a line that is an object of the one member `error`,
    a problem. A stream that ends well has no such line. Bytes have no place for an error, so their response is cut short."""

    __slots__ = ()
    early_head = False  # its status is the call's until the first message

    _binding: Binding
    _one: bool
    _response_type: bytes

    def head(self, headers: Metadata) -> tuple[Template, Sequence[Field]]:
        """The head has the status 200, and is sent before the end of the stream is known."""
        fields = list(metadata.encoded_fields(headers))
        if self._binding.gives_bytes:
            return _BYTES, [*fields, (b"content-type", self._response_type or OCTET_STREAM.encode())]
        return _OK if self._one else _LINES, fields

    def message(self, response: Any) -> bytes:
        if self._binding.gives_bytes:
            content_type, body = self._binding.bytes_body(response)
            self._response_type = self._response_type or content_type
            return body
        body = self._binding.body(response)
        return body if self._one else body + b"\n"

    def end(self, error: RpcError | None, trailers: Metadata) -> ResponseEnd:  # bodies have no place for trailers
        if error is None:
            return ResponseEnd(b"", None)
        return (
            CUT_SHORT
            if self._one or self._binding.gives_bytes
            else ResponseEnd(msgspec.json.encode({"error": problem(error, None, self._binding.writer)}) + b"\n", None)
        )


class RestStreamDialect(_RestDialect, _Responses):
    """A method whose responses stream."""

    __slots__ = ("_one", "_response_type")

    def __init__(
        self,
        binding: Binding,
        parameters: Message,
        *,
        limit: int,
        request_compression: Compression | None,
        content_type: str = "",
        boundary: bytes = b"",
    ) -> None:
        super().__init__(
            binding, parameters, limit=limit, request_compression=request_compression, content_type=content_type, boundary=boundary
        )
        self._one = False
        self._response_type = b""


class RestRequestStreamDialect(_Responses):
    """A method whose requests stream: each line of a body of JSON is one, or each part of a body of bytes, or of the files of a form with a
    `boundary`. All have the fields of path and query. The responses are `one`, or stream too."""

    __slots__ = ("_binding", "_content_type", "_is_form", "_limit", "_one", "_parameters", "_reader", "_response_type", "_status")

    def __init__(
        self,
        binding: Binding,
        parameters: Message,
        *,
        limit: int,
        content_type: str,
        one: bool,
        compressed: bool,
        boundary: bytes = b"",
    ) -> None:
        self._binding = binding
        self._parameters = parameters
        self._limit = limit
        self._content_type = content_type
        self._reader: BodyReader[Any]
        if boundary:
            self._reader = FormReader(binding, parameters, boundary, limit)
        else:
            self._reader = PieceReader(limit) if binding.takes_bytes else LineReader(limit)
        self._is_form = boundary != b""
        self._one = one
        self._response_type = b""
        self._status: int | None = _UNSUPPORTED if compressed else None
        """HTTP's status of the error, where its code alone would say too little."""

    @property
    def unread(self) -> int:
        return self._reader.unread

    def feed(self, data: bytes) -> None:
        if self._status == _UNSUPPORTED:
            raise compressed_stream()
        try:
            self._reader.feed(data)
        except RpcError as error:
            raise self._noted(error) from None

    def complete(self) -> bool:
        try:
            return self._reader.complete()
        except RpcError as error:
            raise self._noted(error) from None

    def next(self) -> Any:
        try:
            part = self._reader.next()
            if part is None or self._is_form:
                return part
            if self._binding.takes_bytes:
                return self._binding.bytes_request(self._parameters, self._content_type, part)
            if len(part) > MAY_BE_COSTLY and JSON.is_costly(part, type(self._parameters), self._limit):
                return CostlyMessage(lambda: self._read(part))
            return self._binding.request(self._parameters, part, self._limit)
        except RpcError as error:
            raise self._noted(error) from None

    def finish(self) -> None:
        try:
            self._reader.finish()
        except RpcError as error:
            raise self._noted(error) from None

    def error_response(self, error: RpcError, reply: Reply | None) -> WholeResponse:
        return _problem(error, reply, self._status, self._binding.writer)

    def _read(self, line: bytes) -> Message:
        try:
            return self._binding.request(self._parameters, line, self._limit)
        except RpcError as error:
            raise self._noted(error) from None

    def _noted(self, error: RpcError) -> RpcError:
        """The error of a request, which may have been too large."""
        self._status = _TOO_LARGE if error.code is Code.RESOURCE_EXHAUSTED else None
        return error


def _fields(reply: Reply | None) -> Iterator[Field]:
    if reply is not None:
        yield from metadata.encoded_fields(reply.headers)
        yield from metadata.encoded_fields(reply.trailers)
