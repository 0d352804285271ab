"""The span of a received call: its id is made of the call's serial number in this process.

The call itself, its log lines and the calls that it makes need the id while it is handled, and the span is written from a row long after
that (docs/adr/0042). A row has room for the caller's span and the serial number, and an attempt's row has the serial number of the call
that it was made for. With one rule for the id all of them agree, and none of them has to keep it.
"""

from typing import Final

_ODD: Final = 0x9E37_79B9_7F4A_7C15
"""2**64 divided by the golden ratio: no two serial numbers have one id."""
_BITS: Final = 0xFFFF_FFFF_FFFF_FFFF


def own_span_id(key: int, serial: int) -> int:
    """The id, as an integer of 64 bits that is not 0. `key` is a random number of the process."""
    return (key + serial * _ODD) & _BITS or _ODD
