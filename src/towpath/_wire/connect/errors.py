"""Errors as Connect writes and reads them: a code in words, a message, and details with their protobuf bytes in base64."""

import base64
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._wire import metadata as metadata_codec
from towpath._wire.grpc import status as status_codec
from towpath._wire.http.fields import is_field

CODES: Final = {code: "canceled" if code is Code.CANCELLED else code.name.lower() for code in Code}
"""Connect's names; they are gRPC's in lower case, but for the spelling of one."""

_LONGEST_MESSAGE: Final = 16 * 1024
"""Characters of an error's message that are sent."""

_LARGEST_DETAILS: Final = 64 * 1024
"""Bytes of an error's details that are sent. With more of them the answer is without any, and says so."""

_BY_NAME: Final = {name: code for code, name in CODES.items()}

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
    """The error as the object that Connect's JSON has. Raises for an error that cannot be written."""
    found: dict[str, Any] = {"code": CODES[error.code]}
    message, details = bounded(error)
    if message:
        found["message"] = message
    if details:
        found["details"] = [_detail(detail) for detail in details]
    return found


def bounded(error: RpcError) -> tuple[str, Sequence[Message]]:
    """The message and the details that are sent: over 64 KiB of details are left out, which the message then says."""
    message = readable(error.message) if error.message else ""
    size = sum(detail.ByteSize() for detail in error.details)
    if size <= _LARGEST_DETAILS:
        return message, error.details
    note = f" (the details are left out, since they are over the limit of {_LARGEST_DETAILS} bytes)"
    return message[: _LONGEST_MESSAGE - len(note)] + note, ()


def readable(message: str) -> str:
    """`message` as it can be written and will be read: what is no character, as in the name of a file that is not UTF-8, becomes a question
    mark, and what is beyond 16 Ki characters is left out, since a body over its reader's limit would cost the code too."""
    return message[:_LONGEST_MESSAGE].encode("utf-8", "replace").decode()


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


_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON of a type; the last one for arrays or objects that are nested too deep."""


class _Detail(msgspec.Struct):
    type: str = ""
    value: str = ""


class _Error(msgspec.Struct):
    code: str | None = None
    message: str | None = None
    details: list[_Detail] | None = None


class _End(msgspec.Struct):
    error: _Error | None = None
    metadata: dict[str, list[str]] | None = None


def read_error(body: bytes, trailers: Metadata) -> RpcError | None:
    """The error that the body of a unary call is, or None if it is none with a code that Connect knows."""
    try:
        error = msgspec.json.decode(body, type=_Error)
    except _UNREADABLE:
        return None
    return _read(error, trailers) if error.code in _BY_NAME else None


def read_end(body: bytes) -> tuple[RpcError | None, Metadata]:
    """How the last message of a stream says that it ended, and its trailers. Raises RpcError for what is no such message."""
    try:
        end = msgspec.json.decode(body, type=_End)
    except _UNREADABLE as error:
        raise RpcError(Code.INTERNAL, f"the last message of a stream is not Connect's: {error}") from None
    pairs = [(name.lower().encode(), value.strip(" \t").encode()) for name, values in (end.metadata or {}).items() for value in values]
    # HTTP has not looked at what a body says: a line break would become a field of its own where a gateway passes it on.
    trailers = metadata_codec.decode(pair for pair in pairs if is_field(*pair))
    return None if end.error is None else _read(end.error, trailers), trailers


def _read(error: _Error, trailers: Metadata) -> RpcError:
    code = _BY_NAME.get(error.code or "", Code.UNKNOWN)
    return RpcError(code, error.message or "", _read_details(error.details or ()), metadata=trailers)


def _read_details(details: Iterable[_Detail]) -> Iterable[Message]:
    """Those that can be read: an error is worth more than its details."""
    for detail in details:
        raw = metadata_codec.from_base64(detail.value.encode())
        if raw is None:
            continue
        try:
            yield status_codec.unpacked(AnyMessage(type_url=f"type.googleapis.com/{detail.type}", value=raw))
        except DecodeError:
            continue
