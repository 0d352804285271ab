"""How much of the two cores went to somebody else while a peer was measured: without that, a poor figure has no explanation.

Linux counts each core's busy time; what our own processes did not use of it, others did, or the hypervisor took. Interrupts are left out,
since those are mostly our own packets. Elsewhere than on Linux nothing is known, and nothing is claimed.
"""

import os
from pathlib import Path
from time import monotonic
from typing import Final

from bench.processes.children import cores

_STAT: Final = Path("/proc/stat")
_BUSY: Final = (0, 1, 2, 7)  # user, nice, system, steal: the columns of a core's line, see proc(5)

TOLERATED: Final = 0.05
"""The share of the cores above which the report warns: more than that moves ratios by more than the bars allow for."""


class Neighbours:
    """Watches the server's and the client's core from its making on. Children count as ours once they have ended."""

    def __init__(self) -> None:
        self._begun = monotonic()
        self._busy = _busy_seconds()
        self._own = _own_seconds()

    def share(self) -> float | None:
        """The share (0-1) of the cores' time since then that was not ours; None where it cannot be known."""
        busy = _busy_seconds()
        if busy is None or self._busy is None:
            return None
        watched = sum(core is not None for core in cores()) or os.cpu_count() or 1
        others = (busy - self._busy) - (_own_seconds() - self._own)
        return min(1.0, max(0.0, others / (watched * (monotonic() - self._begun))))


def _busy_seconds() -> float | None:
    watched = {f"cpu{core}" for core in cores() if core is not None} or {"cpu"}
    try:
        lines = [line.split() for line in _STAT.read_text().splitlines()]
    except OSError:
        return None
    ticks = sum(int(columns[1 + column]) for columns in lines if columns[0] in watched for column in _BUSY)
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
