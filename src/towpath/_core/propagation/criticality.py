"""How important a call is: the four classes by which an overloaded server chooses what to reject."""

from enum import IntEnum
from typing import Final


class Criticality(IntEnum):
    """How much it hurts to reject a call, in the terms of Google's SRE book (chapter 21, "Handling Overload").

    A larger value is more important. A call for which none is set inherits the criticality of the call that it is made in; at the edge it
    is CRITICAL.
    """

    SHEDDABLE = 1
    """The first calls to be rejected, such as prefetching."""
    SHEDDABLE_PLUS = 2
    """Calls that can be made again later, such as batch work. They are rejected after SHEDDABLE."""
    CRITICAL = 3
    """Calls whose failure a user sees."""
    CRITICAL_PLUS = 4
    """Calls that a person waits for and money depends on. They are rejected last."""


CRITICAL: Final = Criticality.CRITICAL
"""The class of a call that names none and inherits none."""
