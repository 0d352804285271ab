"""Writes that can wait: those of rejections, of which an overloaded server writes thousands a second.

Where each turn of the loop has one rejection for each of many connections, half of its cost is the system call that writes it. The caller
is in no hurry, since the rejection tells it to come back in some 50 ms or later. So rejections wait for a few milliseconds, until they are
more, or until their connection has something else to write. One timer serves all connections of a server.
"""

import asyncio
from typing import Final, Protocol

MAX_DELAY: Final = 0.005
"""Seconds that a rejection waits at the most."""

MAX_DEFERRED: Final = 64
"""Rejections of one connection that do not wait any more."""


class Writer(Protocol):
    """A connection."""

    def flush(self) -> None:
        """Write what waits, now."""
        ...


class DeferredWrites:
    """The connections of one server that have only rejections to write."""

    __slots__ = ("_writers",)

    def __init__(self) -> None:
        self._writers: dict[Writer, None] = {}

    def add(self, writer: Writer) -> None:
        """Flush `writer` within `MAX_DELAY`. It may flush itself before that."""
        writers = self._writers
        if not writers:
            asyncio.get_running_loop().call_later(MAX_DELAY, self._flush)
        writers[writer] = None

    def _flush(self) -> None:
        writers, self._writers = self._writers, {}
        for writer in writers:
            writer.flush()
