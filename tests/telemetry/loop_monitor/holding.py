"""Code that blocks the loop until the monitor has seen it, however slow the machine is."""

import asyncio
import re
import threading
from collections.abc import Callable
from typing import Any

from towpath._core.calls.activity import activity_of
from towpath._core.context import Context
from towpath._telemetry.loop_monitor.block import Block, Cause
from towpath._telemetry.loop_monitor.monitor import LoopMonitor


class Reports:
    """What a monitor has reported. A block with the cause `until` is let go once it was reported."""

    def __init__(self, until: Cause = Cause.CODE) -> None:
        self.blocks: list[Block] = []
        self.ends: list[Block] = []
        self.gate = threading.Lock()
        self.gate.acquire()
        self._until = until

    def __call__(self, block: Block) -> None:
        (self.ends if block.ended else self.blocks).append(block)
        if block.cause is self._until and self.gate.locked():  # on a busy machine it may be starved, at first
            self.gate.release()

    @property
    def last_under_way(self) -> bool:
        """Whether the end of the last block is still to be reported."""
        return bool(self.blocks) and (not self.ends or self.ends[-1].number < self.blocks[-1].number)

    @property
    def blamed_now(self) -> list[Block]:
        """What was reported of blocks that are some code's fault, before they ended."""
        return [block for block in self.blocks if block.cause is Cause.CODE]

    def blamed(self) -> list[Block]:
        """The blocks that have ended and are some code's fault."""
        return [block for block in self.ends if block.cause is Cause.CODE]


def sleep_until_reported(reports: Reports) -> None:
    """Block in a function of C that lets other threads run."""
    reports.gate.acquire()


def compute_until_reported(reports: Reports) -> None:
    """Block in Python code."""
    x = 0
    while not reports.blamed_now:
        x += 1


def match_until_reported(reports: Reports) -> None:
    """Block in a function of C that lets no other thread run: for 0.1 s and longer each time, on machines of today."""
    while not reports.blamed_now:
        re.match(r"(a+)+$", "a" * 21 + "b")


async def watched(work: Callable[[], Any], reports: Reports, *, calls: tuple[Context, ...] = ()) -> None:
    """Call `work` in a task of its own while the loop is watched, and return once its end was reported."""
    activity = activity_of(asyncio.get_running_loop())
    doer: list[asyncio.Task[None]] = []

    def under_way() -> list[tuple[asyncio.Task[None] | None, Context]]:
        return [(doer[0] if doer and index == 0 else None, ctx) for index, ctx in enumerate(calls)]

    async def do() -> None:
        await asyncio.sleep(0)
        work()

    monitor = LoopMonitor(reports)
    monitor.start()
    activity.servers[under_way] = None
    try:
        activity.stir()
        while monitor.beats < 3:  # noqa: ASYNC110 - it is known then what runs the loop
            await asyncio.sleep(0.001)
        doer.append(asyncio.create_task(do(), name="the doer"))
        await doer[0]
        while not reports.ends or reports.last_under_way:
            activity.stir()
            await asyncio.sleep(0.001)
    finally:
        monitor.close()
        del activity.servers[under_way]


def run(main: Callable[[], Any], loop: str) -> None:
    """Run `main` on a loop of the name."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
