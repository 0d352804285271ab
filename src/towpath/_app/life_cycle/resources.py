"""The resources of an application: entered in order, and left in the reverse order after its last call.

All of them are left, whatever one of them does at its end: one that raises is logged, one that hangs is cancelled when the grace is over,
and the others follow. They are left in the task that closes the application, because task groups and timeouts insist on the task that
entered them.
"""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Final, TypeVar, cast

from towpath._core import clock
from towpath._core.errors import SetupError

T = TypeVar("T")

Entered = AbstractAsyncContextManager[Any] | AbstractContextManager[Any]

LAST_WORDS: Final = 0.5
"""Seconds that resources are left with where the grace is over."""

log = logging.getLogger("towpath.app")


class ExitError(RuntimeError):
    """A part of the application failed at its end. Its cause is the first failure, and the log has all of them."""


class Resources:
    """Context managers that were entered, in order."""

    def __init__(self) -> None:
        self._entered: list[tuple[str, Entered]] = []

    async def enter(self, manager: AbstractAsyncContextManager[T] | AbstractContextManager[T]) -> T:
        """Enter `manager` and return what it gives. Raises SetupError if it is no context manager, and what entering it raises; then there
        is nothing to leave."""
        if isinstance(manager, type):
            raise SetupError(f"app.enter was given the class {manager.__name__}; give an object of it")
        given = cast("object", manager)
        if isinstance(given, AbstractAsyncContextManager):
            entered = await cast("AbstractAsyncContextManager[T]", given).__aenter__()
        elif isinstance(given, AbstractContextManager):
            entered = cast("AbstractContextManager[T]", given).__enter__()
        else:
            raise SetupError(f"app.enter was given an object of {type(given).__name__}; give a context manager, such as a pool")
        self.add(type(manager).__name__, manager)
        return entered

    def add(self, name: str, manager: Entered) -> None:
        """Leave `manager`, which was entered, with the others. Messages call it `name`."""
        self._entered.append((name, manager))

    async def leave(self, seconds: float) -> None:
        """Leave all resources within `seconds` altogether. A resource that follows one which failed or took too long has half a second at
        least.

        A cancellation cancels the resource that is being left, and hurries the others. Raises CancelledError then, and ExitError if a
        resource raised or took too long.
        """
        task = asyncio.current_task()
        requests = 0 if task is None else task.cancelling()
        due, first, cancelled = clock.now() + seconds, None, False
        while self._entered:
            name, manager = self._entered.pop()
            try:
                await _left(manager, due - clock.now())
            except BaseException as error:  # raised below, once the others are left
                if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > requests:
                    requests, cancelled = task.cancelling(), True
                else:
                    first = first or (name, error)
                    trace = None if isinstance(error, _Overdue) else error  # which of them took too long is all there is to say
                    log.error("%s failed at its end: %s", name, _said(error), exc_info=trace)  # noqa: TRY400
                due = min(due, clock.now() + LAST_WORDS) if cancelled else max(due, clock.now() + LAST_WORDS)
        if cancelled:
            raise asyncio.CancelledError
        if first is not None:
            name, error = first
            raise ExitError(f"{name} failed at its end: {_said(error)}") from error


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__


class _Overdue(Exception):
    """A resource took too long."""


async def _left(manager: Entered, seconds: float) -> None:
    if not isinstance(manager, AbstractAsyncContextManager):
        manager.__exit__(None, None, None)
        return
    limit = asyncio.timeout(max(0.0, seconds))
    try:
        async with limit:
            await manager.__aexit__(None, None, None)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise _Overdue("it took longer than was left of service.grace, and was cancelled") from error
