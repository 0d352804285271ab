"""A new connection until its TLS handshake is done: it counts as one already, and the log says why a client is refused.

The loop could shake hands by itself before it hands over a connection. Then nobody would learn of a handshake that fails, and it would
count for no limit.
"""

import asyncio
import logging
import ssl
from collections.abc import Coroutine, Generator
from typing import Any, Final, cast

from towpath._core import clock
from towpath._transport.server.connections.connection import Site
from towpath._transport.server.connections.protocol_detection import Front
from towpath._transport.tls import HandshakeContext, explained

log = logging.getLogger("towpath.tls")

_TOLD_AT_ONCE: Final = 20
"""Refusals that are logged within `_TOLD_WITHIN`; the others are counted. Anybody may be refused as often as they like."""

_TOLD_WITHIN: Final = 10.0
"""Seconds."""


class RefusalLog:
    """Logs why clients were refused, a few of them in any one time."""

    def __init__(self) -> None:
        self._since = float("-inf")
        self._told = 0
        self._untold = 0

    def tell(self, peer: str, error: ssl.SSLError) -> None:
        """The handshake with `peer` has failed."""
        now = clock.now()
        if now - self._since >= _TOLD_WITHIN:
            if self._untold:
                log.warning("%d more TLS handshakes failed", self._untold)
            self._since, self._told, self._untold = now, 0, 0
        if self._told >= _TOLD_AT_ONCE:
            self._untold += 1
            return
        self._told += 1
        log.warning("the TLS handshake with the client at %s failed: %s", peer or "a socket in the file system", explained(error))


class TlsFront(asyncio.Protocol):
    """What a new connection talks to until both ends have agreed on TLS."""

    def __init__(self, loop: asyncio.AbstractEventLoop, site: Site, context: ssl.SSLContext, timeout: float, refusals: RefusalLog) -> None:
        self._loop = loop
        self._site = site
        self._context = context
        self._timeout = timeout
        self._refusals = refusals
        self._transport: asyncio.Transport | None = None
        self._peer: str | None = None
        self.task: asyncio.Task[None] | None = None
        """The handshake."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = transport = cast("asyncio.Transport", transport)
        address: Any = transport.get_extra_info("peername")
        peer = str(address[0]) if address else ""
        connections = self._site.connections
        if not connections.admit(peer):
            transport.abort()
            return
        self._peer = peer
        connections.newcomers[self] = None
        front = Front(self._loop, self._site, admitted=True)
        context: Any = HandshakeContext(self._context, transport.write)
        tls = self._loop.start_tls(transport, front, context, server_side=True, ssl_handshake_timeout=self._timeout)
        self.task = self._loop.create_task(self._shake_hands(_Begun(tls), front, f"{address[0]}:{address[1]}" if address else ""))

    async def _shake_hands(self, begun: "_Begun", front: Front, peer: str) -> None:
        try:
            secured = await begun
        except OSError as error:  # of which the client's own going is no news
            if isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
                self._refusals.tell(peer, error)
            self.abort()
            return
        except BaseException:
            self.abort()
            raise
        if secured is None or secured.is_closing() or self._peer is None:  # lost, or given up for another one, in this very moment
            self.abort()
            return
        self._peer = None
        self._site.connections.newcomers.pop(self, None)
        front.connection_made(secured)

    def abort(self) -> None:
        """Close at once; its place is free from now on."""
        self._site.connections.newcomers.pop(self, None)
        peer, self._peer = self._peer, None
        if peer is not None:
            self._site.connections.leave(peer)
        if self._transport is not None:
            self._transport.abort()


class _Begun:
    """A coroutine that has run up to where it first waits. A task begins only in the next turn of the loop, and uvloop would have read the
    client's first bytes by then, with nobody to take them."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._waits_for = coroutine.send(None)

    def __await__(self) -> Generator[Any, Any, Any]:
        """Run the rest."""
        waits_for = self._waits_for
        try:
            while True:
                try:
                    sent = yield waits_for
                except BaseException as error:  # noqa: BLE001 # a cancellation goes on to the coroutine
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(sent)
        except StopIteration as end:
            return end.value
