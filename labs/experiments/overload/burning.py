"""Work of the processor. An event loop cannot do other calls meanwhile, so this is the hardest overload to survive."""

from time import thread_time
from typing import Final

SECONDS: Final = 0.001
"""Seconds of the processor's time that a call takes, whatever else the machine does."""


def burn(seconds: float = SECONDS) -> None:
    """Compute until this thread has had `seconds` of a processor."""
    until = thread_time() + seconds
    while thread_time() < until:
        pass
