"""How a test has a call miss its deadline at the server, however busy the machine is."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

SHORT = 0.1
"""Seconds until the deadline of the first attempt."""


async def missed(attempt: Callable[[float], Awaitable[T]], arrived: Callable[[], object]) -> T:
    """What `attempt` returns of a call whose deadline passed after the call had `arrived`.

    `attempt` makes the call with the timeout that it is given, in seconds. A busy machine may let a short timeout pass before the call is
    sent. Then the call is made again with four times as much.
    """
    timeout = SHORT
    while True:
        result = await attempt(timeout)
        if arrived():
            return result
        timeout *= 4
