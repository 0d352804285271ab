"""A thread that samples the stacks of all other threads of the process, a hundred times a second.

It needs no rights and stops no process, as a profiler from outside does. But it is one of the threads that it measures: code that keeps the
interpreter's lock for long is seen when it lets it go.
"""

import sys
import threading
from collections import Counter
from typing import Any, Final

from towpath._telemetry.loop_monitor.stack import shortened

HERTZ: Final = 100
"""Samples a second."""

MAX_SECONDS: Final = 120.0
"""Seconds after which a profile ends by itself."""

MAX_STACKS: Final = 20_000
"""Different stacks that are kept. Further ones are counted as `(other stacks)`."""

MAX_DEPTH: Final = 100

_current_frames: Any = vars(sys)["_current_frames"]  # it is documented

_WAITS: Final = {
    ("threading.py", "wait"),
    ("threading.py", "_wait_for_tstate_lock"),
    ("selectors.py", "select"),
    ("runners.py", "run"),  # a loop that is not written in Python waits there
    ("queue.py", "get"),
    ("socket.py", "accept"),
    ("thread.py", "_worker"),
    ("daemon_threads.py", "_run"),
}
"""Functions in which a thread only waits; such a sample is marked, so that a picture can leave it out."""

IDLE: Final = "(waits)"
"""The last frame of a stack whose thread only waits."""


class Sampler:
    """One profile at a time, of at most `max_stacks` different stacks."""

    def __init__(self, max_stacks: int = MAX_STACKS) -> None:
        self._max_stacks = max_stacks
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._stacks: Counter[tuple[Any, ...]] = Counter()

    @property
    def running(self) -> bool:
        """Whether a profile is being taken."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self, seconds: float = MAX_SECONDS) -> bool:
        """Begin a new profile, which ends after `seconds` at the latest. Returns False if one goes on."""
        with self._lock:
            if self.running:
                return False
            self._stacks = Counter()
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._stop, min(seconds, MAX_SECONDS)), name="towpath-profile", daemon=True
            )
            self._thread.start()
            return True

    def stop(self) -> None:
        """End the profile, if one goes on."""
        with self._lock:
            self._stop.set()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _run(self, stop: threading.Event, seconds: float) -> None:
        for _ in range(int(seconds * HERTZ)):
            if stop.wait(1 / HERTZ):
                return
            self.sample()

    def sample(self) -> None:
        """Count the stack that each other thread has now."""
        own = threading.get_ident()
        for ident, innermost in _current_frames().items():
            if ident == own:
                continue
            codes: list[Any] = []
            frame = innermost
            while frame is not None and len(codes) < MAX_DEPTH:
                codes.append(frame.f_code)
                frame = frame.f_back
            key = (ident, *codes)
            if key not in self._stacks and len(self._stacks) >= self._max_stacks:
                key = (0,)
            self._stacks[key] += 1

    def collapsed(self) -> str:
        """The stacks, one a line: the thread and its functions from the outermost, joined by semicolons, and how often it was seen."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        lines: Counter[str] = Counter()
        for (ident, *codes), count in list(self._stacks.items()):
            thread = names.get(ident, "a thread that has ended") if ident else "(other stacks)"
            parts = [thread, *(_frame(code) for code in reversed(codes))]
            if codes and (codes[0].co_filename.rpartition("/")[2], codes[0].co_name) in _WAITS:
                parts.append(IDLE)
            lines[";".join(part.replace(";", ",").replace("\n", " ") for part in parts)] += count
        return "".join(f"{stack} {count}\n" for stack, count in sorted(lines.items()))


def _frame(code: Any) -> str:
    return f"{code.co_qualname} ({shortened(code.co_filename)}:{code.co_firstlineno})"
