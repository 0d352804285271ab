"""Errors as Connect writes them: a code in words, a message, and details with their protobuf bytes in base64."""

import base64
from typing import Any, Final

import msgspec
from google.protobuf.any_pb2 import Any as AnyMessage

from towpath.core.errors import Code, RpcError
from towpath.core.metadata import Metadata
from towpath.wire.grpc import metadata as metadata_codec

CODES: Final = {code: "canceled" if code is Code.CANCELLED else code.name.lower() for code in Code}
"""Connect's names; they are gRPC's in lower case, but for the spelling of one."""

HTTP_STATUS: Final = {
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
"""The status that each code has over HTTP, in Connect as in google.rpc.Code."""


def error_object(error: RpcError) -> dict[str, Any]:
    """The error as the object that Connect's JSON has."""
    found: dict[str, Any] = {"code": CODES[error.code]}
    if error.message:
        found["message"] = error.message
    if error.details:
        found["details"] = [_detail(detail) for detail in error.details]
    return found


def error_body(error: RpcError) -> bytes:
    """The body of a unary call that failed."""
    return msgspec.json.encode(error_object(error))


def end_body(error: RpcError | None, trailers: Metadata) -> bytes:
    """The last message of a stream."""
    found: dict[str, Any] = {}
    if error is not None:
        found["error"] = error_object(error)
    pairs: dict[str, list[str]] = {}
    for name, value in metadata_codec.encoded_fields(trailers):
        pairs.setdefault(name.decode("ascii"), []).append(value.decode("latin-1"))
    if pairs:
        found["metadata"] = pairs
    return msgspec.json.encode(found)


def _detail(detail: Any) -> dict[str, str]:
    if isinstance(detail, AnyMessage):
        name, raw = detail.TypeName(), detail.value
    else:
        name, raw = detail.DESCRIPTOR.full_name, detail.SerializeToString()
    return {"type": name, "value": base64.b64encode(raw).rstrip(b"=").decode("ascii")}
