"""A listening socket that copes where the process has no file descriptor left for another connection.

asyncio then logs a traceback for each of the connections that it would accept in a row, and stops accepting for a second, once a second for
as long as clients wait. The clients hear nothing meanwhile. So this socket keeps one descriptor in reserve, by which it accepts such a
client and closes its connection at once, as libuv does under uvloop.
"""

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Final

_NONE_LEFT: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""No descriptor is left in the process, or in the system."""


class Listener(socket.socket):
    """`original`, as asyncio accepts from it. `on_refused` is called for each client that is turned away. Closing it closes `original`."""

    __slots__ = ("_on_refused", "_original", "_reserve")

    def __init__(self, original: socket.socket, on_refused: Callable[[], None]) -> None:
        super().__init__(original.family, original.type, original.proto, fileno=socket.dup(original.fileno()))
        self.setblocking(False)
        self._original = original
        self._on_refused = on_refused
        self._reserve: int | None = None
        self._keep_reserve()

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection. Raises BlockingIOError if there is none, or if it was turned away; OSError if not even that was possible."""
        try:
            accepted = super().accept()
        except OSError as error:
            if error.errno not in _NONE_LEFT or not self._turn_away():
                raise
        else:
            if self._reserve is None:
                self._keep_reserve()
            return accepted
        raise BlockingIOError(errno.EAGAIN, "there was no file descriptor for the connection")

    def _turn_away(self) -> bool:
        """Close the connection of the next client; whether that was possible."""
        reserve, self._reserve = self._reserve, None
        if reserve is None:
            return False
        os.close(reserve)
        try:
            connection, _ = super().accept()
        except BlockingIOError:
            return True  # it has gone
        except OSError:
            return False  # another thread was faster
        else:
            connection.close()
            self._on_refused()
            return True
        finally:
            self._keep_reserve()

    def _keep_reserve(self) -> None:
        try:
            self._reserve = os.open(os.devnull, os.O_RDONLY)
        except OSError:
            self._reserve = None

    def close(self) -> None:
        """Close both sockets, and the descriptor in reserve."""
        reserve, self._reserve = self._reserve, None
        if reserve is not None:
            os.close(reserve)
        super().close()
        self._original.close()
