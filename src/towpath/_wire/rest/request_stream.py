"""The body of a request whose method takes a stream: cut into messages as it comes, so that no more than one message has to be kept.

A body of JSON has one value a line. A body of bytes, which a `google.api.HttpBody` stands for, is cut where it is convenient: a message has
what has come so far, up to `PIECE` bytes.
"""

import re
from abc import ABC, abstractmethod
from typing import Final, Generic, TypeVar

from towpath._core.errors import Code, RpcError
from towpath._wire.grpc.framing import too_large
from towpath._wire.pieces import SMALL, Pieces, keep_small

PIECE: Final = 64 * 1024
"""Bytes of a body of bytes that one message has at the most."""

_NOT_BLANK: Final = re.compile(rb"[^ \t\r\n]")


T = TypeVar("T")


class BodyReader(ABC, Generic[T]):
    """Takes the pieces of a body and gives its parts."""

    __slots__ = ()

    unread: int
    """Bytes that have come and were not yet handed on."""

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """Take a piece of the body. Raises RpcError (RESOURCE_EXHAUSTED) if the part under way is too large."""

    @abstractmethod
    def complete(self) -> bool:
        """Whether the next part has come whole. Raises RpcError, as `next` and `finish` do, for what is no such body."""

    @abstractmethod
    def next(self) -> T | None:
        """The next part; None until more has come."""

    @abstractmethod
    def finish(self) -> None:
        """The body has ended."""


class LineReader(BodyReader[bytes]):
    """The lines of a body, without those that are blank. No line has more than `limit` bytes."""

    __slots__ = ("_at", "_buffer", "_end", "_ended", "_limit", "_pieces", "unread")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = b""
        self._at = 0
        self._end = -1
        """Where the next line ends in the buffer; -1 if that is not known."""
        self._pieces: Pieces = []
        """What has come behind the buffer."""
        self.unread = 0
        self._ended = False

    def feed(self, data: bytes) -> None:
        self.unread += len(data)
        if len(data) >= SMALL:
            self._pieces.append(data)
        else:
            keep_small(self._pieces, data)
        if self._end < 0 and (b"\n" in data or self.unread > self._limit):
            self._look()

    def complete(self) -> bool:
        return self._end >= 0

    def next(self) -> bytes | None:
        if self._end < 0:
            return None
        start, end = self._at, self._end
        line = self._buffer[start:end]
        self._at = min(end + 1, len(self._buffer))
        self.unread -= self._at - start
        self._look()
        return line

    def finish(self) -> None:
        if not self._ended:
            self._ended = True
            self._look()

    def _look(self) -> None:
        """Find the end of the next line that is not blank."""
        self._end = -1
        self._skip_blank()
        end = self._buffer.find(b"\n", self._at)
        if end < 0 and self._pieces:
            self._buffer = b"".join((self._buffer[self._at :], *self._pieces))
            self._pieces.clear()
            self._at = 0
            self._skip_blank()
            end = self._buffer.find(b"\n", self._at)
        left = len(self._buffer)
        if end < 0 and self._ended and self._at < left:
            end = left
        size = (left if end < 0 else end) - self._at
        if size > self._limit:
            raise too_large(size, self._limit)
        self._end = end

    def _skip_blank(self) -> None:
        found = _NOT_BLANK.search(self._buffer, self._at)
        start = len(self._buffer) if found is None else found.start()
        self.unread -= start - self._at
        self._at = start


class PieceReader(BodyReader[bytes]):
    """The bytes of a body, in parts of `limit` or `PIECE` bytes at the most. A body without a byte has one empty part."""

    __slots__ = ("_ended", "_most", "_pieces", "_taken", "unread")

    def __init__(self, limit: int) -> None:
        self._most = min(limit, PIECE)
        self._pieces: Pieces = []
        self.unread = 0
        self._taken = self._ended = False

    def feed(self, data: bytes) -> None:
        self.unread += len(data)
        if len(data) >= SMALL:
            self._pieces.append(data)
        elif data:
            keep_small(self._pieces, data)

    def complete(self) -> bool:
        return self.unread > 0 or (self._ended and not self._taken)

    def next(self) -> bytes | None:
        if not self.complete():
            return None
        self._taken = True
        size = count = 0
        for piece in self._pieces:
            size += len(piece)
            count += 1
            if size >= self._most:
                break
        whole = b"".join(self._pieces[:count])
        part, rest = whole[: self._most], whole[self._most :]
        self._pieces[:count] = [rest] if rest else []
        self.unread -= len(part)
        return part

    def finish(self) -> None:
        self._ended = True


def compressed_stream() -> RpcError:
    """The error of a stream of requests that is compressed: it cannot be unfolded within bounds before it has come whole."""
    return RpcError(Code.INVALID_ARGUMENT, "a body that is a stream of requests is not taken compressed; send it without content-encoding")
