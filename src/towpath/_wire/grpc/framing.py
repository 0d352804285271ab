"""Length-prefixed messages: one byte that says whether the message is compressed, four bytes of length, the message.

A size limit holds before and after decompression and is checked as soon as the prefix is known, so that a peer can make us hold no more
than one limit's worth of a message.
"""

import struct
from typing import ClassVar, Final

from towpath._core.errors import Code, RpcError, over_limit
from towpath._wire.compression import GRPC_FIELDS, Compression, EncodingFields
from towpath._wire.pieces import SMALL, Pieces, keep_small

PREFIX_SIZE: Final = 5
DEFAULT_MESSAGE_LIMIT: Final = 4 * 1024 * 1024
"""Bytes; gRPC's default."""

pack_prefix: Final = struct.Struct(">BI").pack
"""A message's flag and length as its prefix, for where a call of `frame` would cost more than it hides."""
_PLAIN: Final = 0
_COMPRESSED: Final = 1


def frame(message: bytes, compression: Compression | None = None) -> bytes:
    """A message with its prefix, compressed if `compression` is given."""
    if compression is not None:
        message = compression.compress(message)
        return pack_prefix(_COMPRESSED, len(message)) + message
    return pack_prefix(_PLAIN, len(message)) + message


class MessageReader:
    """Cuts a body that comes in pieces into messages. `compression` is the one that the peer announced in its head.

    Pieces are joined once, when the message that they belong to is whole: a large message is copied once and not at each of its frames,
    and of many small ones in one piece each is one slice.
    """

    __slots__ = ("_buffer", "_compression", "_limit", "_need", "_pieces", "_position", "unread")

    encoding_fields: ClassVar[EncodingFields] = GRPC_FIELDS
    """The fields of the head that name the compression."""

    def __init__(self, limit: int, compression: Compression | None = None) -> None:
        self._limit = limit
        self._compression = compression
        self._buffer = b""
        self._position = 0
        self._pieces: Pieces = []
        self._need = PREFIX_SIZE
        self.unread = 0
        """Bytes that have come and were not yet handed on."""

    def feed(self, data: bytes) -> None:
        """Take a piece of the body. Raises RpcError (RESOURCE_EXHAUSTED) once the message under way announces itself as too large."""
        if not self.unread:
            self._buffer = data
            self._position = 0
        elif len(data) >= SMALL:
            self._pieces.append(data)
        else:
            keep_small(self._pieces, data)
        self.unread += len(data)
        if self._need == PREFIX_SIZE <= self.unread:
            self._measure()

    def complete(self) -> bool:
        """Whether the next message has come whole. Raises RpcError (RESOURCE_EXHAUSTED) if it announces itself as too large."""
        if self._need == PREFIX_SIZE <= self.unread:
            self._measure()
        return self.unread >= self._need

    def next(self) -> bytes | None:
        """The next message, or None until more has come. Raises RpcError for one that cannot be read."""
        taken = self.take()
        if taken is None:
            return None
        flag, message = taken
        return message if flag == _PLAIN else unfolded(flag, message, self._limit, self._compression, self.encoding_fields)

    def take(self) -> tuple[int, bytes] | None:
        """The next message as it came, for `unfolded`, and its flag before it; None until more has come."""
        if not self.complete():
            return None
        need = self._need
        start = self._contiguous(need)
        buffer = self._buffer
        flag = buffer[start]
        message = buffer[start + PREFIX_SIZE : start + need]
        self._position = start + need
        self.unread -= need
        self._need = PREFIX_SIZE
        return flag, message

    def overfull(self) -> bool:
        """Whether more has come than the message that is under way: in a unary call an error already, and not worth keeping."""
        return self.unread > self._need

    def finished(self) -> bool:
        """Whether the body may end here: no message has been begun."""
        return not self.unread

    def _measure(self) -> None:
        start = self._contiguous(PREFIX_SIZE)
        size = int.from_bytes(self._buffer[start + 1 : start + PREFIX_SIZE], "big")
        if size > self._limit:
            raise too_large(size, self._limit)
        self._need = PREFIX_SIZE + size

    def _contiguous(self, size: int) -> int:
        """The position of the next `size` bytes, which have come, in one buffer."""
        if len(self._buffer) - self._position < size:
            self._buffer = b"".join((self._buffer[self._position :], *self._pieces))
            self._pieces.clear()
            self._position = 0
        return self._position


def unfolded(flag: int, message: bytes, limit: int, compression: Compression | None, names: EncodingFields = GRPC_FIELDS) -> bytes:
    """A message as it was before its sender may have compressed it, as `flag` says. Raises RpcError. `names` are the fields of the protocol
    that say what it is compressed with."""
    if flag == _PLAIN:
        return message
    if flag != _COMPRESSED:
        raise RpcError(Code.INTERNAL, f"a message's compressed flag is {flag}, and neither 0 nor 1")
    if compression is None:
        raise RpcError(Code.INTERNAL, f"a message is compressed, but {names.sent.decode()} names no compression")
    return compression.decompress(message, limit)


def too_large(size: int, limit: int) -> RpcError:
    """What a message of `size` bytes ends in."""
    return over_limit(f"a message is larger than the limit of {limit} bytes", size=size, limit=limit)


def ended_within_message(body: str, code: Code = Code.INTERNAL) -> RpcError:
    """What a call ends in whose `body`, as a person would call it, ends within a message."""
    return RpcError(code, f"{body} ended within a message")
