"""Numerals that msgspec reads slowly, and how a document with many of them is read.

msgspec reads most numerals in 0.04 us, but 1e-320 in 10 us, and 1e23 in 0.6 us: those whose first digits do not settle the nearest double.
It reads a whole document without letting another thread run, so 4 MiB of such numerals would hold a process for 6 s. Python's own reader
takes 0.5 us for any of them, and lets other threads run in between.
"""

from math import isinf
from typing import Final

import msgspec

_FEW: Final = 64
"""Numerals that may be slow, in a document that is read as usual."""
_UNSUSPECTED: Final = 8 * _FEW
"""Bytes of a document that is read as usual."""
_LARGE: Final = 32 * 1024
"""Bytes from which on a document's long numerals are looked for: without an exponent none takes over 0.03 us for each of its bytes."""
_TABLE: Final = bytes.maketrans(b"123456789E", b"000000000e")
_EXPONENT: Final = b"0e0"
_LONG: Final = b"0" * 17
"""Digits that may lie between two doubles."""


def may_be_slow(data: bytes) -> bool:
    """Whether a document has many numerals that may be slow. Texts that look like such numerals count too."""
    if len(data) <= _UNSUSPECTED:
        return False
    if data.count(b"e") + data.count(b"E") > _FEW and data.translate(_TABLE, b"+-.").count(_EXPONENT) > _FEW:
        return True
    return len(data) > _LARGE and data.translate(_TABLE, b".").count(_LONG) > _FEW


def _float(numeral: str) -> float:
    number = float(numeral)
    if isinf(number):
        raise msgspec.DecodeError("Number out of range")
    return number


read: Final = msgspec.json.Decoder(float_hook=_float).decode
"""Reads a document as msgspec does by default, each float by Python's own reader."""
