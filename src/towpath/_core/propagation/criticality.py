"""How important a call is: the four classes by which an overloaded server chooses what to reject."""

from enum import IntEnum
from typing import Final


class Criticality(IntEnum):
    """How much it hurts to reject a call, in the terms of Google's SRE book (chapter 21, "Handling Overload").

    Unset inherits the caller's; at the edge a call is CRITICAL. Larger is more important. SHEDDABLE_PLUS and SHEDDABLE are rejected
    first; CRITICAL_PLUS is for what a person is waiting for and money hangs on.
    """

    SHEDDABLE = 1
    SHEDDABLE_PLUS = 2
    CRITICAL = 3
    CRITICAL_PLUS = 4


CRITICAL: Final = Criticality.CRITICAL
"""The class of a call for which nobody names one."""
