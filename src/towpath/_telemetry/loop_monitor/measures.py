"""What the system says of a thread: how much it ran, how long it waited for a processor, and in which state it is.

All of it is Linux's. Elsewhere the figures are 0, and a block is then judged by its stack alone.
"""

import os
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple, Protocol

_PARSED: Final = 2


class Figures(NamedTuple):
    """Of one thread, since it began, in seconds."""

    ran: float
    waited: float
    """How long it could have run and had no processor."""


NOTHING: Final = Figures(0.0, 0.0)


class System(Protocol):
    """Where the monitor reads all of this; tests give another."""

    def figures(self, raw: bytes) -> Figures:
        """The figures of what `raw_figures` gave."""
        ...

    def raw_figures(self) -> bytes:
        """The figures of the watched thread, unread."""
        ...

    def cpu(self) -> float:
        """Seconds that the watched thread ran, up to now, asked from any thread."""
        ...

    def process_cpu(self) -> float:
        """Seconds that all threads of the process ran."""
        ...

    def own_wait(self) -> float:
        """How long the asking thread has waited for a processor."""
        ...

    def state(self) -> str:
        """The state of the watched thread: R runs or could, S and D sleep, T is stopped; empty if it is not known."""
        ...

    def throttled(self) -> float:
        """Seconds for which the container's limit has kept the process from running."""
        ...


class Thread:
    """The figures of the thread that makes this object."""

    def __init__(self) -> None:
        task = threading.get_native_id()
        self._clock = time.pthread_getcpuclockid(threading.get_ident()) if hasattr(time, "pthread_getcpuclockid") else None
        self._schedstat = _opened(f"/proc/self/task/{task}/schedstat")
        self._stat = _opened(f"/proc/self/task/{task}/stat")
        self._own: int | None = None
        self._own_task = 0
        self._limits = _opened(_cpu_stat())

    def raw_figures(self) -> bytes:
        return b"" if self._schedstat is None else os.pread(self._schedstat, 64, 0)

    def figures(self, raw: bytes) -> Figures:
        return _figures(raw)

    def cpu(self) -> float:
        return 0.0 if self._clock is None else time.clock_gettime(self._clock)

    def process_cpu(self) -> float:
        return time.process_time()

    def own_wait(self) -> float:
        task = threading.get_native_id()
        if task != self._own_task:
            self._own_task = task
            _close(self._own)
            self._own = _opened(f"/proc/self/task/{task}/schedstat")
        return 0.0 if self._own is None else _figures(os.pread(self._own, 64, 0)).waited

    def state(self) -> str:
        if self._stat is None:
            return ""
        rest = os.pread(self._stat, 512, 0).rpartition(b") ")[2]
        return rest[:1].decode()

    def throttled(self) -> float:
        if self._limits is None:
            return 0.0
        for line in os.pread(self._limits, 4096, 0).splitlines():
            name, _, value = line.partition(b" ")
            if name == b"throttled_usec":
                return int(value) / 1e6
            if name == b"throttled_time":  # of version 1
                return int(value) / 1e9
        return 0.0

    def close(self) -> None:
        """Close what was opened."""
        for descriptor in (self._schedstat, self._stat, self._own, self._limits):
            _close(descriptor)
        self._schedstat = self._stat = self._own = self._limits = None


def _figures(raw: bytes) -> Figures:
    parts = raw.split()
    return Figures(int(parts[0]) / 1e9, int(parts[1]) / 1e9) if len(parts) >= _PARSED else NOTHING


def _cpu_stat() -> str:
    """The file that counts how often the container's limit held the process back."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for folder in (f"/sys/fs/cgroup{path}", "/sys/fs/cgroup"):
                if os.access(f"{folder}/cpu.stat", os.R_OK):
                    return f"{folder}/cpu.stat"
        elif "cpu" in controllers.split(","):
            for folder in (f"/sys/fs/cgroup/cpu{path}", f"/sys/fs/cgroup/{controllers}{path}", "/sys/fs/cgroup/cpu"):
                if os.access(f"{folder}/cpu.stat", os.R_OK):
                    return f"{folder}/cpu.stat"
    return ""


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC) if path else None
    except OSError:
        return None


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
