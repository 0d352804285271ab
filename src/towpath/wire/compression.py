"""gzip, as every protocol here uses it: whole messages, and never more unfolded than a limit allows."""

import zlib
from typing import Final

from towpath.core.errors import Code, RpcError

_CONTAINER: Final = 31  # zlib's window bits for the gzip container
_LEVEL: Final = 6
_MAX_MEMBERS: Final = 1024
"""Of one message: an empty one takes 20 bytes, and some microseconds."""


def compress(message: bytes) -> bytes:
    """A message as gzip."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _CONTAINER)
    return compressor.compress(message) + compressor.flush()


def decompress(message: bytes, limit: int) -> bytes:
    """What was compressed, in one member or in several (RFC 1952, section 2.2). Raises RpcError for what is no gzip (INTERNAL) or larger
    than `limit` bytes (RESOURCE_EXHAUSTED)."""
    parts: list[bytes] = []
    left = limit
    for _ in range(_MAX_MEMBERS):
        decompressor = zlib.decompressobj(_CONTAINER)
        try:
            # One byte over the limit suffices to know, so that a bomb never unfolds.
            plain = decompressor.decompress(message, left + 1)
        except zlib.error as error:
            raise RpcError(Code.INTERNAL, f"a message is not valid gzip: {error}") from None
        left -= len(plain)
        if left < 0:
            raise RpcError(Code.RESOURCE_EXHAUSTED, f"a message is, once decompressed, larger than the limit of {limit} bytes")
        if not decompressor.eof:
            raise RpcError(Code.INTERNAL, "a message's gzip data ends too early")
        message = decompressor.unused_data
        if not message:
            return b"".join((*parts, plain)) if parts else plain
        parts.append(plain)
    raise RpcError(Code.INTERNAL, f"a message's gzip data has more than {_MAX_MEMBERS} members")
