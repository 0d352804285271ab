"""How often a service's process looks for garbage in cycles: less often while many calls are in flight and there is none.

CPython looks whenever 700 objects more have been made than were freed. With 10,000 calls in flight a read of a socket makes that many. Each
look then finds nothing but calls that are under way, and moves them to a generation whose looks take 50 ms and more: together a third of
the processor (measured: 22,000 calls a second instead of 37,000; with 64 in flight looks are rare and cost nothing to speak of). Calls of
towpath leave no cycles behind, but a handler may, with large messages in them. So looks become rarer only while they follow each other
within `OFTEN`, and find nothing. What waits to be found is then no more than came in that time, or in `PERIOD` when load ends.
"""

import asyncio
import gc
import time
from types import TracebackType
from typing import Final, Self

OFTEN: Final = 0.01
"""Seconds between two looks below which they are too frequent."""

PERIOD: Final = 0.5
"""Seconds after which Python's own intervals are back, if there was no look meanwhile."""

MAX_YOUNG: Final = 10_000
"""Objects made and not freed between two looks, at most. More brings nothing (measured with 10,000 and 50,000)."""

MIDDLE: Final = 20
OLD: Final = 50
"""Looks at a generation between two looks at the next older one, while there is no garbage. Python's own are 10 and 10."""

_NOTHING: Final = 0.002
"""A look finds nothing if what it frees is a smaller part than this of the objects that were made."""

_PYTHONS_OWN: Final = {(700, 10, 10), (2_000, 10, 10), (2_000, 10, 0)}
"""The intervals that Python 3.11 to 3.14 begin with."""


class GarbageCollector:
    """Python's collector with intervals that depend on what it finds, for the time of the context.

    A process whose intervals were changed, or whose collector was turned off, keeps what it has: somebody has decided already.
    """

    def __init__(self) -> None:
        self._own = gc.get_threshold()
        self._young = self._own[0]
        self._last = float("-inf")
        self._active = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        if gc.isenabled() and self._own in _PYTHONS_OWN:
            self._active = True
            gc.callbacks.append(self._on_collection)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._active:
            self._active = False
            gc.callbacks.remove(self._on_collection)
            self._restore()
            gc.unfreeze()
        if self._timer is not None:
            self._timer.cancel()

    def start(self) -> None:
        """Leave all that there is by now out of further looks, since modules, contracts and routes live as long as the process. From now on
        intervals return to Python's own when nothing happens. Call it in the loop."""
        if self._active:
            gc.collect()
            gc.freeze()
            self._relax()

    def _relax(self) -> None:
        # A timer of the loop, since `_on_collection` is called in any thread, in the midst of anything.
        if self._young != self._own[0] and time.monotonic() - self._last >= PERIOD:
            self._restore()
        self._timer = asyncio.get_running_loop().call_later(PERIOD, self._relax)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase != "stop":
            return
        before, self._last = self._last, time.monotonic()
        if info["collected"] > _NOTHING * self._young:
            if self._young != self._own[0]:
                self._restore()
        elif self._young < MAX_YOUNG and self._last - before < OFTEN:
            self._young = min(MAX_YOUNG, 2 * self._young)
            gc.set_threshold(self._young, MIDDLE, OLD if self._own[2] else 0)

    def _restore(self) -> None:
        self._young = self._own[0]
        gc.set_threshold(*self._own)
