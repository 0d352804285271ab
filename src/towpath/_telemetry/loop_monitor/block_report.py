"""The places where a block is told: the ring of the last ones, a file, a histogram, and the log."""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from towpath._core import clock
from towpath._core.clock import TimeSource
from towpath._core.disclosure.printable import printable
from towpath._telemetry.histogram import DurationHistogram
from towpath._telemetry.loop_monitor.block import Block, Blocks, Cause, block_of, written
from towpath._telemetry.metric_names import LOOP_BLOCKS

BUCKETS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0)
"""Upper bounds in seconds."""

LINE_PERIOD: Final = 10.0
"""Seconds in which the log has one line for each line of code that blocks."""

MAX_LINES: Final = 20
"""Lines of code that the log has at most in that time; the blocks of the others are counted together."""

_STILL: Final = 1.0
"""Seconds after which a block is logged though it lasts."""

_FILE_PERIOD: Final = 0.5
"""Seconds between two writes of the file, but for the first of a block."""

_IN_FILE: Final = 20

log = logging.getLogger("towpath.loop")

_CAUSES: Final = {
    Cause.MANY: "the event loop had more to do than it could: no turn of it ended for {ms:.0f} ms",
    Cause.GC: "the event loop stood for {ms:.0f} ms while Python collected garbage ({note})",
    Cause.GIL: "the event loop waited for {ms:.0f} ms for another thread of this process that held the interpreter's lock",
    Cause.STARVED: "the event loop had no processor for {ms:.0f} ms, because other threads or processes had it",
    Cause.THROTTLED: "the event loop had no processor for {ms:.0f} ms, because the container's limit was used up",
    Cause.STOPPED: "the process was stopped for {ms:.0f} ms, by a signal, a debugger or the machine's suspension",
    Cause.UNKNOWN: "the event loop did not turn for {ms:.0f} ms, and nothing was seen that explains it",
}


def sentence(block: Block) -> str:
    """What happened, in one line."""
    milliseconds = block.seconds * 1e3
    if block.cause is not Cause.CODE:
        return _CAUSES[block.cause].format(ms=milliseconds, note=block.note) + _waiting(block)
    place = block.note or "unknown code"
    if block.stack:
        frame = block.stack[0]
        where = f"{frame.function}()" + (f": {frame.source}" if frame.source else "")
        place = f"{frame.file}:{frame.line} in {where}{' (in C)' if block.in_c else ''}"
        if len(block.stack) > 1 and not block.stack[1].file.startswith(("asyncio/", "towpath/")):
            place += f", called at {block.stack[1].file}:{block.stack[1].line}"
    by = "" if block.by is None else f", in {block.by.method}"
    if block.by is not None and block.by.request_id:
        by += f" (request id {block.by.request_id})"
    going_on = "was" if block.ended else "has been"
    return printable(f"the event loop {going_on} blocked for {milliseconds:.0f} ms by {place}{by}{_waiting(block)}")


def _waiting(block: Block) -> str:
    if not block.waited:
        return ""
    return f"; {block.waited} {'call' if block.waited == 1 else 'calls'} waited"


class BlockReport:
    """What a monitor calls. Blocks are reported in the monitor's thread, so writing a file or the log delays no call."""

    def __init__(self, registry: CollectorRegistry, *, file: Path | None = None, time: TimeSource = clock) -> None:
        self.blocks: Final = Blocks()
        """The last ones."""
        self._durations = DurationHistogram(LOOP_BLOCKS, bounds=BUCKETS, registry=registry)
        self._time = time
        self._file = file
        self._written = float("-inf")
        self._lines: dict[str, int] = {}
        self._since = float("-inf")
        self._logged = 0
        """The number of the block that was logged while it lasted."""

    def __call__(self, block: Block) -> None:
        """Tell of `block`."""
        known = self.blocks.last()
        first = not known or known[-1].number != block.number
        self.blocks.put(block)
        if block.ended:
            self._durations.series(block.cause.value).observe(block.seconds)
        if block.ended or (block.seconds >= _STILL and block.number != self._logged):
            self._logged = block.number
            self._log(block)
        if self._file is not None:
            now = self._time.now()
            if first or block.ended or now - self._written >= _FILE_PERIOD:
                self._written = now
                _write(self._file, self.blocks.last()[-_IN_FILE:])

    def _log(self, block: Block) -> None:
        now = self._time.now()
        if now - self._since >= LINE_PERIOD:
            self._tell_rest()
            self._since = now
        if block.line in self._lines or len(self._lines) >= MAX_LINES:
            key = block.line if block.line in self._lines else "others"
            self._lines[key] = self._lines.get(key, 0) + 1
            return
        self._lines[block.line] = 0
        level = logging.WARNING if block.cause in (Cause.CODE, Cause.MANY, Cause.GIL) else logging.INFO
        log.log(level, "%s", sentence(block))

    def _tell_rest(self) -> None:
        lines, self._lines = self._lines, {}
        for line, more in lines.items():
            if more:
                log.warning("the event loop was kept from turning %d more times by %s", more, printable(line))

    def close(self) -> None:
        """Log what was held back, and remove the file."""
        self._tell_rest()
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)


def _write(file: Path, blocks: tuple[Block, ...]) -> None:
    """Replace the file at once, for its owner alone. A file that cannot be written is nobody's problem but that of its reader."""
    partial = file.with_name(f"{file.name}.partial")
    with suppress(OSError):
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(written(blocks))
        partial.replace(file)


def blocks_in(text: str) -> tuple[Block, ...]:
    """The blocks that `written` or the file has. Raises ValueError for anything else."""
    try:
        return tuple(block_of(told) for told in json.loads(text))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no list of blocks: {error}") from None
