"""The first bytes of a connection: they tell HTTP/2 from HTTP/1.1, and the link that speaks it takes over.

A client of HTTP/2 begins with a preface that is no request of HTTP/1.1 (RFC 9113, section 3.4). One that says nothing for as long as a head
may take is let go: it holds a socket and gives nothing for it.
"""

import asyncio
from typing import Any, Final, cast

from towpath._core import clock
from towpath._core.deadline import NO_SLOT, wheel_of
from towpath._transport.server.connection import Site
from towpath._transport.server.connection_limits import HEAD_TIMEOUT
from towpath._transport.server.http1_connection import Http1Link
from towpath._transport.server.http2_connection import Http2Link
from towpath._transport.tls import identified
from towpath._wire.http2.frames import PREFACE

_TELLING: Final = 3
"""Bytes that no method of HTTP/1.1 has in common with the preface: `PRI`."""


class Front(asyncio.Protocol):
    """What a new connection talks to until it is known what it speaks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, site: Site) -> None:
        self._loop = loop
        self._site = site
        self._transport: asyncio.Transport | None = None
        self._said = b""
        self._slot = NO_SLOT
        self._peer: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = transport = cast("asyncio.Transport", transport)
        address: Any = transport.get_extra_info("peername")
        self._peer = str(address[0]) if address else ""
        if not identified(transport) or not self._site.connections.admit(self._peer):
            self._peer = None
            transport.abort()
            return
        connections = self._site.connections
        connections.newcomers[self] = None
        self._slot = wheel_of(self._loop).add(clock.now() + connections.head_timeout, self)

    def data_received(self, data: bytes) -> None:
        """Its first bytes."""
        said = self._said = self._said + data
        begun = said[:_TELLING]
        if len(said) < _TELLING and PREFACE.startswith(begun):
            return
        transport = self._transport
        if transport is None:
            return
        self._left()
        peer, self._peer = self._peer, None
        kind = Http2Link if PREFACE.startswith(begun) else Http1Link
        link = kind(self._loop, self._site)
        transport.set_protocol(link)
        link.connection_made(transport)
        link.data_received(said)
        self._site.connections.enter(link, str(peer))

    def connection_lost(self, exc: Exception | None) -> None:
        """It went without a word."""
        self._give_back()

    def expire(self) -> None:
        """It says nothing."""
        self._site.connections.tell(HEAD_TIMEOUT)
        self.abort()

    def abort(self) -> None:
        """Close at once; its place is free from now on."""
        self._give_back()
        if self._transport is not None:
            self._transport.abort()

    def _give_back(self) -> None:
        self._left()
        peer, self._peer = self._peer, None
        if peer is not None:
            self._site.connections.leave(peer)

    def _left(self) -> None:
        self._slot.pop(self, None)
        self._site.connections.newcomers.pop(self, None)
