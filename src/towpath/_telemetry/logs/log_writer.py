"""The writer of log lines, which never waits for their reader.

A pipe whose reader has stopped, a terminal that is held by Ctrl-S, a journal that is behind: a plain write waits there, and with it the
event loop and every call. This writer hands a line to the system if the system takes it at once. Otherwise the line waits in a bounded
queue, which a thread writes once there is room. A line that the queue has no room for is dropped, and so is one that the system refuses (a
full disk, a reader that is gone). The number of the dropped ones is told by a line of its own as soon as there is room.

So a line is with the system when the logging call returns, as long as its reader keeps up, and not even SIGKILL loses it. No lock is waited
for: a thread that finds another one writing leaves the line to it. A signal handler or a finalizer may log in the midst of a write.
"""

import _thread
import os
import select
import stat
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock, RLock
from typing import Any, Final

MAX_LINES: Final = 2_000
"""Lines that wait."""

_ATOMIC: Final = 4096
"""Bytes that a pipe takes as a whole (PIPE_BUF of Linux), so that the lines of several processes do not mix."""

_LOOK: Final = 0.05
"""Seconds between two looks whether there is room, at the most."""

_PAUSE: Final = 0.001
"""Seconds of a pause between two of them, since the system may say at once that there is room for too little."""

_at_fork: Any = getattr(os, "register_at_fork", dict)  # on Windows, which has none, something that does no harm


class LogWriter:
    """Writes lines to the file descriptor `descriptor`. `dropped` makes the line that tells how many were dropped."""

    def __init__(self, descriptor: int, dropped: Callable[[int], bytes], *, max_lines: int = MAX_LINES) -> None:
        self._send, self._polled = _opened(descriptor)
        self._told = dropped
        self._max_lines = max_lines
        self._begin()
        mine = weakref.WeakMethod(self._begin)
        _at_fork(after_in_child=lambda: (begin := mine()) and begin())

    def _begin(self) -> None:
        """Start with nothing. What waits when a process forks is the parent's to write."""
        self._lines: deque[bytes] = deque()
        self._partial = b""
        self._records = 0
        """Lines that `_partial` has, and that one counts of which it tells."""
        self._torn = False
        self._dropped = 0
        self._written = 0
        self._waiting = False
        self._counting = RLock()
        self._writing = Lock()

    @property
    def pending(self) -> bool:
        """Whether lines wait."""
        return bool(self._lines or self._partial)

    def write(self, line: bytes) -> None:
        """Write `line`, which ends in a newline, or keep it until it can be written. Never waits and never raises."""
        if len(self._lines) >= self._max_lines:
            self._drop(1)
            return
        self._lines.append(line)
        self.pump()

    def pump(self) -> None:
        """Write what the system takes now. A thread writes the rest when there is room."""
        while self.pending and self._writing.acquire(blocking=False):
            try:
                done = self._drain()
            finally:
                self._writing.release()
            if not done:
                self._wait()
                return

    def finish(self, patience: float) -> bool:
        """Write what waits, for as long as the reader takes something every `patience` seconds. Returns whether nothing is left."""
        seen, due = self._written, time.monotonic() + patience
        while self.pending:
            self.pump()
            if self._written != seen:
                seen, due = self._written, time.monotonic() + patience
            elif self.pending:
                if time.monotonic() >= due:
                    return False
                _until_writable(self._polled, _LOOK)
        return True

    def _drain(self) -> bool:
        """Whether all was written. The caller holds the lock."""
        while True:
            if not self._partial:
                self._partial = self._next()
                if not self._partial:
                    return True
            try:
                sent = self._send(self._partial)
            except BlockingIOError:
                return False
            except OSError:
                lost = self._records + len(self._lines)
                self._partial = b""
                self._lines.clear()
                self._drop(lost)
                return True
            self._written += sent
            self._torn = not self._partial.endswith(b"\n", 0, sent)
            self._partial = self._partial[sent:]

    def _next(self) -> bytes:
        """The next lines, as many as a pipe takes at once. Behind the last of them how many were dropped."""
        if not self._lines:
            with self._counting:
                self._records, self._dropped = self._dropped, 0
            return self._whole(self._told(self._records)) if self._records else b""
        lines = [self._lines.popleft()]
        size = len(lines[0])
        while self._lines and size + len(self._lines[0]) <= _ATOMIC:
            lines.append(self._lines.popleft())
            size += len(lines[-1])
        self._records = len(lines)
        return self._whole(b"".join(lines))

    def _whole(self, lines: bytes) -> bytes:
        """`lines`, which do not go on where half a line was written before something failed."""
        return b"\n" + lines if self._torn else lines

    def _drop(self, count: int) -> None:
        with self._counting:
            self._dropped += count

    def _wait(self) -> None:
        if not self._waiting:
            self._waiting = True
            with suppress(RuntimeError):  # no thread can be started any more; `finish` writes what is left
                # Not `threading.Thread`, whose locks this thread may hold where a signal interrupts it.
                _thread.start_new_thread(self._serve, ())

    def _serve(self) -> None:
        while True:
            _until_writable(self._polled, 1.0)
            self.pump()
            if not self.pending:
                self._waiting = False
                if not self.pending:  # a line that came between was left to this thread
                    return
                self._waiting = True


def _until_writable(descriptor: int, seconds: float) -> None:
    if hasattr(select, "poll"):
        asked = select.poll()
        asked.register(descriptor, select.POLLOUT)
        asked.poll(seconds * 1000)
    time.sleep(_PAUSE)


def _opened(descriptor: int) -> tuple[Callable[[bytes], int], int]:
    """A function that writes some of what it is given, or raises BlockingIOError; and the descriptor to wait for.

    That a write does not wait is a property of what was opened, which this process may share with others, such as a shell. So a pipe and a
    terminal are opened anew. A socket, such as the journal's, cannot be, and is asked whether it has room."""
    mode = os.fstat(descriptor).st_mode
    own = os.dup(descriptor)
    if stat.S_ISREG(mode) or not hasattr(select, "poll"):
        return partial(os.write, own), own
    with suppress(OSError):  # a socket, a file of another user's, or a system without /proc
        anew = os.open(f"/proc/self/fd/{own}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        os.close(own)
        return partial(os.write, anew), anew
    asked = select.poll()
    asked.register(own, select.POLLOUT)

    def write(data: bytes) -> int:
        # What has room for some bytes has room for `_ATOMIC`. Another process may take it in between, and this write waits then.
        if not asked.poll(0):
            raise BlockingIOError
        return os.write(own, data[:_ATOMIC])

    return write, own
