"""Fields that vary from call to call, as literals without indexing (RFC 7541 6.2.2), not Huffman-coded.

They can be appended to an encoded block whenever its bytes are at hand, because they neither read nor change a table:

    TIMEOUT = literal_prefix(b"grpc-timeout")
    block = b"".join((cached, TIMEOUT, SHORT_LENGTHS[len(value)], value))    # IndexError if the value is longer than 126 bytes

Raw strings, because these values are short and are read by this library more often than by any other: Huffman coding would save a few
bytes and cost more time than everything else in the block.
"""

from typing import Final

from towpath._wire.hpack.integers import BYTES, encode_integer

SHORT_LENGTHS: Final = BYTES[:127]
"""The encoded length of a raw string, for each length that fits in one byte (0-126)."""


def literal_prefix(name: bytes) -> bytes:
    """The part of such a field in front of the length of its value. `name` has to be in lower case (RFC 9113 8.2)."""
    return b"\x00" + encode_integer(len(name), 0x7F, 0) + name


def literal(name: bytes, value: bytes) -> bytes:
    """One whole field, for a value of any length. `name` has to be in lower case (RFC 9113 8.2)."""
    name_length = len(name)
    value_length = len(value)
    if name_length < 127 and value_length < 127:
        return b"".join((b"\x00", BYTES[name_length], name, BYTES[value_length], value))
    return b"".join((literal_prefix(name), encode_integer(value_length, 0x7F, 0), value))
