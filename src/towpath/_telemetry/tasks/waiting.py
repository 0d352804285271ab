"""What one task waits for: the chain of its coroutines, the tasks at its end, and the locks that it has.

All of it is read from objects that asyncio has anyway. asyncio is not changed, and a task that nobody asks about costs nothing.
"""

import asyncio
import gc
import linecache
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from towpath._telemetry.loop_monitor.stack import shortened

MAX_DEPTH: Final = 100
"""Coroutines of one chain that are looked at."""

_SYNCHRONISATION: Final = (asyncio.Lock, asyncio.Semaphore, asyncio.Condition, asyncio.Event, asyncio.Queue)

_ASYNCIO: Final = asyncio.__file__.rpartition("__init__")[0]

_WORDS: Final = {"acquire": "", "wait": "", "get": "an item of ", "put": "room in "}


class Place(NamedTuple):
    """A line of a coroutine that waits there."""

    function: str
    file: str
    line: int
    source: str

    def __str__(self) -> str:
        return f"{self.function} {self.file}:{self.line}"


class Waiting(NamedTuple):
    """What a task waits for."""

    places: tuple[Place, ...]
    """The chain of coroutines, the task's own first, without those of asyncio."""
    on: str
    """What is waited for, in words: "a lock", "sleep", "2 tasks"; empty if nothing is known of it."""
    lock: Any
    """The lock that it waits for; None if it waits for none."""
    tasks: "tuple[asyncio.Task[Any], ...]"
    """The tasks that it waits for."""


def chain(task: "asyncio.Task[Any]") -> Iterator[Any]:
    """The coroutines of `task`, the outermost first."""
    coroutine: Any = task.get_coro()
    for _ in range(MAX_DEPTH):
        if coroutine is None or frame_of(coroutine) is None:
            return
        yield coroutine
        coroutine = _next(coroutine)


def _next(coroutine: Any) -> Any:
    for name in ("cr_await", "ag_await", "gi_yieldfrom"):
        following = getattr(coroutine, name, None)
        if following is not None:
            return following
    return None


def frame_of(coroutine: Any) -> FrameType | None:
    """The frame of a coroutine, generator or asynchronous generator that has begun and not ended."""
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        frame = getattr(coroutine, name, None)
        if frame is not None:
            return frame
    return None


def waiting(task: "asyncio.Task[Any]") -> Waiting:
    """What `task` waits for now."""
    frames = [frame for coroutine in chain(task) if (frame := frame_of(coroutine)) is not None]
    places = tuple(_place(frame.f_code, frame.f_lineno) for frame in frames if not _of_asyncio(frame.f_code))
    future = getattr(task, "_fut_waiter", None)
    tasks = tuple(_tasks_of(future, frames))
    lock, what = _synchronisation(frames)
    if tasks:
        what = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
    elif not what:
        what = _what(frames, future, task)
    return Waiting(places, what, lock, tasks)


def held(task: "asyncio.Task[Any]", locks: dict[int, Any]) -> set[int]:
    """Those of `locks`, by their ids, that a coroutine of `task` has taken by `async with`. CPython keeps the lock's `__aexit__` with the
    coroutine that is inside of the block."""
    found: set[int] = set()
    for coroutine in chain(task):
        frame = frame_of(coroutine)
        if frame is None or _of_asyncio(frame.f_code):
            continue
        referents = gc.get_referents(coroutine)
        exits = [each for each in referents if getattr(each, "__name__", "") == "__aexit__"]
        found.update(id(each.__self__) for each in exits if id(getattr(each, "__self__", None)) in locks)
        if any(getattr(each, "__self__", None) is None for each in exits):  # Python 3.14 keeps the function and the lock apart
            found.update(id(each) for each in referents if id(each) in locks)
    return found


def _of_asyncio(code: CodeType) -> bool:
    return code.co_filename.startswith(_ASYNCIO)


@lru_cache(4096)
def _place(code: CodeType, line: int) -> Place:
    source = linecache.getline(code.co_filename, line).strip()
    return Place(code.co_qualname, shortened(code.co_filename), line, source[:100])


def _tasks_of(future: Any, frames: list[FrameType]) -> Iterator[Any]:
    if isinstance(future, asyncio.Task):
        yield future
        return
    children = getattr(future, "_children", None)  # of asyncio.gather
    if children is not None:
        yield from (child for child in children if isinstance(child, asyncio.Task) and not child.done())
        return
    for frame in reversed(frames[-3:]):
        if not _of_asyncio(frame.f_code):
            return
        name, known = frame.f_code.co_qualname, frame.f_locals
        found: Any = ()
        if name.startswith("TaskGroup."):
            found = getattr(known.get("self"), "_tasks", ())
        elif name == "_wait":
            found = known.get("fs", ())
        elif name == "wait_for":
            found = (known.get("fut"),)
        if found:
            yield from (each for each in list(found) if isinstance(each, asyncio.Task) and not each.done())
            return


def _synchronisation(frames: list[FrameType]) -> tuple[Any, str]:
    """The lock, or another object of asyncio's, that the innermost coroutine waits for, and its name."""
    if not frames or not _of_asyncio(frames[-1].f_code):
        return None, ""
    owner: Any = frames[-1].f_locals.get("self")
    if not _is_synchronisation(owner):
        return None, ""
    what = f"{_WORDS.get(frames[-1].f_code.co_name, '')}{_article(type(owner).__name__)}"
    return (owner if hasattr(owner, "__aexit__") else None), what


def _is_synchronisation(owner: Any) -> bool:
    return isinstance(owner, _SYNCHRONISATION)


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _what(frames: list[FrameType], future: Any, task: "asyncio.Task[Any]") -> str:
    if future is None:
        return "its turn" if not task.done() else ""
    innermost = frames[-1].f_code if frames else None
    if innermost is not None and _of_asyncio(innermost):
        return innermost.co_name
    return _article(type(future).__name__)
