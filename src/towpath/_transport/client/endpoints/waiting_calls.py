"""The calls that wait until a connection takes them, in the order in which they came."""

import asyncio
from collections import deque

from towpath._core.deadline import NO_SLOT, wheel_of
from towpath._transport.client.endpoints.connection import ClientLink


class _Waiter(asyncio.Future[ClientLink | None]):
    """What one call waits for: the connection that has room for it, or None to look again."""

    expired = False

    def expire(self) -> None:
        """The call's deadline has passed."""
        if not self.done():
            self.expired = True
            self.set_result(None)


class WaitingCalls:
    """The calls of one pool. A place that becomes free is the first call's."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: deque[_Waiter] = deque()

    def __len__(self) -> int:
        """How many calls wait. A call whose turn has come is not among them."""
        return len(self._waiters)

    async def wait(self, deadline: float | None) -> ClientLink | None:
        """Wait for one's turn. Returns the connection that probably has room, or None if something else has changed: the caller looks
        again. Raises TimeoutError once `deadline` has passed. If the wait is cancelled, the turn is the next call's."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop=loop)
        self._waiters.append(waiter)
        # Half the time of `asyncio.timeout`, where thousands of calls wait for room (measured).
        slot = NO_SLOT if deadline is None else wheel_of(loop).add(deadline, waiter)
        try:
            link = await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and not waiter.expired:  # the place was this call's already: pass it on
                self.wake_one(waiter.result())
            raise
        finally:
            slot.pop(waiter, None)
        if waiter.expired:
            raise TimeoutError
        return link

    def wake_one(self, link: ClientLink | None = None) -> None:
        """Let the first call go on, over `link` if there is room on it."""
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(link)
                break

    def wake_all(self) -> None:
        """Let every call look again."""
        while self._waiters:
            self.wake_one()

    def clear(self) -> None:
        """Forget all calls: they belong to a loop that is closed."""
        self._waiters.clear()
