"""A call that has a task already, and waits in it: over HTTP/1.1, or one whose request streams."""

import asyncio
from typing import Any, Protocol

from towpath.core.errors import RpcError


class Queue(Protocol):
    """Where it waits. `begun` are under way."""

    begun: int

    def forget(self, arrival: Any) -> None:
        """A call does not wait any more."""
        ...

    def leave(self) -> None:
        """A call has ended."""
        ...


class Waiter:
    """A call that has a task already, which waits."""

    __slots__ = ("_queue", "told")

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.told: asyncio.Future[RpcError | None] = asyncio.get_running_loop().create_future()

    @property
    def over(self) -> bool:
        """Whether it waits no more."""
        return self.told.done()

    def begin(self) -> None:
        """It may; its place is taken."""
        self._queue.begun += 1
        self.told.set_result(None)

    async def run(self) -> None:
        """It has a task."""
        self.begin()

    def refuse(self, error: RpcError) -> None:
        """It may not."""
        self.told.set_result(error)

    def leave(self) -> None:
        """It is cancelled: while it waited, or after it was told and before it could hear it."""
        if self.told.cancelled():
            self._queue.forget(self)
        elif self.told.result() is None:
            self._queue.leave()
