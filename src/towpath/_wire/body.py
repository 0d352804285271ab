"""A request that is one body, as Connect's unary calls and REST have it: gathered whole, decompressed, read once."""

from abc import abstractmethod
from typing import Any

from towpath._core.errors import Code, RpcError
from towpath._wire.codec import MAY_BE_COSTLY
from towpath._wire.compression import Compression
from towpath._wire.dialect import CostlyMessage, Dialect
from towpath._wire.pieces import SMALL, Pieces, keep_small


class OneBodyDialect(Dialect):
    """The request's side. `limit` is the message limit in bytes, before and after decompression."""

    __slots__ = ("_compression", "_ended", "_limit", "_pieces", "_taken", "_unread", "too_large")

    def __init__(self, *, limit: int, compression: Compression | None) -> None:
        self._limit = limit
        self._compression = compression
        self._pieces: Pieces = []
        self._unread = 0
        self._ended = False
        self._taken = False
        self.too_large = False
        """Whether the body went over the limit, or is more messages than go with it, which the error's code alone does not tell."""

    @abstractmethod
    def read(self, body: bytes) -> Any:
        """The message that a whole body is. Raises RpcError."""

    @abstractmethod
    def is_costly(self, body: bytes) -> bool:
        """Whether it takes so long to read a body of over `MAY_BE_COSTLY` bytes that other calls should go on meanwhile."""

    @property
    def unread(self) -> int:
        return self._unread

    def feed(self, data: bytes) -> None:
        self._unread += len(data)
        if self._unread > self._limit:
            self.too_large = True
            raise RpcError(Code.RESOURCE_EXHAUSTED, f"the request is larger than the limit of {self._limit} bytes")
        if len(data) >= SMALL:
            self._pieces.append(data)
        else:
            keep_small(self._pieces, data)

    def complete(self) -> bool:
        return self._ended and not self._taken

    def next(self) -> Any:
        if not self.complete():
            return None
        self._taken = True
        raw = b"".join(self._pieces)
        self._pieces.clear()
        self._unread = 0
        try:
            if self._compression is not None and raw:
                raw = self._compression.decompress(raw, self._limit)
            if len(raw) > MAY_BE_COSTLY and self.is_costly(raw):
                return CostlyMessage(lambda: self._read(raw))
            return self.read(raw)
        except RpcError as error:
            self.too_large = error.code is Code.RESOURCE_EXHAUSTED
            raise

    def _read(self, body: bytes) -> Any:
        try:
            return self.read(body)
        except RpcError as error:
            self.too_large = error.code is Code.RESOURCE_EXHAUSTED
            raise

    def finish(self) -> None:
        self._ended = True
