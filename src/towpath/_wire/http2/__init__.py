"""HTTP/2 (RFC 9113) without IO, written for RPC."""

from towpath._wire.http2.client import ClientConnection
from towpath._wire.http2.control import LOST
from towpath._wire.http2.delegate import ConnectionDelegate, ServerConnectionDelegate
from towpath._wire.http2.errors import ErrorCode, error_name
from towpath._wire.http2.limits import DEFAULT_LIMITS, Limits
from towpath._wire.http2.sending import IllegalSend, ResponseTemplate
from towpath._wire.http2.server import ServerConnection
from towpath._wire.http2.stream import Stream

__all__ = [
    "DEFAULT_LIMITS",
    "LOST",
    "ClientConnection",
    "ConnectionDelegate",
    "ErrorCode",
    "IllegalSend",
    "Limits",
    "ResponseTemplate",
    "ServerConnection",
    "ServerConnectionDelegate",
    "Stream",
    "error_name",
]
