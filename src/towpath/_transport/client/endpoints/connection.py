"""One connection of a channel: knows when it takes another call, and tells the channel when it does not any more."""

import asyncio
import ssl
from typing import Protocol

from towpath._core import clock
from towpath._core.deadline import DeadlineWheel, wheel_of
from towpath._core.errors import RpcError
from towpath._transport.client.load_balancing.load import Load
from towpath._transport.connection_driver import TURN, Link
from towpath._transport.peer_certificate import margin
from towpath._transport.tls import explained
from towpath._wire.http2 import ClientConnection, Limits


class ClientLinkDelegate(Protocol):
    """The endpoint, as its connections see it."""

    def retire(self, link: "ClientLink") -> None:
        """Send no new calls over `link`."""
        ...

    def replace(self, link: "ClientLink") -> None:
        """`link` seems dead: connect anew, and send no new calls over it once that is done."""
        ...

    def forget(self, link: "ClientLink") -> None:
        """`link` has ended."""
        ...

    def wake_one(self, link: "ClientLink") -> None:
        """A call over `link` has ended: one that waits may take its place."""
        ...

    def wake_all(self) -> None:
        """The server's settings have come, or have changed: every call that waits looks again."""
        ...


class ConnectionLost(Exception):
    """The connection ended before it was ready."""


class ClientLink(Link[ClientConnection]):
    """One connection of a channel."""

    def __init__(self, loop: asyncio.AbstractEventLoop, delegate: ClientLinkDelegate, limits: Limits) -> None:
        super().__init__(loop)
        self.wheel: DeadlineWheel = wheel_of(loop)
        self._delegate = delegate
        self._ready: asyncio.Future[None] = loop.create_future()
        self._finishing = False
        self.fault = ""
        self.target = ""
        """What the channel calls, for errors."""
        self.read_at = 0.0
        """When bytes last came, in seconds of the clock, where calls are recorded."""
        self.load: Load | None = None
        """What its endpoint's load is kept in, if anybody chooses by it."""
        # Whether the end of a stream matters to anybody: to a call that waits for its place, or to the connection's own end.
        self.needs_attention = False
        self.connection = ClientConnection(self, limits)

    async def wait_ready(self) -> None:
        """Until the server's settings have come. Raises ConnectionLost."""
        await self._ready

    def has_room(self) -> bool:
        """Whether a call may begin over it now."""
        return not self._finishing and self.connection.can_open()

    def stream_ended(self) -> None:
        """A stream has ended, or will not be opened: the next call in line may take its place."""
        self._delegate.wake_one(self)
        if (self._finishing or self.connection.exhausted()) and not self.connection.streams:
            self.close()

    def end_with_certificate(self, left: float) -> None:
        """Send no new calls over it from shortly before the server's certificate ends, in `left` seconds, and end it with that."""
        expiry = _Expiry(self)
        now = clock.now()
        slots = [self.wheel.add(now + left - margin(left), expiry), self.wheel.add(now + left, self)]
        self.closed.add_done_callback(lambda _: (slots[0].pop(expiry, None), slots[1].pop(self, None)))

    def expire(self) -> None:
        """The server's certificate has ended."""
        self.fault = "the server's certificate has expired"
        self.abort()

    def call_failed(self, error: asyncio.CancelledError | RpcError) -> None:
        """A call has ended with `error`; see `towpath._transport.client.endpoints.keepalive`."""

    def finish(self) -> None:
        """Close once the calls under way have ended. No new ones may be sent."""
        self._finishing = True
        self.needs_attention = True
        self.stream_ended()

    def close(self) -> None:
        """Write what waits, then close. Behind TLS a server that does not answer the end of the session is not waited for: no call is left
        that could lose anything, and asyncio would wait for 30 s."""
        super().close()
        transport = self._transport
        if transport is not None and transport.get_extra_info("ssl_object") is not None:
            self.loop.call_soon(self.abort)  # uvloop writes at the end of this turn

    def _wait_for_peer(self) -> None:
        """Read on: a server that waits for its answers to be read may take nothing until they are."""
        held, self.holds = self.holds, self.holds & ~TURN
        if held and not self.holds and self._transport is not None:
            self._transport.resume_reading()

    def eof_received(self) -> None:
        """The server sends nothing more, so that nothing is answered any more: calls end now, and what was not yet written never is."""
        connection = self.connection
        connection.lost(f"the connection to {self.peer} was lost")
        connection.out.clear()
        self._delegate.retire(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is gone; calls under way end with UNAVAILABLE."""
        super().connection_lost(exc)
        reason = explained(exc) if isinstance(exc, ssl.SSLError) else str(exc or "")
        self._end(self.fault or "the connection was closed" + (f": {reason}" if reason else ""))

    def _end(self, reason: str) -> None:
        self._delegate.forget(self)
        if not self._ready.done():
            self._ready.set_exception(ConnectionLost(reason))
            self._ready.exception()  # marks it as seen: nobody waits any more if the dial was cancelled

    # What the connection tells.

    def ready(self) -> None:
        """The server's settings are known, or have changed. Where there is still no room, nobody is woken, however many wait."""
        if not self._ready.done():
            self._ready.set_result(None)
        elif not self.connection.can_open():
            return
        self._delegate.wake_all()

    def now(self) -> float:
        """The time in seconds."""
        return clock.now()

    def going_away(self, reason: str) -> None:
        """The server wants no more calls here: the next one connects anew."""
        self.fault = reason
        self.needs_attention = True
        self._delegate.retire(self)
        self.stream_ended()

    def pinged(self, payload: bytes) -> None:
        """Nothing is asked by pings here; see `towpath._transport.client.endpoints.keepalive`."""

    def failed(self, reason: str) -> None:
        """The server broke the protocol."""
        self.fault = reason
        self._delegate.retire(self)
        super().failed(reason)


class _Expiry:
    """Stands on the wheel for the time at which a connection is replaced, since its server's certificate is about to end."""

    def __init__(self, link: ClientLink) -> None:
        self._link = link

    def expire(self) -> None:
        self._link.going_away("the server's certificate is about to expire")
        self._link.finish()
