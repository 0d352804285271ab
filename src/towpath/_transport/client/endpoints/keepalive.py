"""Finding out that a server is gone which closed nothing: its machine lost power, or the network drops what is sent to it.

TCP's own way is in `towpath._transport.socket_options` and always on. This is gRPC's keepalive, off unless asked for: a PING when nothing
was heard for a while. Servers count pings that come without calls, and grpcio's cut off who sends them more often than every five minutes
(https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md), so it is sent only while calls are under way.
"""

import asyncio
from typing import Final

from towpath._transport.client.endpoints.connection import ClientLink, ClientLinkDelegate
from towpath._wire.http2 import Limits

_PAYLOAD: Final = b"towpath?"


class KeptLink(ClientLink):
    """A connection that is asked whether it lives: after `interval` seconds of silence, with `timeout` seconds to answer."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, delegate: ClientLinkDelegate, limits: Limits, *, interval: float, timeout: float
    ) -> None:
        super().__init__(loop, delegate, limits)
        self._interval = interval
        self._timeout = timeout
        self._heard = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(self._interval, self._look)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._heard = True
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is gone."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def pinged(self, payload: bytes) -> None:
        """The server lives."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self._interval, self._look)

    def _look(self) -> None:
        silent = not self._heard and self.connection.streams
        self._heard = False
        if silent:
            self.connection.ping(_PAYLOAD)
            self.flush()
            self._timer = self.loop.call_later(self._timeout, self._judge)
        else:
            self._timer = self.loop.call_later(self._interval, self._look)

    def _judge(self) -> None:
        if self._heard:
            self._timer = self.loop.call_later(self._interval, self._look)
        else:
            self.fault = f"{self.peer} did not answer a keepalive ping within {self._timeout:g} s"
            self.abort()
