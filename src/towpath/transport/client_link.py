"""One connection of a channel: knows when it takes another call, and tells the channel when it does not any more."""

import asyncio
from collections import deque
from typing import Protocol

from towpath.core.deadline import DeadlineWheel, wheel_of
from towpath.transport.link import Link
from towpath.wire.http2 import ClientConnection, Limits


class Owner(Protocol):
    """The channel, as its connections see it."""

    def retire(self, link: "ClientLink") -> None:
        """Send no new calls over `link`."""
        ...

    def forget(self, link: "ClientLink") -> None:
        """`link` has ended."""
        ...


class ConnectionLost(Exception):
    """The connection ended before it was ready."""


class ClientLink(Link[ClientConnection]):
    """One connection of a channel."""

    def __init__(self, loop: asyncio.AbstractEventLoop, channel: Owner, limits: Limits) -> None:
        super().__init__(loop)
        self.wheel: DeadlineWheel = wheel_of(loop)
        self._channel = channel
        self._ready: asyncio.Future[None] = loop.create_future()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self.fault = ""
        # Whether the end of a stream matters to anybody: to a call that waits for its place, or to the connection's own end.
        self.needs_attention = False
        self.connection = ClientConnection(self, limits)

    async def wait_ready(self) -> None:
        """Until the server's settings have come. Raises ConnectionLost."""
        await self._ready

    async def wait_for_stream(self) -> None:
        """Until a stream has ended or the connection has: worth another look at `can_open`."""
        waiter: asyncio.Future[None] = self.loop.create_future()
        self._waiters.append(waiter)
        self.needs_attention = True
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # the place was this call's already: pass it on
                self.stream_ended()
            raise

    def stream_ended(self) -> None:
        """A stream has ended: the next call in line may take its place."""
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break
        if self.connection.exhausted() and not self.connection.streams:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is gone; calls under way end with UNAVAILABLE."""
        super().connection_lost(exc)
        self._end(self.fault or "the connection was closed" + (f": {exc}" if exc else ""))

    def _end(self, reason: str) -> None:
        self._channel.forget(self)
        if not self._ready.done():
            self._ready.set_exception(ConnectionLost(reason))
        self._wake_all()

    def _wake_all(self) -> None:
        """Whoever waits for a stream looks again: there may be room here now, or reason to go elsewhere."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)

    # What the connection tells.

    def ready(self) -> None:
        """The server's settings are known, or have changed."""
        if not self._ready.done():
            self._ready.set_result(None)
        self._wake_all()

    def going_away(self, reason: str) -> None:
        """The server wants no more calls here: the next one connects anew."""
        self._channel.retire(self)
        self.fault = reason
        self.needs_attention = True
        self._wake_all()
        self.stream_ended()

    def pinged(self, payload: bytes) -> None:
        """Nothing is measured by pings yet; keepalive is the channel's to add."""

    def failed(self, reason: str) -> None:
        """The server broke the protocol."""
        self.fault = reason
        self._channel.retire(self)
        super().failed(reason)
