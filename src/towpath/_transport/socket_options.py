"""What TCP itself does about a peer that is gone without having closed anything: its machine lost power, or the network drops what is sent.

A client has TCP end a connection on which what was sent is not acknowledged, so that calls under way learn of it whatever their deadlines
are. A server has TCP ask connections that say nothing. Both are left out where the system has no such option.
"""

import socket


def set_user_timeout(connection: socket.socket, seconds: float) -> None:
    """Have TCP give up after `seconds` without an acknowledgement of what was sent (RFC 5482), where the system can."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))


def set_keepalive(listener: socket.socket) -> None:
    """Have TCP ask clients that say nothing whether they are still there: after two minutes, and after four questions without an answer,
    half a minute apart, the connection is over. What a listening socket has is what those have that it accepts."""
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 120), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4)):
            option = getattr(socket, name, None)
            if option is not None:
                listener.setsockopt(socket.IPPROTO_TCP, option, value)
