"""The pauses of Python's garbage collector: each stops all threads of the process."""

import gc
from collections import deque
from typing import Any, Final

from towpath._core import clock
from towpath._core.clock import TimeSource

_WORTH: Final = 0.001
"""Seconds from which a pause is kept."""

_KEPT: Final = 64


class GcPauses:
    """Listens from `start` to `stop`, and keeps the last pauses that took a millisecond or longer."""

    __slots__ = ("_began", "_pauses", "_time", "_under_way")

    def __init__(self, time: TimeSource = clock) -> None:
        self._time = time
        self._began = 0.0
        self._under_way: int | None = None
        self._pauses: deque[tuple[float, float, int]] = deque(maxlen=_KEPT)

    def start(self) -> None:
        """Begin to listen."""
        gc.callbacks.append(self.on_collection)

    def stop(self) -> None:
        """Listen no more."""
        gc.callbacks.remove(self.on_collection)

    def on_collection(self, phase: str, info: dict[str, Any]) -> None:
        """What the collector calls, in the thread that it stops for: `phase` is "start" or "stop"."""
        now = self._time.now()
        if phase == "start":
            self._under_way = info["generation"]
            self._began = now
        else:
            self._under_way = None
            if now - self._began >= _WORTH:
                self._pauses.append((self._began, now, info["generation"]))

    def within(self, begin: float, end: float) -> tuple[float, int]:
        """How many seconds of the time between the two were pauses, and the oldest generation that was looked at."""
        seconds, oldest = 0.0, 0
        pauses = list(self._pauses)
        if (under_way := self._under_way) is not None:
            pauses.append((self._began, end, under_way))
        for began, ended, generation in pauses:
            part = min(ended, end) - max(began, begin)
            if part > 0:
                seconds, oldest = seconds + part, max(oldest, generation)
        return seconds, oldest
