"""Errors as problem details (RFC 9457), with gRPC's code as HTTP's status. Members beyond the RFC's are the code, and the details as
JSON."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

import msgspec
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import RetryInfo

from towpath._core.errors import RpcError
from towpath._wire.connect.errors import HTTP_STATUS, bounded
from towpath._wire.http.fields import Field
from towpath._wire.json import JsonCodec, JsonError

CONTENT_TYPE: Final = b"application/problem+json"
_JSON: Final = JsonCodec()
_CLIENT_CLOSED: Final = 499
_TITLES: Final = {status.value: status.phrase for status in HTTPStatus} | {_CLIENT_CLOSED: "Client Closed Request"}


def problem(error: RpcError, status: int | None = None, writer: JsonCodec = _JSON) -> dict[str, Any]:
    """The error as an object, its details written by `writer`. Raises for an error that cannot be written. `status` replaces HTTP's status
    where the code's own would say too little."""
    status = HTTP_STATUS[error.code] if status is None else status
    found: dict[str, Any] = {"type": "about:blank", "title": _TITLES[status], "status": status, "code": error.code.name}
    message, details = bounded(error)
    if message:
        found["detail"] = message
    if details:
        found["details"] = [_detail(detail, writer) for detail in details]
    return found


def problem_body(error: RpcError, status: int | None = None, writer: JsonCodec = _JSON) -> bytes:
    """The error's `problem` as JSON."""
    return msgspec.json.encode(problem(error, status, writer))


def problem_fields(error: RpcError) -> Iterator[Field]:
    """The header fields of the error: when to come again."""
    for detail in error.details:
        if isinstance(detail, RetryInfo):
            delay = detail.retry_delay
            yield b"retry-after", b"%d" % max(0, delay.seconds + (delay.nanos > 0))


def _detail(detail: Any, writer: JsonCodec) -> Any:
    packed = detail
    if not isinstance(detail, AnyMessage):
        packed = AnyMessage()
        packed.Pack(detail)
    try:
        return writer.to_object(packed)
    except JsonError:  # the detail is of a type that this process does not know
        return {"@type": packed.type_url}
