"""What is known of one time in which the event loop did not turn, and the last hundred of them."""

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

MAX_BLOCKS: Final = 100
"""Blocks that are kept."""

MAX_VICTIMS: Final = 8
"""Calls that a block names of those that waited for it."""


class Cause(StrEnum):
    """What kept the loop from turning. Only the first of them is a fault of the code that was running."""

    CODE = "code"
    """One callback or one step of a task."""
    MANY = "many"
    """Many callbacks, each of them short: the loop has more to do than it can."""
    GC = "gc"
    """Python's garbage collector."""
    GIL = "gil"
    """Another thread that held the interpreter's lock."""
    STARVED = "starved"
    """The processor, which other threads or processes had."""
    THROTTLED = "throttled"
    """The limit of the processor's time that the container has."""
    STOPPED = "stopped"
    """The process was stopped by a signal or a debugger, or the machine was suspended."""
    UNKNOWN = "unknown"
    """Nothing was seen that would explain it."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One line of a stack."""

    file: str
    line: int
    function: str
    source: str = ""
    """The part of the line that was running; empty if the source is not there."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}"


@dataclass(frozen=True, kw_only=True)
class Victim:
    """A call that was under way."""

    method: str
    trace_id: str
    request_id: str


@dataclass(frozen=True, kw_only=True)
class Block:
    """One time in which the loop did not turn."""

    number: int
    began: float
    """The time of day, in seconds since 1970."""
    seconds: float
    """How long it was, or has been if it has not `ended`."""
    ended: bool
    cause: Cause
    in_c: bool = False
    """Whether the innermost line was in a function that is not written in Python."""
    stack: tuple[Frame, ...] = ()
    """The stack of the loop's thread, the innermost line first; empty unless code of the program is the cause."""
    by: Victim | None = None
    """The call whose handler did it, if it was one."""
    task: str = ""
    """The name of the task that did it, if it was one."""
    waited: int = 0
    """How many calls were under way, that one not counted."""
    victims: tuple[Victim, ...] = ()
    """The first of them."""
    note: str = ""
    """More about the cause, such as the generation of a collection."""

    @property
    def line(self) -> str:
        """The innermost line of the stack, which blocks are grouped by; the cause without a stack."""
        return str(self.stack[0]) if self.stack else self.cause.value

    def after(self, seconds: float, *, ended: bool) -> "Block":
        """The same block after so many seconds."""
        return replace(self, seconds=seconds, ended=ended)

    def told(self) -> dict[str, Any]:
        """The block as JSON has it."""
        return {
            "number": self.number,
            "began": round(self.began, 6),
            "seconds": round(self.seconds, 6),
            "ended": self.ended,
            "cause": self.cause.value,
            "in_c": self.in_c,
            "stack": [_told(frame) for frame in self.stack],
            "by": None if self.by is None else _told(self.by),
            "task": self.task,
            "waited": self.waited,
            "victims": [_told(victim) for victim in self.victims],
            "note": self.note,
        }


def _told(fact: Frame | Victim) -> dict[str, Any]:
    return dict(vars(fact))


def block_of(told: dict[str, Any]) -> Block:
    """The block that `told` was made of. Raises KeyError, TypeError or ValueError for anything else."""
    by = told["by"]
    return Block(
        number=int(told["number"]),
        began=float(told["began"]),
        seconds=float(told["seconds"]),
        ended=bool(told["ended"]),
        cause=Cause(told["cause"]),
        in_c=bool(told["in_c"]),
        stack=tuple(Frame(**frame) for frame in told["stack"]),
        by=None if by is None else Victim(**by),
        task=str(told["task"]),
        waited=int(told["waited"]),
        victims=tuple(Victim(**victim) for victim in told["victims"]),
        note=str(told["note"]),
    )


class Blocks:
    """The last blocks of a loop. One thread writes it, and any may read it."""

    def __init__(self, size: int = MAX_BLOCKS) -> None:
        self._blocks: deque[Block] = deque(maxlen=size)
        self.count = 0
        """Blocks that there were."""

    def put(self, block: Block) -> None:
        """Keep `block`, in place of what was known of it before."""
        if self._blocks and self._blocks[-1].number == block.number:
            self._blocks[-1] = block
        else:
            self.count += 1
            self._blocks.append(block)

    def last(self) -> tuple[Block, ...]:
        """The blocks that are kept, the newest last."""
        return tuple(self._blocks)


def written(blocks: Iterable[Block]) -> str:
    """The blocks as a JSON array, one block a line."""
    lines = ",\n".join(json.dumps(block.told()) for block in blocks)
    return f"[{lines}]"
