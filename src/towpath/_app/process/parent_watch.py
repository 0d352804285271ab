"""A child's end of the socket to the process that started it. The child says READY=1 here, READY=0 when it is not ready any more, and
learns here that its parent is gone.

A parent that is killed with SIGKILL cannot stop its children, but the system closes its end of the socket, and every child sees that. A
thread watches the socket, so that a handler that blocks the loop cannot outlive the parent. The kernel can also send a signal on the
parent's death, but on Linux only, and it does so when the parent's *thread* ends.
"""

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Callable
from typing import Final, Self

from towpath._app.process.forced_exit import STATUS
from towpath._core.errors import SetupError

READY: Final = b"READY=1\n"
UNREADY: Final = b"READY=0\n"

_AT_ONCE: Final = getattr(socket, "MSG_DONTWAIT", 0)
"""Do not wait for a parent that does not read."""


class ParentWatch:
    """Tells the parent over the inherited descriptor `fd` that this process is ready, and watches the parent within a `with` block. Over a
    pipe it can only tell: the parent's end shows on a socket alone.

    When the parent is gone, another thread calls `lost`. If the `with` block has not ended `patience` seconds later, the process ends with
    status 70, together with all processes that it started. Raises SetupError if `fd` is neither pipe nor socket.
    """

    def __init__(self, fd: int, lost: Callable[[], object], *, patience: float) -> None:
        try:
            kind = os.fstat(fd).st_mode
            # The children of this process must not hold the socket to the parent.
            os.set_inheritable(fd, False)
        except OSError as error:
            raise SetupError(f"TOWPATH_NOTIFY_FD: {fd} is not an open descriptor; it is set by whoever starts the process") from error
        if not (stat.S_ISSOCK(kind) or stat.S_ISFIFO(kind)):
            raise SetupError(f"TOWPATH_NOTIFY_FD: descriptor {fd} is neither pipe nor socket; it is set by whoever starts the process")
        self._fd = fd
        self._socket = socket.socket(fileno=fd) if stat.S_ISSOCK(kind) else None
        self._lost = lost
        self._patience = patience
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._told = False

    def __enter__(self) -> Self:
        if self._socket is not None:
            self._socket.setblocking(True)
            self._thread = threading.Thread(target=self._watch, args=(self._socket,), name="towpath-parent-watch", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._socket is None:
            os.close(self._fd)
            return
        with contextlib.suppress(OSError):  # the parent may have closed its end already
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join()
        self._socket.close()

    def tell(self, ready: bool) -> None:
        """Tell the parent whether calls are wanted. Does nothing if the parent no longer listens. Over a pipe, whose reader wants to know
        of the start alone, this says READY=1 once."""
        if self._socket is None:
            if ready and not self._told:
                self._told = True
                with contextlib.suppress(BrokenPipeError):
                    os.write(self._fd, READY)
            return
        if ready or self._told:
            self._told = True
            with contextlib.suppress(BrokenPipeError, BlockingIOError):
                self._socket.send(READY if ready else UNREADY, _AT_ONCE)

    def _watch(self, parent: socket.socket) -> None:
        with contextlib.suppress(ConnectionResetError):
            while parent.recv(64):
                continue  # a parent sends nothing, and an end of the stream means its end
        if self._over.is_set():
            return
        with contextlib.suppress(RuntimeError):  # the loop closed in the same moment, so the process ends anyway
            self._lost()
        if not self._over.wait(self._patience):
            _end_group()


def _end_group() -> None:
    if os.name == "posix" and os.getpgrp() == os.getpid():
        # This process leads a process group: kill its children with it.
        os.killpg(0, 9)
    os._exit(STATUS)
