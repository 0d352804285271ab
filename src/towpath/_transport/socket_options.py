"""What TCP itself does about a peer that is gone without having closed anything: its machine lost power, or the network drops what is sent.

A server has TCP ask connections that say nothing, and end those on which what was sent is not acknowledged. A client that cannot ask its
system for acknowledgements (`towpath._transport.client.endpoints.acknowledgements`) has TCP do the latter. All is left out where the system
has no such option.
"""

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

MAX_KEEPALIVE: Final = 32_767
"""The longest `time` and `timeout` of a `TcpKeepalive` in seconds, which is Linux' bound."""

_QUESTIONS: Final = 4
_MAX_USER_TIMEOUT: Final = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class TcpKeepalive:
    """When TCP asks a silent client whether it is still there, so that clients which vanished do not hold their connections for ever.
    Raises ValueError unless both times are from 1 s to 32,767 s. TCP counts whole seconds."""

    time: float = 120.0
    """Seconds of silence after which TCP asks."""
    timeout: float = 120.0
    """Seconds without an answer after which the connection is over. TCP asks up to four times in it."""

    def __post_init__(self) -> None:
        for name, value in (("time", self.time), ("timeout", self.timeout)):
            if not 1 <= value <= MAX_KEEPALIVE:
                raise ValueError(f"{name} of TCP's keepalive is {value}; give 1 to {MAX_KEEPALIVE} seconds")


def set_user_timeout(connection: socket.socket, seconds: float) -> None:
    """Have TCP give up after `seconds` without an acknowledgement of what was sent (RFC 5482), where the system can."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, option, min(int(seconds * 1000), _MAX_USER_TIMEOUT))


def reset_on_close(connection: Any) -> None:
    """Have the peer of `connection` see a reset when it is closed, and no end. It is TCP's alone; a Unix socket has an end only."""
    with suppress(AttributeError, OSError):  # a simulated connection has no such method
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def set_keepalive(listener: socket.socket, keepalive: TcpKeepalive, unread_timeout: float | None) -> None:
    """Have TCP ask clients that say nothing whether they are still there, as `keepalive` has it. The sockets that `listener` accepts
    inherit its options.

    TCP gives up a client, too, which acknowledges nothing of what it is sent for `time` and `timeout` together (Linux then counts this time
    instead of its questions, so a silent client has no other time than before). As that also ends the connection of a client that reads
    nothing, it is left out where it would be sooner than `unread_timeout` (seconds; None for never)."""
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        pause = max(1, round(keepalive.timeout / _QUESTIONS))
        questions = max(1, round(keepalive.timeout / pause))
        for name, value in (("TCP_KEEPIDLE", round(keepalive.time)), ("TCP_KEEPINTVL", pause), ("TCP_KEEPCNT", questions)):
            option = getattr(socket, name, None)
            if option is not None:
                listener.setsockopt(socket.IPPROTO_TCP, option, value)
        whole = keepalive.time + keepalive.timeout
        if unread_timeout is not None and whole >= unread_timeout:
            set_user_timeout(listener, whole)
