"""What ends a connection of HTTP/1.1 instead of a call: a request that is none, or that goes over a limit."""

from typing import Final

REASONS: Final = {
    200: b"OK",
    304: b"Not Modified",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    409: b"Conflict",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    417: b"Expectation Failed",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    499: b"Client Closed Request",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported",
}
"""The reason phrases of the statuses that are sent."""


class Fault(Exception):
    """The request cannot be served; ends the connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        """HTTP's status of the response."""

    def response(self) -> bytes:
        """The whole response, after which the connection ends."""
        body = str(self).encode() + b"\n"
        return b"HTTP/1.1 %d %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (
            self.status,
            REASONS[self.status],
            len(body),
            body,
        )
