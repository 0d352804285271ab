"""A piece of the body of a request that waits behind another one."""

from collections.abc import Callable


class WaitingBody:
    """One event for all chunks that come in a row. An event for each chunk of one byte would take a hundred times its size."""

    __slots__ = ("_take", "data")

    def __init__(self, take: Callable[[bytes], None]) -> None:
        """`take` gets the piece when its turn has come."""
        self._take = take
        self.data = bytearray()

    def __call__(self) -> None:
        """Tell of the piece."""
        self._take(bytes(self.data))
