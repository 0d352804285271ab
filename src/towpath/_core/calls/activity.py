"""Whether calls come to the servers of an event loop, for a part that works only while they do, and which calls are under way.

A server says of each read whether something came. As long as nobody listens this costs one comparison. A listener hears of the first read
after it has said that it wants to, and of none that follows.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final
from weakref import WeakKeyDictionary

from towpath._core.context import Context

UnderWay = Callable[[], Iterable[tuple["asyncio.Task[None] | None", Context]]]
"""Gives the calls of one server whose handlers run, each with its task."""


def _nobody() -> None:
    """The listener of a loop that nobody watches."""


class Activity:
    """The servers of one loop. It is for the loop's thread, but for `calls`."""

    __slots__ = ("on_request", "quiet", "servers")

    def __init__(self) -> None:
        self.quiet = False
        """Whether a listener wants to hear of the next read."""
        self.on_request: Callable[[], None] = _nobody
        """What is called with the next read, if `quiet` is set."""
        self.servers: dict[UnderWay, None] = {}
        """The servers that have started and not closed."""

    def stir(self) -> None:
        """Something was read, and the listener wants to hear of it."""
        self.quiet = False
        self.on_request()

    def calls(self) -> "list[tuple[asyncio.Task[None] | None, Context]]":
        """The calls under way. It may be asked in any thread."""
        return [call for under_way in list(self.servers) for call in under_way()]


_activities: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Activity]] = WeakKeyDictionary()


def activity_of(loop: asyncio.AbstractEventLoop) -> Activity:
    """The activity of `loop`, made on first use."""
    found = _activities.get(loop)
    if found is None:
        found = _activities[loop] = Activity()
    return found
