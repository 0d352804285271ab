"""The body of a request as a mounted application gets it, and the errors that it never sees: a dialect (`towpath._wire.dialect`) whose
messages are the pieces of the body as they come."""

from typing import Any, Final

from towpath._core.context import Reply
from towpath._core.disclosure.printable import printable
from towpath._core.errors import Code, RpcError
from towpath._wire.connect.errors import HTTP_STATUS
from towpath._wire.dialect import Dialect, WholeResponse
from towpath._wire.http.fields import Template
from towpath._wire.pieces import SMALL, Pieces, keep_small

_TOO_LARGE: Final = 413
_ERRORS: Final = {
    status: Template((b":status", b"%d" % status), (b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"))
    for status in {*HTTP_STATUS.values(), _TOO_LARGE}
}


class RequestBody(Dialect):
    """The body of one request, of `limit` bytes at the most; None for any number."""

    __slots__ = ("_limit", "_pieces", "_received", "_unread", "too_large")
    streams = False

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._pieces: Pieces = []
        self._received = self._unread = 0
        self.too_large = False
        """Whether the body went over the limit, which the error's code alone does not tell."""

    @property
    def received(self) -> int:
        """Bytes that have come."""
        return self._received

    @property
    def unread(self) -> int:
        return self._unread

    def feed(self, data: bytes) -> None:
        self._received += len(data)
        self.check(self._received)
        self._unread += len(data)
        if len(data) >= SMALL:
            self._pieces.append(data)
        elif data:
            keep_small(self._pieces, data)

    def check(self, size: int) -> None:
        """Raise RpcError (RESOURCE_EXHAUSTED) for a body of `size` bytes that is too large."""
        if self._limit is not None and size > self._limit:
            self.too_large = True
            raise RpcError(Code.RESOURCE_EXHAUSTED, f"the request's body is larger than the limit of {self._limit} bytes")

    def complete(self) -> bool:
        return bool(self._pieces)

    def next(self) -> Any:
        """All that has come since the last time."""
        pieces = self._pieces
        if not pieces:
            return None
        self._unread = 0
        piece = pieces[0] if len(pieces) == 1 and isinstance(pieces[0], bytes) else b"".join(pieces)
        pieces.clear()
        return piece

    def finish(self) -> None:
        """A body may end anywhere: HTTP knows whether it is whole."""

    def error_response(self, error: RpcError, reply: Reply | None) -> WholeResponse:
        """The error's text, with the status of its code."""
        head = _ERRORS[_TOO_LARGE if self.too_large else HTTP_STATUS[error.code]]
        told = f"{error.code.name}: {printable(error.message)}" if error.message else error.code.name  # `str` also tells where it came from
        return WholeResponse(head, (), f"{told}\n".encode(errors="replace"))


NO_BODY: Final = RequestBody(None)
"""The body of each request that has none."""
