"""The one place where towpath reads the time.

Everything that compares or subtracts times (deadlines, latencies, windows) calls `now()`, so that a test or a simulation can put
its own clock under the whole library with `using(...)`. Wall-clock time is not offered here: no decision on the call path may
depend on it, because it jumps.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Protocol

Clock = Callable[[], float]
"""A monotonic clock in seconds; only differences mean something."""

now: Clock = time.monotonic
"""Monotonic seconds from the installed clock (default: `time.monotonic`, the clock of asyncio's loops). Call it as `clock.now()`, since
`using` replaces it; it is no function of its own because a call with its stack reads the time nine times."""


class TimeSource(Protocol):
    """What a part that is told its clock reads the time from: this module itself, unless a test gives another."""

    now: Clock


@contextmanager
def using(source: Clock) -> Generator[None]:
    """Read the time from `source` inside the `with` block; for tests and simulations. Process-wide, so not for concurrent use."""
    global now
    previous, now = now, source
    try:
        yield
    finally:
        now = previous
