"""How well the keys of maps spread over upb's tables: with integers that do not, a map of n entries takes n * n steps to read.

upb takes the lower bits of an integer, its two halves folded together, for its place in a table, and looks for a free one from there on. So
whoever wants keys that crowd finds them at once: 40,000 take 2.5 s (measured), and 4 MiB of them minutes. Strings are hashed with a seed
that nobody knows.
"""

from collections.abc import Mapping
from typing import Final

FEW_KEYS: Final = 2 * 1024
"""Entries that are read soon enough whatever their keys are: 6 ms."""

MOST_STEPS: Final = 16_000_000
"""About 50 ms of upb's, in which no other thread runs; keys that follow from nothing need a few for each."""

_LOT_BITS: Final = 6
_TIMES_BITS: Final = 40
_TIMES: Final = (1 << _TIMES_BITS) - 1


def steps(keys: Mapping[int, int]) -> int:
    """How many places are looked at in vain, about, for keys that are as 64 bits without a sign, each with how often it is there. Those of
    several maps may be given together."""
    bits = (len(keys) * 20 // 17).bit_length()  # a table is full at 0.85
    mask, low = (1 << bits) - 1, max(bits - _LOT_BITS, 0)
    # In lots, by the upper bits of their places: sorting all keys at once would keep every other thread waiting for as long as it takes.
    lots: list[list[int]] = [[] for _ in range(1 << _LOT_BITS)]
    for key, times in keys.items():
        place = (key ^ key >> 32) & mask
        lots[place >> low].append(place << _TIMES_BITS | times)
    found, last = 0, -1
    for lot in lots:
        lot.sort()
        for one in lot:
            place = one >> _TIMES_BITS
            last = place if place > last else last + 1
            found += (last - place) * (one & _TIMES)
    return found
