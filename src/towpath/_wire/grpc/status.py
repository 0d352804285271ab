"""How a call's end stands on the wire: `grpc-status`, `grpc-message` and `grpc-status-details-bin`, to and from `RpcError`.

Also what a call is told when no status came: HTTP status codes and HTTP/2 error codes are mapped as gRPC's "HTTP to gRPC Status Code
Mapping" and "Errors" sections say.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Final

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status

from towpath._core.errors import Code, RpcError
from towpath._wire import metadata as metadata_codec
from towpath._wire.http.fields import Field, list_size
from towpath._wire.http2 import LOST, ErrorCode

# Spaces at either end too: HTTP/2 forbids them around a field's value.
_TO_ESCAPE = re.compile(rb"[^\x20-\x24\x26-\x7e]|\A | \Z")
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")

# Longest grpc-message sent, in bytes before escaping: the peer's header list limit (often 8 KiB) must never cost it the status itself.
_LONGEST_MESSAGE: Final = 1024
_LARGEST_DETAILS: Final = 4096
_LONGEST_PUSHBACK: Final = 9  # digits of milliseconds: eleven days

_FROM_HTTP: Final = {
    400: Code.INTERNAL,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.UNIMPLEMENTED,
    429: Code.UNAVAILABLE,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}

_FROM_HTTP2: Final = {
    LOST: Code.UNAVAILABLE,
    int(ErrorCode.REFUSED_STREAM): Code.UNAVAILABLE,
    int(ErrorCode.CANCEL): Code.CANCELLED,
    int(ErrorCode.ENHANCE_YOUR_CALM): Code.RESOURCE_EXHAUSTED,
    int(ErrorCode.INADEQUATE_SECURITY): Code.PERMISSION_DENIED,
}


def encode(error: RpcError) -> list[Field]:
    """The trailers that report `error`, its metadata included. Raises for an error that cannot be written, before anything of it is sent:
    whoever raised it put something else in the place of a code, a text, details or metadata."""
    message = error.message.encode("utf-8", "replace")
    note = b""
    raw = b""
    if error.details:
        status = Status(code=int(error.code), message=_cut(message, _LONGEST_MESSAGE).decode())
        for detail in error.details:
            packed = status.details.add()
            if isinstance(detail, Any):
                packed.CopyFrom(detail)
            else:
                packed.Pack(detail)
        raw = status.SerializeToString()
        if len(raw) > _LARGEST_DETAILS:
            note = b" (the details are left out, since they are over the limit of %d bytes)" % _LARGEST_DETAILS
    message = _cut(message, _LONGEST_MESSAGE - len(note)) + note
    fields = [(b"grpc-status", b"%d" % Code(error.code))]
    if message:
        fields.append((b"grpc-message", _escaped(message)))
    if 0 < len(raw) <= _LARGEST_DETAILS:
        fields.append((b"grpc-status-details-bin", base64.b64encode(raw).rstrip(b"=")))
    if error.pushback is not None:
        fields.append((b"grpc-retry-pushback-ms", b"%d" % (error.pushback * 1000 if error.pushback >= 0 else -1)))
    fields.extend(metadata_codec.encoded_fields(error.metadata))
    return fields


def fitting(fields: Sequence[Field], room: int) -> Sequence[Field]:
    """The trailers `fields`, or less of them where they are larger than the `room` in bytes that the peer has for them: it would lose the
    status with all the rest. The message then says that something is missing. A call that has succeeded fails by trailers that nobody can
    read, with RESOURCE_EXHAUSTED."""
    size = list_size(fields)
    if size <= room:
        return fields
    found = dict(fields)
    code = found.get(b"grpc-status", b"0")
    note = b" (the trailers are left out, since they are over what the caller takes)"
    if code == b"0":
        code, found[b"grpc-message"] = b"%d" % Code.RESOURCE_EXHAUSTED, b"the call has succeeded"
    least = [(b"grpc-status", code), (b"grpc-message", note)]
    message = found.get(b"grpc-message", b"")[: max(0, room - list_size(least))] + note
    least = [(b"grpc-status", code), (b"grpc-message", message.removeprefix(b" "))]
    return least if list_size(least) <= room else least[:1]


def decode(fields: Iterable[Field]) -> RpcError | None:
    """What a trailer section reports: None for OK, else the error. A section without a readable status is UNKNOWN, as gRPC says."""
    fields = list(fields)
    raw_code = message = b""
    pushback: float | None = None
    details: tuple[Message, ...] = ()
    for name, value in fields:
        if name == b"grpc-status":
            raw_code = value
        elif name == b"grpc-message":
            message = _ESCAPED.sub(lambda match: bytes((int(match.group(1), 16),)), value)
        elif name == b"grpc-status-details-bin":
            details = _details(value)
        elif name == b"grpc-retry-pushback-ms":
            # What cannot be read means not to retry, as gRFC A6 says.
            pushback = int(value) / 1000 if value.isdigit() and len(value) <= _LONGEST_PUSHBACK else -1.0
    if raw_code == b"0":
        return None
    metadata = metadata_codec.decode(fields)
    if not raw_code:
        return RpcError(Code.UNKNOWN, "the server ended the call without a grpc-status", metadata=metadata)
    text = message.decode("utf-8", "replace")
    if not raw_code.isdigit() or not 1 <= int(raw_code[:4]) <= Code.UNAUTHENTICATED:
        return RpcError(Code.UNKNOWN, f"unknown grpc-status {raw_code[:16]!r}: {text}", details, metadata=metadata)
    error = RpcError(Code(int(raw_code)), text, details, metadata=metadata)
    error.pushback = pushback
    return error


def _cut(text: bytes, length: int) -> bytes:
    """The beginning of `text`, in whole characters, in at most `length` bytes."""
    return text[:length].decode("utf-8", "ignore").encode()


def _escaped(message: bytes) -> bytes:
    return _TO_ESCAPE.sub(lambda match: b"%%%02X" % match.group()[0], message)


def _details(value: bytes) -> tuple[Message, ...]:
    raw = metadata_codec.from_base64(value)
    if raw is None:
        return ()
    try:
        return tuple(unpacked(detail) for detail in Status.FromString(raw).details)
    except DecodeError:
        return ()


def unpacked(detail: Any) -> Message:
    """The message inside, if its type is one of google.rpc's standard details; else the Any itself, for the caller to unpack."""
    from google.rpc import error_details_pb2  # noqa: PLC0415 # only a failed call with details needs it, and it takes 2 ms to import

    package, _, name = detail.TypeName().rpartition(".")
    if package != "google.rpc" or name not in error_details_pb2.DESCRIPTOR.message_types_by_name:
        return detail
    kind = getattr(error_details_pb2, name)
    message: Message = kind()
    detail.Unpack(message)
    return message


def from_http(status: bytes, content_type: bytes, protocol: str = "gRPC") -> RpcError:
    """What to tell the caller when the answer is not of its protocol: a proxy, or another kind of server."""
    code = _FROM_HTTP.get(int(status), Code.UNKNOWN)
    return RpcError(code, f"the peer does not speak {protocol}: HTTP status {status.decode()}, content-type {content_type[:64]!r}")


def from_reset(code: int, reason: str, *, answering: bool) -> RpcError:
    """What to tell the caller when the stream ended without a status. A refused stream was not processed (RFC 9113, section 8.7), unless
    the server was `answering`: its head had come."""
    error = RpcError(_FROM_HTTP2.get(code, Code.INTERNAL), reason)
    error.unprocessed = code == ErrorCode.REFUSED_STREAM and not answering
    error.lost = code == LOST
    if error.lost:
        error.outward = "the connection to a server that this call needs was lost"
    return error
