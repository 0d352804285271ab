"""String literals (RFC 7541 5.2): a length, then the text, raw or Huffman-coded."""

from towpath._wire.hpack.errors import HpackError
from towpath._wire.hpack.huffman import decode_huffman, encode_huffman, huffman_length
from towpath._wire.hpack.integers import decode_integer, encode_integer


def decode_string(block: bytes, at: int) -> tuple[bytes, int]:
    """Read the string at `at`; returns it and the position after it. Raises HpackError if it is cut short or badly coded."""
    huffman = at < len(block) and block[at] >= 0x80
    length, at = decode_integer(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise HpackError(f"string of {length} bytes runs past the end of the header block (RFC 7541 5.2)")
    text = block[at:end]
    return (decode_huffman(text) if huffman else text), end


def encode_raw(text: bytes) -> bytes:
    """`text` as it is: for values that are read once and seldom long."""
    return encode_integer(len(text), 0x7F, 0) + text


def encode_shortest(text: bytes) -> bytes:
    """`text` Huffman-coded if that is shorter: for strings that a table will hold, which are sent once."""
    length = huffman_length(text)
    if length < len(text):
        return encode_integer(length, 0x7F, 0x80) + encode_huffman(text)
    return encode_raw(text)
