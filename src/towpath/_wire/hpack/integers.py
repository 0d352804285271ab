"""Integers with a prefix of a few bits (RFC 7541 5.1).

Both directions take the prefix as its mask (`0x7f` for 7 bits), which is also the least value that the prefix alone cannot hold.
"""

from typing import Final

from towpath._wire.hpack.errors import HpackError

BYTES: Final = tuple([bytes((value,)) for value in range(256)])
"""Every single byte: looking one up takes a third of the time of making it."""

_MAX_INTEGER: Final = 2**32 - 1
_MAX_CONTINUATION: Final = 5  # bytes of 7 bits each: as many as 32 bits need


def decode_integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """Read the integer whose prefix is in `block[at]`; returns it and the position after it.

    Raises HpackError if the block ends before the integer does, or the integer has more than five bytes after the prefix or exceeds
    32 bits: RFC 7541 5.1 leaves the bound to us, and without one a peer could send endless zero digits.
    """
    end = len(block)
    if at >= end:
        raise HpackError("header block ends where an integer should start (RFC 7541 5.1)")
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    for shift in range(0, 7 * _MAX_CONTINUATION, 7):
        if at >= end:
            raise HpackError("header block ends inside an integer (RFC 7541 5.1)")
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            if value > _MAX_INTEGER:
                raise HpackError(f"integer {value} does not fit in 32 bits (RFC 7541 5.1)")
            return value, at
    raise HpackError(f"integer has more than {_MAX_CONTINUATION} bytes after its prefix (RFC 7541 5.1)")


def encode_integer(value: int, mask: int, flags: int) -> bytes:
    """Encode `value` (not negative) with the prefix of `mask`; `flags` are the bits above the prefix in the first byte."""
    if value < mask:
        return BYTES[flags | value]
    encoded = bytearray((flags | mask,))
    value -= mask
    while value >= 0x80:
        encoded.append(0x80 | (value & 0x7F))
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
