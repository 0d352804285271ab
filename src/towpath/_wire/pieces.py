"""Pieces of a body that are kept until they are joined.

A peer chooses how large they are. An object for each costs some 50 bytes beside its content, so a body that comes in pieces of two bytes
would take 25 times its size. Small pieces are therefore gathered in one buffer after the other.
"""

from typing import Final

SMALL: Final = 1024
"""A piece of fewer bytes is gathered with its neighbours. For a larger one the object around it hardly counts."""

_FULL: Final = 64 * 1024
"""Bytes in a buffer after which the next one is begun, so that no large buffer has to be moved while it grows."""

Pieces = list[bytes | bytearray]
"""What `b"".join` makes a body of."""


def keep_small(pieces: Pieces, data: bytes) -> None:
    """Append a piece of fewer than `SMALL` bytes. Callers append larger pieces themselves, which spares each of them a call."""
    last = pieces[-1] if pieces else None
    if isinstance(last, bytearray) and len(last) < _FULL:
        last += data
    else:
        pieces.append(bytearray(data))
