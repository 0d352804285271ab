"""Signals that ask a process to stop, as the cancellation of a task, and SIGHUP, which asks it to read its service file anew.

SIGHUP has two meanings: a daemon should read its configuration anew, and a program's terminal is gone. It has the second meaning for a
process that was started on a terminal which it cannot open any more. It has the first for all other processes with a service file.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from towpath._app.process.forced_exit import ForcedExit

STOP: Final = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""The signals of an orchestrator, of Ctrl-C, and of a closed terminal."""

_PAUSE: Final = 1.0
"""Seconds from the end of one reading of the service file to the next: signals that come meanwhile are one."""

_TERMINAL: Final = "/dev/tty"
"""The controlling terminal of a process."""


class StopRequest:
    """A request to stop a task. It is true once the stop was requested, which tells it from any other cancellation of the task."""

    def __init__(self, task: "asyncio.Task[Any]", forced: ForcedExit | None) -> None:
        self._task = task
        self._forced = forced
        self._requested = self._signalled = False

    def __bool__(self) -> bool:
        return self._requested

    def stop(self) -> None:
        """Request the stop for a signal. The second signal cuts the clean-up short. Not thread-safe."""
        if self._signalled or not self._requested:
            self._request()
        self._signalled = True

    def stop_in_order(self) -> None:
        """Request the stop, unless it was requested before. It counts for no signal: one that follows asks for what goes on already."""
        if not self._requested:
            self._request()

    def _request(self) -> None:
        self._requested = True
        if self._forced is not None:
            self._forced.begin()
        self._task.cancel()


@contextmanager
def stopping(reload: Callable[[], None] | None = None, forced: ForcedExit | None = None) -> Generator[StopRequest]:
    """Within the `with` block each signal of `STOP` cancels the task that entered the block. The first signal starts the task's clean-up,
    and the second cuts the clean-up short. The time of `forced` begins with the first, even if the loop is blocked. If `reload` is given, a
    SIGHUP calls it instead, unless the terminal is gone or a stop was requested. However many come in a second, they call it once more.

    Only the main thread may use this, as Python's signals demand. The handlers from before are restored at the end of the block.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("signals can only cancel a task; enter this inside one")
    request = StopRequest(task, forced)
    previous = {number: signal.getsignal(number) for number in STOP}
    for number in STOP:
        _handle(loop, number, request.stop, forced)
    hung_up: _HungUp | None = None
    if reload is not None and hasattr(signal, "SIGHUP"):
        hung_up = _HungUp(loop, request, reload)
        _handle(loop, signal.SIGHUP, hung_up)
    try:
        yield request
    finally:
        if hung_up is not None:
            hung_up.close()
        for number, handler in previous.items():
            _restore(loop, number, handler)


class _HungUp:
    """What a SIGHUP calls where there is a service file."""

    def __init__(self, loop: asyncio.AbstractEventLoop, request: StopRequest, reload: Callable[[], None]) -> None:
        self._loop = loop
        self._request = request
        self._reload = reload
        self._on_a_terminal = _has_terminal()
        self._not_before = 0.0
        self._due: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        if self._on_a_terminal and not _has_terminal():
            self._request.stop()
        elif self._due is None:
            self._due = self._loop.call_later(max(0.0, self._not_before - self._loop.time()), self._reread)

    def _reread(self) -> None:
        self._due = None
        if not self._request:
            try:
                self._reload()
            finally:
                self._not_before = self._loop.time() + _PAUSE

    def close(self) -> None:
        """Read nothing more."""
        if self._due is not None:
            self._due.cancel()


def _has_terminal() -> bool:
    try:
        os.close(os.open(_TERMINAL, os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _handle(loop: asyncio.AbstractEventLoop, number: signal.Signals, stop: Callable[[], None], forced: ForcedExit | None = None) -> None:
    try:
        loop.add_signal_handler(number, stop)
    except NotImplementedError:  # Windows

        def handler(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(stop)

        signal.signal(number, handler)
    else:
        if forced is not None:
            # In place of the handler that does nothing, which a loop installs: the loop hears of the signal through a descriptor.
            signal.signal(number, forced.signalled)
            signal.siginterrupt(number, False)


def _restore(loop: asyncio.AbstractEventLoop, number: signal.Signals, handler: Any) -> None:
    try:
        loop.remove_signal_handler(number)
    except NotImplementedError:
        signal.signal(number, signal.SIG_DFL)
    if handler is not None:
        signal.signal(number, handler)
