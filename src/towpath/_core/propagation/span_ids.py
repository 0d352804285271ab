"""The span of a received call: its id is made of the call's serial number in this process.

The call itself, its log lines and the calls that it makes need the id while it is handled, and the span is written from a row long after
that (docs/adr/0042). A row has room for the caller's span and the serial number, and an attempt's row has the serial number of the call
that it was made for. With one rule for the id all of them agree, and none of them has to keep it (docs/adr/0045).
"""

import os
from typing import Final

from towpath._core import chance

_ODD: Final = 0x9E37_79B9_7F4A_7C15
"""2**64 divided by the golden ratio: no two serial numbers have one id."""
_BITS: Final = 0xFFFF_FFFF_FFFF_FFFF
_SERIAL: Final = 0xFFFF_FFFF


class ProcessKey:
    """A random number of this process: two processes give one serial number two ids."""

    number = chance.bits(64)

    @classmethod
    def draw(cls) -> None:
        cls.number = chance.bits(64)


def own_span_id(serial: int) -> int:
    """The id, as an integer of 64 bits that is not 0. Of `serial` the 32 bits count that a row has."""
    return (ProcessKey.number + (serial & _SERIAL) * _ODD) & _BITS or _ODD


# Where there is no fork, an unused dict is made.
getattr(os, "register_at_fork", dict)(after_in_child=ProcessKey.draw)
