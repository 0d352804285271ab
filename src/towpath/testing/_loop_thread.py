"""An asynchronous context manager that is entered in an event loop in a thread of its own, for tests that are plain functions."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from typing import Generic, TypeVar

from towpath._app.event_loop import new_loop

T = TypeVar("T")


class LoopThread(Generic[T]):
    """Enters what `make` makes, and leaves it when told to. The loop is the one that a process of `towpath.run` has. It shares no context
    variable with the thread that starts it."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._make = make
        self._loop = new_loop()
        self._leave = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._entered: Future[T] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="towpath-serving", daemon=True)

    def enter(self) -> T:
        """Start the thread, and return or raise what entering does. An interrupt, such as Ctrl-C, cancels it."""
        self._thread.start()
        try:
            return self._entered.result()
        except BaseException:
            self._soon(self._cancel)
            self._thread.join()
            raise

    def leave(self) -> None:
        """Leave, end the loop with all its tasks, and wait for the thread. Raises what leaving does."""
        self._soon(self._leave.set)
        self._thread.join()
        self._ended.result()

    def _soon(self, function: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(function)

    def _cancel(self) -> None:
        self._leave.set()  # enough for a task that has not begun
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._main())
        except BaseException as error:  # noqa: BLE001 # it is raised in the thread that waits
            (self._ended if self._entered.done() else self._entered).set_exception(error)
        else:
            self._ended.set_result(None)

    async def _main(self) -> None:
        self._task = asyncio.current_task()
        async with self._make() as value:
            self._entered.set_result(value)
            await self._leave.wait()
