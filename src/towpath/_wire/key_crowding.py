"""How well the keys of maps spread over upb's tables: with integers that do not, a map of n entries takes n * n steps to read.

upb takes the lower bits of an integer, its two halves folded together, for its place in a table, and looks for a free one from there on. So
whoever wants keys that crowd finds them at once: 40,000 take 2.5 s (measured), and 4 MiB of them minutes. Strings are hashed with a seed
that nobody knows.
"""

from collections.abc import Mapping
from typing import Final

FEW_KEYS: Final = 8 * 1024
"""Entries that are read soon enough whatever their keys are: 0.1 s."""

MOST_STEPS: Final = 100_000_000
"""About 0.3 s of upb's; keys that follow from nothing need a few for each."""


def steps(keys: Mapping[int, int]) -> int:
    """How many places are looked at in vain, about, for keys that are as 64 bits without a sign, each with how often it is there. Those of
    several maps may be given together."""
    mask = (1 << (len(keys) * 20 // 17).bit_length()) - 1  # a table is full at 0.85
    found, last = 0, -1
    for place, times in sorted([((key ^ key >> 32) & mask, times) for key, times in keys.items()]):
        last = place if place > last else last + 1
        found += (last - place) * times
    return found
