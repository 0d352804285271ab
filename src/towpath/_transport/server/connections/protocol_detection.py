"""The first bytes of a connection: they tell HTTP/2 from HTTP/1.1, and the link that speaks it takes over.

A client of HTTP/2 begins with a preface that is no request of HTTP/1.1 (RFC 9113, section 3.4). Where both ends have agreed on a protocol
within TLS (ALPN), that one is spoken, and a client that begins with the other one gets the error of the one it has agreed to. A client that
says nothing for as long as a head may take is let go: it holds a socket and gives nothing for it.
"""

import asyncio
from typing import Any, Final, cast

from towpath._core import clock
from towpath._core.deadline import NO_SLOT, wheel_of
from towpath._transport.peer_certificate import refusal_of
from towpath._transport.server.connections.connection import Site
from towpath._transport.server.connections.connection_limits import HEAD_TIMEOUT
from towpath._transport.server.connections.http1_connection import Http1Link
from towpath._transport.server.connections.http2_connection import Http2Link
from towpath._transport.tls import HTTP1, HTTP2, selected_protocol
from towpath._wire.http2 import ErrorCode
from towpath._wire.http2.frames import PREFACE, goaway, settings

_TELLING: Final = 3
"""Bytes that no method of HTTP/1.1 has in common with the preface: `PRI`."""


_KINDS: Final = {HTTP1: Http1Link, HTTP2: Http2Link}


class Front(asyncio.Protocol):
    """What a new connection talks to until it is known what it speaks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, site: Site, *, admitted: bool = False) -> None:
        """With `admitted` the connection is counted already, since its handshake was."""
        self._loop = loop
        self._site = site
        self._admitted = admitted
        self._transport: asyncio.Transport | None = None
        self._said = b""
        self._slot = NO_SLOT
        self._peer: str | None = None
        self._agreed: type[Http1Link | Http2Link] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = transport = cast("asyncio.Transport", transport)
        address: Any = transport.get_extra_info("peername")
        self._peer = str(address[0]) if address else ""
        connections = self._site.connections
        if not self._admitted and not connections.admit(self._peer):
            self._peer = None
            transport.abort()
            return
        selected = selected_protocol(transport)
        self._agreed = _KINDS.get(selected or "")
        refusal = refusal_of(transport)
        if refusal:
            if selected == HTTP2:
                transport.write(settings([]) + goaway(0, ErrorCode.INADEQUATE_SECURITY, refusal.encode()))
            self._give_back()
            transport.close()
            return
        connections.newcomers[self] = None
        self._slot = wheel_of(self._loop).add(clock.now() + connections.head_timeout, self)
        if self._said:  # came with the end of the handshake
            self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        """Its first bytes."""
        said = self._said = self._said + data
        begun = said[:_TELLING]
        transport = self._transport
        if transport is None or transport.is_closing() or self._peer is None:
            return
        kind = self._agreed
        if kind is None:
            if len(said) < _TELLING and PREFACE.startswith(begun):
                return
            kind = Http2Link if PREFACE.startswith(begun) else Http1Link
        self._left()
        peer, self._peer = self._peer, None
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
