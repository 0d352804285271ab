"""What ends a connection of HTTP/1.1 instead of a call: a request that is none, or that goes over a limit."""

from http import HTTPStatus
from typing import Final

from towpath._wire.http.fields import Template

REASONS: Final = {
    **{status.value: status.phrase.encode() for status in HTTPStatus},
    413: b"Content Too Large",  # as RFC 9110 has it, and Python from 3.13
    499: b"Client Closed Request",
}
"""The reason phrases of statuses."""


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


def first_lines(head: Template) -> tuple[int, bytes]:
    """The status of a response, and the lines of its head that recur, from now on remembered on `head`."""
    (_, value), *fields = head.fields
    status = int(value)
    lines = b"".join((b"HTTP/1.1 %d %s\r\n" % (status, REASONS.get(status, b"Status")), *(b"%s: %s\r\n" % field for field in fields)))
    head.http1 = status, lines
    return head.http1
