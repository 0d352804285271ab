"""The one place where towpath reads the time.

All code that compares or subtracts times (deadlines, latencies, windows) calls `now()`. So a test or a simulation can put its own clock
under the whole library with `using(...)`. Wall-clock time is not offered here: it jumps, so no decision on the call path may depend on it.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Protocol

Clock = Callable[[], float]
"""A monotonic clock in seconds. Only differences between two of its times mean something."""

now: Clock = time.monotonic
"""The time of the installed clock, by default `time.monotonic`, the clock of asyncio's loops. Call it as `clock.now()`, since `using`
replaces it. There is no function around it because a call with its stack reads the time nine times."""


class TimeSource(Protocol):
    """The clock of a part that takes it as a parameter: this module itself, unless a test gives another."""

    now: Clock


@contextmanager
def using(source: Clock) -> Generator[None]:
    """Read the time from `source` inside the `with` block, for tests and simulations. The clock is the whole process's, so two blocks must
    not overlap in time."""
    global now
    previous, now = now, source
    try:
        yield
    finally:
        now = previous
