"""The Huffman code of HPACK (RFC 7541 appendix B), as data.

The code is canonical: codes of one length are consecutive, in the order of the symbols, and each length goes on where the one before it
stopped. So the symbols of each length determine the codes, which are counted out from them.
"""

from typing import Final

SYMBOLS_BY_LENGTH: Final[tuple[tuple[int, bytes], ...]] = (
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b'!"()?'),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\x00$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
    (19, bytes.fromhex("5cc3d0")),
    (20, bytes.fromhex("808283a2b8c2e0e2")),
    (21, bytes.fromhex("99a1a7acb0b1b3d1d8d9e3e5e6")),
    (22, bytes.fromhex("8184858688929a9ca0a3a4a9aaadb2b5b9babbbdbec4c6e4e8e9")),
    (23, bytes.fromhex("0187898a8b8c8d8f93959697989b9d9ea5a6a8aeafb4b6b7bcbfc5e7ef")),
    (24, bytes.fromhex("098e9091949fabced7e1eced")),
    (25, bytes.fromhex("c7cfeaeb")),
    (26, bytes.fromhex("c0c1c8c9cacdd2d5dadbeef0f2f3ff")),
    (27, bytes.fromhex("cbccd3d4d6dddedff1f4f5f6f7f8fafbfcfdfe")),
    (28, bytes.fromhex("020304050607080b0c0e0f1011121314151718191a1b1c1d1e1f7fdcf9")),
    (30, bytes.fromhex("0a0d16")),
)
"""(length in bits, symbols of that length). The one code left over, thirty ones, is EOS."""

EOS: Final = 256
"""The end of a string: never sent, but the padding of the last byte is its start."""


def code_bits() -> list[str]:
    """The code of each symbol 0-255 and of EOS as a text of zeros and ones."""
    codes = [""] * EOS
    code = 0
    previous = 0
    for length, symbols in SYMBOLS_BY_LENGTH:
        code <<= length - previous
        previous = length
        for symbol in symbols:
            codes[symbol] = format(code, f"0{length}b")
            code += 1
    codes.append(format(code, "b"))
    return codes
