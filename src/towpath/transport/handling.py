"""What every call on a server has in common, in whichever protocol: a task that may be stopped, and errors that must not tell too much."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from towpath.core.context import Context
from towpath.core.deadline import DeadlineWheel, Slot
from towpath.core.errors import Code, RpcError

log = logging.getLogger("towpath.server")


class Host(Protocol):
    """What a call needs of the connection that it came over."""

    loop: asyncio.AbstractEventLoop
    wheel: DeadlineWheel
    peer: str
    calls: "dict[Handling, None]"
    create_task: "Callable[..., asyncio.Task[Any]]"
    draining: bool
    caller: str

    def flush(self) -> None:
        """Write what waits, now."""
        ...

    def schedule_flush(self) -> None:
        """Write what waits at the end of this turn of the loop."""
        ...

    def close_if_idle(self) -> None:
        """Close once the last call of a draining connection has ended."""
        ...


class Carrier(Host, Protocol):
    """A connection, with what applies to every call that comes over it."""

    message_limit: int
    compresses: bool
    paused: bool

    def gather(self) -> None:
        """Write what waits at the end of this turn of the loop, or once much has gathered."""
        ...

    async def writable(self) -> None:
        """Until the peer reads what it is sent, or is gone."""
        ...


class Handling:
    """The end of a call: whoever derives from it says how an error is sent (`_fail`) and keeps the attributes."""

    __slots__ = ()

    _ctx: Context
    _link: Any
    _over: bool
    _slot: Slot
    task: asyncio.Task[None] | None

    def _fail(self, error: RpcError) -> None:
        raise NotImplementedError

    def expire(self) -> None:
        """The deadline has passed."""
        raise NotImplementedError

    def cancel(self, error: RpcError) -> None:
        """The server ends the call: it is shutting down, and the grace period is over."""
        if not self._over:
            self._fail(error)
        self._stop(error.message)

    def _ended(self) -> None:
        """Nothing more will be sent."""
        self._slot.pop(self, None)
        if self._link.draining:
            self._link.close_if_idle()

    def _stop(self, reason: str) -> None:
        task = self.task
        if task is not None:
            task.cancel(reason)
            # Cancelled before its first step, as when a request and its cancellation come in one read, nothing of it runs, not even its
            # `finally`.
            task.add_done_callback(self._forget)

    def _forget(self, _: asyncio.Task[None]) -> None:
        self._left()

    def _left(self) -> None:
        """The handler is not running any more."""
        link = self._link
        link.calls.pop(self, None)
        if link.draining:
            link.close_if_idle()

    def _fault(self, error: BaseException, ctx: Context) -> RpcError:
        """What to tell the caller of what the handler raised. What is not an RpcError is a bug: it is logged whole, and goes out without
        its text."""
        if isinstance(error, RpcError):
            return error
        if isinstance(error, asyncio.CancelledError):
            # Ours if the call is over; otherwise the handler cancelled itself, or let a cancelled task of its own show through.
            return RpcError(Code.CANCELLED, f"{ctx.method} was cancelled by its server")
        if not isinstance(error, Exception):
            raise error
        log.error("%s failed, request id %s", ctx.method, ctx.request_id, exc_info=error)
        return RpcError(Code.INTERNAL, f"internal error, request id {ctx.request_id}")
