"""The faults of a peer: those that end the connection and those that end one stream (RFC 9113, section 5.4)."""

from enum import IntEnum


class ErrorCode(IntEnum):
    """Error codes of RST_STREAM and GOAWAY (RFC 9113, section 7)."""

    NO_ERROR = 0x0
    """An orderly end."""
    PROTOCOL_ERROR = 0x1
    """The peer broke a rule that has no code of its own."""
    INTERNAL_ERROR = 0x2
    """This side failed."""
    FLOW_CONTROL_ERROR = 0x3
    """More data came than the window allows."""
    SETTINGS_TIMEOUT = 0x4
    """SETTINGS were not acknowledged in time."""
    STREAM_CLOSED = 0x5
    """A frame came for a stream that is half closed."""
    FRAME_SIZE_ERROR = 0x6
    """A frame has a size that it may not have."""
    REFUSED_STREAM = 0x7
    """The stream was not begun: the call may be repeated."""
    CANCEL = 0x8
    """Nobody wants the stream any more."""
    COMPRESSION_ERROR = 0x9
    """A header block cannot be decoded, so the state of HPACK is lost."""
    CONNECT_ERROR = 0xA
    """The connection of a CONNECT request failed."""
    ENHANCE_YOUR_CALM = 0xB
    """The peer does too much of what costs this side."""
    INADEQUATE_SECURITY = 0xC
    """The TLS of the connection is too weak."""
    HTTP_1_1_REQUIRED = 0xD
    """The request has to be made over HTTP/1.1."""


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
        """The code, as RST_STREAM or GOAWAY has it."""
        self.reason = reason
        """The fault, for people."""


class ConnectionFault(Http2Error):
    """The connection's state can no longer be trusted: GOAWAY, then close."""


class StreamFault(Http2Error):
    """One stream is at fault; the others go on: RST_STREAM."""

    def __init__(self, stream_id: int, code: ErrorCode, reason: str) -> None:
        super().__init__(code, reason)
        self.stream_id = stream_id
        """The stream at fault."""
