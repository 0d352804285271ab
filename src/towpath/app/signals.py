"""Signals that ask a process to stop, as the cancellation of a task."""

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

STOP: Final = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""What an orchestrator sends, what Ctrl-C sends, and what a closed terminal sends."""


class Asked:
    """Whether a stop was asked for, which tells it from any other cancellation of the task."""

    def __init__(self, task: "asyncio.Task[Any]") -> None:
        self._task = task
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def stop(self) -> None:
        """Ask once more, as a signal does. Not thread-safe."""
        self._count += 1
        self._task.cancel()


@contextmanager
def stopping() -> Generator[Asked]:
    """Within the `with` block every one of `STOP` cancels the task that entered it: the first starts its clean-up, the second cuts that
    short.

    Only in the main thread, as Python's signals are. Earlier handlers are put back afterwards.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("signals can only cancel a task; enter this inside one")
    asked = Asked(task)
    previous = {number: signal.getsignal(number) for number in STOP}
    for number in STOP:
        _handle(loop, number, asked.stop)
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            _restore(loop, number, handler)


def _handle(loop: asyncio.AbstractEventLoop, number: signal.Signals, stop: Callable[[], None]) -> None:
    try:
        loop.add_signal_handler(number, stop)
    except NotImplementedError:  # Windows

        def handler(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(stop)

        signal.signal(number, handler)


def _restore(loop: asyncio.AbstractEventLoop, number: signal.Signals, handler: Any) -> None:
    try:
        loop.remove_signal_handler(number)
    except NotImplementedError:
        signal.signal(number, signal.SIG_DFL)
    if handler is not None:
        signal.signal(number, handler)
