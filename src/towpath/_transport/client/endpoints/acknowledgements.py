"""How long TCP has had no sign of the peer while bytes of ours wait for one.

TCP_USER_TIMEOUT would have TCP itself give up then. But it counts the time without progress, not the time without a sign. So it also ends
the connection of a peer that answers and has no room, such as a server that does not read on for half a minute. Linux tells when the last
acknowledgement came, whatever it said, and this asks for it.
"""

import socket
import struct
from typing import Final, Self

from towpath._core import clock

_PROBES: Final = 3
"""Where `struct tcp_info` has the questions to a peer without room that are not answered yet."""
_UNACKNOWLEDGED: Final = struct.Struct("=24xI")
_LAST_ACKNOWLEDGEMENT: Final = struct.Struct("=56xI")
_SIZE: Final = _LAST_ACKNOWLEDGEMENT.size


class Acknowledgements:
    """Looks at one connection. Linux asks a peer without room ever more rarely, up to once in two minutes, and what was not asked cannot be
    missed."""

    def __init__(self, connection: socket.socket, option: int) -> None:
        self._connection = connection
        self._option = option
        self._since: float | None = None

    @classmethod
    def of(cls, connection: socket.socket) -> Self | None:
        """None where the system does not tell, or the connection is not TCP's."""
        option = getattr(socket, "TCP_INFO", None)
        if option is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        try:
            known = len(connection.getsockopt(socket.IPPROTO_TCP, option, _SIZE))
        except (AttributeError, OSError):  # the sockets of a simulated network have no such method
            return None
        return cls(connection, option) if known == _SIZE else None

    def silence(self) -> float:
        """Seconds since the last sign of the peer, counted from when this was first seen to wait for one; 0 if nothing waits."""
        try:
            info = self._connection.getsockopt(socket.IPPROTO_TCP, self._option, _SIZE)
        except OSError:  # the connection is about to end by another way
            return 0.0
        (unacknowledged,) = _UNACKNOWLEDGED.unpack_from(info)
        if not unacknowledged and not info[_PROBES]:
            self._since = None
            return 0.0
        now = clock.now()
        (milliseconds,) = _LAST_ACKNOWLEDGEMENT.unpack(info)
        since = self._since = now if self._since is None else max(self._since, now - milliseconds / 1000)
        return now - since
