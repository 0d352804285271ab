"""How a client reads a response whose last envelope says how the call ended. gRPC-Web and Connect have their trailers there.

Envelopes are cut as they come, because the last one counts as soon as the response has ended, whatever of the messages before it is still
to be read. Messages stay compressed until then.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import ClassVar

from towpath._core.errors import Code, RpcError
from towpath._wire.compression import Compression, EncodingFields
from towpath._wire.grpc.framing import PREFIX_SIZE, ended_within_message, too_large, unfolded
from towpath._wire.http.fields import Field
from towpath._wire.response_reader import StreamResponseReader


class EnvelopedResponseReader(StreamResponseReader):
    """Reads a response of envelopes. `limit` is the message limit in bytes, before and after decompression, of the last envelope too."""

    __slots__ = ("_buffer", "_ending", "_limit", "_messages", "_waiting", "compression")

    end_flag: ClassVar[int]
    """What marks the last envelope."""

    encoding_fields: ClassVar[EncodingFields]
    """The fields of the head that name the compression."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._buffer = bytearray()
        self._messages: deque[tuple[int, bytes]] = deque()
        self._waiting = 0
        self._ending: bytes | None = None
        self.compression: Compression | None = None
        """What the head announced."""

    @abstractmethod
    def concluded(self, ending: bytes | None, fields: Sequence[Field]) -> RpcError | None:
        """How the call ended, by its last envelope if there was one. Sets the trailers; raises RpcError for what cannot be read."""

    @property
    def unread(self) -> int:
        return self._waiting + len(self._buffer)

    def feed(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while len(buffer) >= PREFIX_SIZE:
            if self._ending is not None:
                raise RpcError(Code.INTERNAL, "the answer goes on behind its end")
            size = int.from_bytes(buffer[1:PREFIX_SIZE], "big")
            if size > self._limit:
                raise too_large(size, self._limit)
            following = PREFIX_SIZE + size
            if len(buffer) < following:
                return
            flag = buffer[0]
            raw = bytes(buffer[PREFIX_SIZE:following])
            del buffer[:following]
            if flag & self.end_flag:
                self._ending = unfolded(flag & ~self.end_flag, raw, self._limit, self.compression, self.encoding_fields)
            else:
                self._messages.append((flag, raw))
                self._waiting += following

    def complete(self) -> bool:
        return bool(self._messages)

    def next(self) -> bytes | None:
        if not self._messages:
            return None
        flag, raw = self._messages.popleft()
        self._waiting -= PREFIX_SIZE + len(raw)
        return unfolded(flag, raw, self._limit, self.compression, self.encoding_fields)

    def end(self, fields: Sequence[Field]) -> None:
        error = self.concluded(self._ending, fields)
        if error is None and self._buffer:
            error = ended_within_message("the answer")
        if error is not None:
            raise error
