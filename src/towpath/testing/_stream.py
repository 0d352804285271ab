"""A simulated TCP connection: two transports, and a pipe each way that keeps the order of the bytes.

The transports keep asyncio's promises to protocols: `connection_lost` once and never from within a call of the protocol, `pause_writing`
above the high-water mark, a half-close by `write_eof`, and callbacks in the context in which the connection was made.
"""

import asyncio
import contextvars
import errno
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, cast

from towpath.testing._link import LinkOptions

_EARLY: Final = 1e-9
_HIGH_WATER: Final = 64 * 1024
"""asyncio's own default."""


class Path(Protocol):
    """One way between two nodes, as a connection sees it."""

    @property
    def blocked(self) -> bool:
        """Whether arriving bytes are held back."""
        ...

    @property
    def options(self) -> LinkOptions:
        """The properties of the link now."""
        ...

    def delay(self) -> float | None:
        """Seconds that the next segment takes; None if it never comes through."""
        ...

    def passed(self, data: bytes) -> None:
        """These bytes have arrived."""
        ...


class End(asyncio.Transport):
    """One end of a connection. `path` leads to the other end. `local` and `remote` are the hosts and ports of both ends."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, local: tuple[str, int], remote: tuple[str, int]) -> None:
        super().__init__()
        self.path = path
        self.patience: float | None = None
        """Seconds without an acknowledgement after which TCP gives up (TCP_USER_TIMEOUT)."""
        self.context = contextvars.copy_context()
        self.closed = False
        self.peer: End = self
        self.on_lost: Callable[[], None] | None = None
        """Called once when this end is gone."""
        self._loop = loop
        self._names: dict[str, Any] = {"sockname": local, "peername": remote, "socket": _Socket(self, local)}
        self._protocol: asyncio.Protocol | None = None
        self._closing = False
        self._ended = False
        self._reading = True
        self._paused = False
        self._high, self._low = _HIGH_WATER, _HIGH_WATER // 4
        self._unread = 0
        self._sent: deque[tuple[float, bytes | OSError | None]] = deque()
        self._free_at = 0.0
        self._last = 0.0

    # Called by a protocol and its owner.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`peername`, `sockname` and `socket`, as of a TCP connection."""
        return self._names.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give arriving bytes to `protocol`."""
        self._protocol = cast("asyncio.Protocol", protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that gets arriving bytes."""
        if self._protocol is None:
            raise RuntimeError("the connection is not made yet")
        return self._protocol

    def is_closing(self) -> bool:
        """Whether this end is closed, or will be."""
        return self._closing

    def write(self, data: Any) -> None:
        """Send `data`, in order."""
        if self._closing or self._ended or not data:
            return
        self._unread += len(data)
        self._send(bytes(data))
        if not self._paused and self.get_write_buffer_size() > self._high:
            self._paused = True
            self._tell("pause_writing")

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send all of the data, in order."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Always True."""
        return True

    def write_eof(self) -> None:
        """Say that nothing more will be sent; what the other end sends is still read."""
        if not self._ended and not self._closing:
            self._ended = True
            self._send(None)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Bytes above which the protocol is paused (64 KiB), and at which it is let on (a quarter)."""
        self._high = (_HIGH_WATER if low is None else 4 * low) if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low and the high limit."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Bytes that neither system holds any more."""
        return max(0, self._unread - self.path.options.buffer)

    def is_reading(self) -> bool:
        """Whether the protocol gets arriving bytes."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Leave arriving bytes with the system."""
        self._reading = False

    def resume_reading(self) -> None:
        """Give arriving bytes to the protocol again."""
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self.peer.pump, context=self.context)

    def close(self) -> None:
        """Close once everything is sent."""
        if not self._closing:
            self.write_eof()
            self._closing = True
            self._loop.call_soon(self._lost, None, context=self.context)

    def abort(self) -> None:
        """Close at once; the other end sees a reset."""
        if not self.closed:
            self._send(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
            self.drop(None)

    # Called by the network.

    def drop(self, reason: OSError | None) -> None:
        """End this end; the other end hears nothing of it by this call."""
        self._closing = True
        self._loop.call_soon(self._lost, reason, context=self.context)

    def crash(self) -> None:
        """The process is gone: its system resets the connection."""
        if not self.closed:
            reset = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            self._send(reset)
            self.drop(reset)

    def pump(self) -> None:
        """Give the other end the bytes that have arrived there, unless the way is blocked or it does not read."""
        loop, peer, path = self._loop, self.peer, self.path
        # asyncio runs a timer up to a nanosecond before its time, and sums of seconds miss it by as much as a rounding error.
        now = loop.time() + _EARLY
        while self._sent and self._sent[0][0] <= now and not path.blocked:
            item = self._sent[0][1]
            if isinstance(item, bytes) and not peer._reading and not peer.closed:  # noqa: SLF001 - the two ends are one connection
                return
            self._sent.popleft()
            if isinstance(item, bytes):
                path.passed(item)
                self._unread -= len(item)
                peer.deliver(item)
                if self._paused and self.get_write_buffer_size() <= self._low and not self.closed:
                    self._paused = False
                    loop.call_soon(self._tell, "resume_writing", context=self.context)
            else:
                peer.finished(item)

    def deliver(self, data: bytes) -> None:
        """Give `data` to the protocol."""
        if not self._closing and self._protocol is not None:
            self._protocol.data_received(data)

    def finished(self, reason: OSError | None) -> None:
        """The other end was closed, or with `reason` reset: no more bytes come."""
        if reason is not None:
            self.drop(reason)
        elif not self._closing and self._protocol is not None and not self._protocol.eof_received():
            self.close()

    # Inside.

    def _send(self, item: bytes | OSError | None) -> None:
        now, options = self._loop.time(), self.path.options
        delay = self.path.delay()
        if delay is None:
            delay, item = options.retransmit, ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            self._loop.call_soon(self.drop, TimeoutError(errno.ETIMEDOUT, "Connection timed out"), context=self.context)
        if options.bandwidth is not None and isinstance(item, bytes):
            self._free_at = max(now, self._free_at) + len(item) / options.bandwidth
        self._last = max(self._last, max(now, self._free_at) + delay)
        self._sent.append((self._last, item))
        self._loop.call_at(self._last, self._arrived, self._last, context=self.peer.context)

    def _arrived(self, when: float) -> None:
        self.pump()
        if self.path.blocked and self.patience is not None and not self.closed:
            self._loop.call_later(self.patience, self._give_up, when, context=self.context)

    def _give_up(self, when: float) -> None:
        if self._sent and self._sent[0][0] <= when and self.path.blocked and not self.closed:
            self.drop(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))

    def _tell(self, what: str) -> None:
        if self._protocol is not None and not self.closed:
            getattr(self._protocol, what)()

    def _lost(self, reason: OSError | None) -> None:
        if not self.closed:
            self.closed = True
            if self.on_lost is not None:
                self.on_lost()
            if self._protocol is not None:
                self._protocol.connection_lost(reason)


class _Socket:
    """As much of a socket as owners of a connection look at."""

    family = socket.AF_INET

    def __init__(self, end: End, name: tuple[str, int]) -> None:
        self._end = end
        self._name = name

    def getsockname(self) -> tuple[str, int]:
        return self._name

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if level == socket.IPPROTO_TCP and option == getattr(socket, "TCP_USER_TIMEOUT", None):
            self._end.patience = value / 1000
