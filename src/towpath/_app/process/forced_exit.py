"""The end of a process that was told to stop and does not: a handler blocks the event loop, or a thread holds up the end.

An event loop that a handler blocks hears of no signal. But Python runs its own signal handlers in the main thread as soon as a function
of Python code goes on or a system call is interrupted, also within such a handler. So the limit begins there, and a thread keeps it. Only
code that never returns to Python, such as a function in C, is beyond it: that takes SIGKILL.
"""

import os
import select
import sys
import threading
from _thread import start_new_thread
from collections.abc import Callable
from time import monotonic, sleep
from types import FrameType
from typing import Final, Self

STATUS: Final = 70
"""Exit status of a process that did not stop in time (EX_SOFTWARE of sysexits.h)."""

_TICK: Final = 0.05
"""Seconds between two looks at the clock."""

_WORDS: Final = 1.0
"""Seconds in which the reason can be written."""

_HURRIED: Final = 5.0
"""Seconds that are left at most after a second signal."""


class ForcedExit:
    """Ends the process with status 70 if the `with` block has not ended `patience()` seconds after `begin`. It says where the threads
    stand that hold the process up. `extended` is asked first, and where it returns True the process has as long again."""

    def __init__(self, patience: Callable[[], float]) -> None:
        self.extended: Callable[[], bool] = _never
        self._patience = patience
        self._begun = self._due = 0.0
        self._over = self._signalled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True

    def begin(self) -> None:
        """Let the time run. Does nothing if it runs already."""
        if not self._due:
            self._begun = monotonic()
            self._due = self._begun + self._patience()
            # Not `threading.Thread`, whose locks the main thread may hold where a signal interrupts it.
            start_new_thread(self._watch, ())

    def signalled(self, _number: int, _frame: FrameType | None) -> None:
        """What Python calls on a signal to stop. The second signal leaves 5 s at most."""
        hurried, self._signalled = self._signalled, True
        self.begin()
        if hurried:
            self._due = min(self._due, monotonic() + _HURRIED)

    def _watch(self) -> None:
        while not self._over:
            sleep(_TICK)
            if monotonic() >= self._due and not self._over:
                if not self.extended():
                    _exit(monotonic() - self._begun)
                self._due = monotonic() + self._patience()  # for the end of what was entered, which follows


def _never() -> bool:
    return False


def _exit(seconds: float) -> None:
    frames = sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # documented, for all its name
    standing = [
        f"{thread.name} in {frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"
        for thread in threading.enumerate()
        if not thread.daemon and (frame := frames.get(thread.ident or 0)) is not None
    ]
    text = f"error: ended by force {seconds:.1f} s after it was told to stop, more than settle and grace: {'; '.join(standing)}\n"
    if select.select([], [2], [], _WORDS)[1]:  # a reader that has stopped does not hold up this end too
        os.write(2, text.encode(errors="replace"))  # sys.stderr has a lock, which the main thread may hold
    os._exit(STATUS)
