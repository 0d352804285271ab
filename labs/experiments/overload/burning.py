"""Work that takes a processor: what no event loop can overlap, and so the hardest overload to survive."""

from time import thread_time
from typing import Final

SECONDS: Final = 0.001
"""Of the processor's time per call, whatever else the machine does."""


def burn(seconds: float = SECONDS) -> None:
    """Compute until this thread has had `seconds` of a processor."""
    until = thread_time() + seconds
    while thread_time() < until:
        pass
