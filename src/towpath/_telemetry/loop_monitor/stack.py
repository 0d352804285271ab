"""The stack of a thread that goes on running: taken cheaply, and put into words only if somebody is told of it."""

import dis
import linecache
import os
import sys
from asyncio import base_events, events
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from towpath._telemetry.loop_monitor.block import Frame

MAX_FRAMES: Final = 50
"""Lines of a stack that are kept, from the innermost."""

_MAX_SOURCE: Final = 100

_current_frames: Any = vars(sys)["_current_frames"]  # it is documented
_TURN: Final = vars(base_events.BaseEventLoop)["_run_once"].__code__
_LOOPS_OWN: Final = frozenset({vars(events.Handle)["_run"].__code__, _TURN})
"""The functions of asyncio that call a callback. Uvloop has none of them in Python."""


class Place(NamedTuple):
    """A position in code."""

    code: CodeType
    instruction: int


class Stack(NamedTuple):
    """The stack of a callback of the loop, from the innermost line."""

    places: tuple[Place, ...]
    inner: FrameType | None
    """The innermost frame; None if the loop runs no callback that is written in Python."""
    outer: FrameType | None
    """The frame of the callback itself."""
    idle: bool = False
    """Whether the loop runs no callback. Uvloop does not tell."""


def base_of(callback: FrameType | None) -> FrameType | None:
    """The frame that runs the loop, which has called `callback`: the loop's callbacks are above it."""
    frame = None if callback is None else callback.f_back
    while frame is not None and frame.f_code in _LOOPS_OWN:
        frame = frame.f_back
    return frame


def stack_above(frame: FrameType | None, base: FrameType | None) -> Stack:
    """The stack from `frame` out to the callback that `base` calls."""
    places: list[Place] = []
    inner, outer = frame, None
    while frame is not None and frame is not base and frame.f_code not in _LOOPS_OWN:
        if len(places) < MAX_FRAMES:
            places.append(Place(frame.f_code, frame.f_lasti))
        outer = frame
        frame = frame.f_back
    if frame is not None and frame.f_code is _TURN:
        return Stack((), None, None, idle=True)  # it waits for something to do, or looks for it
    return Stack(tuple(places), inner if places else None, outer)


def thread_stack(ident: int, base: FrameType | None = None) -> Stack:
    """The stack of the thread `ident`, as far out as `base`; an empty one if the thread is gone."""
    return stack_above(_current_frames().get(ident), base)


def frames(places: Iterable[Place]) -> tuple[Frame, ...]:
    """The stack in words."""
    return tuple(_frame(place) for place in places)


@lru_cache(1024)
def shortened(file: str) -> str:
    """The path of a source file without the folder that it was imported from."""
    for folder in sorted((folder for folder in sys.path if folder), key=len, reverse=True):
        prefix = os.path.join(folder, "")  # noqa: PTH118 - a path as text, of which there are thousands
        if file.startswith(prefix):
            return file[len(prefix) :]
    return file


def calls_something(place: Place) -> bool:
    """Whether the instruction is one that calls, and so may be in code that is not Python's."""
    code, at = place.code.co_code, place.instruction
    while at > 0 and at < len(code) and dis.opname[code[at]] == "CACHE":
        at -= 2
    return 0 <= at < len(code) and dis.opname[code[at]] not in _PYTHONS_OWN


_PYTHONS_OWN: Final = frozenset({"RESUME", "JUMP_BACKWARD", "JUMP_FORWARD", "NOP", "POP_TOP", "STORE_FAST", "LOAD_FAST", "LOAD_CONST"})
"""Instructions at which a thread gives the interpreter's lock away, or that call nothing."""


def _frame(place: Place) -> Frame:
    code = place.code
    line, source = _source(place)
    return Frame(file=shortened(code.co_filename), line=line, function=code.co_qualname, source=source)


def _source(place: Place) -> tuple[int, str]:
    """The line that runs, and the part of it."""
    first = place.code.co_firstlineno
    found = next(islice(place.code.co_positions(), max(0, place.instruction) // 2, None), None)
    line, end_line, column, end_column = found or (None, None, None, None)
    if line is None:
        return first, ""
    text = linecache.getline(place.code.co_filename, line).encode(errors="replace")
    part = text.strip() if column is None or end_column is None or end_line != line else text[column:end_column]
    return line, part.decode(errors="replace")[:_MAX_SOURCE]
