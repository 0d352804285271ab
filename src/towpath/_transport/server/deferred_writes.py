"""Answers that can wait: refusals, of which an overloaded server writes thousands a second.

Where each turn of the loop has one for each of many connections, half of what a refusal costs is the system call that writes it. Its caller
is in no hurry, since it is told to come back in some 50 ms or later. So refusals wait for a few milliseconds, until they are more, or until
their connection has something to say that matters. One timer serves all connections of a server.
"""

import asyncio
from typing import Final, Protocol

PATIENCE: Final = 0.005
"""Seconds that an answer waits at the most."""

MANY: Final = 64
"""Answers of one connection that do not wait any more."""


class Writer(Protocol):
    """A connection."""

    def flush(self) -> None:
        """Write what waits, now."""
        ...


class Unhurried:
    """The connections of one server that have only such answers to write."""

    __slots__ = ("_writers",)

    def __init__(self) -> None:
        self._writers: dict[Writer, None] = {}

    def add(self, writer: Writer) -> None:
        """Have `writer` flushed soon; whether it has flushed itself meanwhile makes no difference."""
        writers = self._writers
        if not writers:
            asyncio.get_running_loop().call_later(PATIENCE, self._flush)
        writers[writer] = None

    def _flush(self) -> None:
        writers, self._writers = self._writers, {}
        for writer in writers:
            writer.flush()
