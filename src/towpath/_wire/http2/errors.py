"""The faults of a peer: those that end the connection and those that end one stream (RFC 9113, section 5.4)."""

from enum import IntEnum


class ErrorCode(IntEnum):
    """Error codes of RST_STREAM and GOAWAY (RFC 9113, section 7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


def error_name(code: int) -> str:
    """The code's name, or its number: a peer may send codes that are not registered (section 7 lets it)."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error code 0x{code:x}"


class Http2Error(Exception):
    """The base of both faults."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(f"{code.name}: {reason}")
        self.code = code
        self.reason = reason


class ConnectionFault(Http2Error):
    """The connection's state can no longer be trusted: GOAWAY, then close."""


class StreamFault(Http2Error):
    """One stream is at fault; the others go on: RST_STREAM."""

    def __init__(self, stream_id: int, code: ErrorCode, reason: str) -> None:
        super().__init__(code, reason)
        self.stream_id = stream_id
