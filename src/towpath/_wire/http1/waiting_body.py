"""A piece of the body of a request that waits behind another one."""

from collections.abc import Callable, Iterable
from typing import Final

_EVENT: Final = 1024
"""Bytes that the head of a request which waits takes, about."""


class WaitingBody:
    """One event for all chunks that come in a row. An event for each chunk of one byte would take a hundred times its size."""

    __slots__ = ("_take", "data")

    def __init__(self, take: Callable[[bytes], None], data: bytes) -> None:
        """`take` gets the piece when its turn has come."""
        self._take = take
        self.data: bytes | bytearray = data

    def add(self, data: bytes) -> None:
        """The next chunk has come."""
        if isinstance(self.data, bytes):
            self.data = bytearray(self.data)
        self.data += data

    def __call__(self) -> None:
        """Tell of the piece."""
        self._take(bytes(self.data))


def waiting_size(events: Iterable[Callable[[], None]]) -> int:
    """Bytes that the events of requests which wait take, about."""
    return sum(len(event.data) if isinstance(event, WaitingBody) else _EVENT for event in events)
