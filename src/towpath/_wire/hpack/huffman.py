"""Huffman coding of strings (RFC 7541 5.2).

Decoding walks a table of transitions, half a byte at a time. A state is an inner node of the code's tree. A transition holds the next state
and the symbol completed on the way, of which there is at most one since no code is shorter than five bits. The table is built when the
first Huffman string arrives: that takes as long as importing this whole package, and many processes never see one.
"""

from functools import cache
from typing import Final

from towpath._wire.hpack.errors import HpackError
from towpath._wire.hpack.huffman_code import EOS, code_bits

_CODES: Final[list[str]] = code_bits()
_LENGTHS: Final[list[int]] = [len(code) for code in _CODES]
_FAILED: Final = 256  # the state after EOS, from which no way leads; the inner nodes are 0-255, one less than there are leaves
_MAX_PADDING: Final = 7  # bits

_Transitions = list[list[tuple[int, bytes]]]
"""For each state and input: the state reached and the symbol completed on the way, or nothing."""


def huffman_length(text: bytes) -> int:
    """Length in bytes that `encode_huffman(text)` would have."""
    return (sum([_LENGTHS[byte] for byte in text]) + 7) >> 3


def encode_huffman(text: bytes) -> bytes:
    """Encode `text`, which must not be empty, padded with ones to a whole byte."""
    bits = "".join([_CODES[byte] for byte in text])
    length = (len(bits) + 7) >> 3
    return int(bits.ljust(length * 8, "1"), 2).to_bytes(length, "big")


def decode_huffman(encoded: bytes) -> bytes:
    """Decode a whole string. Raises HpackError if it holds EOS, or its padding is longer than 7 bits or is not all ones."""
    transitions, accepting = _machine()
    state = 0
    symbols: list[bytes] = []
    for byte in encoded:
        state, symbol = transitions[state][byte >> 4]
        symbols.append(symbol)
        state, symbol = transitions[state][byte & 15]
        symbols.append(symbol)
    if state not in accepting:
        if state == _FAILED:
            raise HpackError("Huffman string contains EOS (RFC 7541 5.2)")
        raise HpackError("Huffman string ends with padding that is longer than 7 bits or not all ones (RFC 7541 5.2)")
    return b"".join(symbols)


@cache
def _machine() -> tuple[_Transitions, frozenset[int]]:
    """The next state for each state and half byte, and the states in which a string may end."""
    tree = _tree()
    by_bit: _Transitions = [[_step(child) for child in children] for children in tree]
    by_bit.append([(_FAILED, b"")] * 2)
    accepting = [0]
    for _ in range(_MAX_PADDING):  # the padding is the start of EOS, thirty ones
        accepting.append(tree[accepting[-1]][1])
    return _doubled(_doubled(by_bit)), frozenset(accepting)


def _doubled(table: _Transitions) -> _Transitions:
    """Transitions for twice as many bits at a time."""
    return [[(last, symbol + more) for state, symbol in row for last, more in table[state]] for row in table]


def _step(child: int) -> tuple[int, bytes]:
    if child >= 0:
        return child, b""
    symbol = ~child
    return (_FAILED, b"") if symbol == EOS else (0, bytes((symbol,)))


def _tree() -> list[list[int]]:
    """The code as a tree. Each inner node has an entry for 0 and one for 1: another inner node or, as its complement, a symbol."""
    tree = [[0, 0]]
    for symbol, code in enumerate(_CODES):
        node = 0
        for bit in code[:-1]:
            side = int(bit)
            if not tree[node][side]:
                tree[node][side] = len(tree)
                tree.append([0, 0])
            node = tree[node][side]
        tree[node][int(code[-1])] = ~symbol
    return tree
