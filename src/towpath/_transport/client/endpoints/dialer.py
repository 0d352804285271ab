"""Connecting to one place: TCP or a socket in the file system, TLS, and the server's settings, within one timeout."""

import asyncio
import socket
from contextlib import suppress
from typing import Any

from towpath._transport.address import Place, UnixPath
from towpath._transport.client.endpoints.connection import ClientLink, ConnectionLost
from towpath._transport.client.endpoints.endpoint import Endpoint, Unreachable
from towpath._transport.client.endpoints.happy_eyeballs import Progress, addresses_of, first_ready
from towpath._transport.client.endpoints.keepalive import KeptLink
from towpath._transport.client.options import ChannelOptions
from towpath._transport.peer_certificate import lifetime
from towpath._transport.tls import HTTP2, HandshakeContext, RotatingClient, explained, selected_protocol
from towpath._wire.http2 import Limits


class Dialer:
    """Makes the connections of one channel. Without `tls` in plaintext; `server_name` is what a certificate has to name, None for the host
    of the place."""

    def __init__(
        self, options: ChannelOptions, limits: Limits, tls: RotatingClient | None, server_name: str | None, target: str = ""
    ) -> None:
        self._options = options
        self._limits = limits
        self._tls = tls
        self._server_name = server_name
        self._target = target
        self.link_type: type[KeptLink] = KeptLink
        """The class of its connections."""

    async def dial(self, place: Place, endpoint: Endpoint) -> ClientLink:
        """A connection that is ready, to the first of the place's addresses that answers. Raises Unreachable. If this is cancelled the
        connection is cut."""
        timeout = self._options.connect_timeout
        try:
            async with asyncio.timeout(timeout):
                link = await self._open(place, endpoint)
        except TimeoutError:
            raise Unreachable(f"no answer within {timeout:g} s") from None
        except OSError as error:  # of the resolver
            raise Unreachable(explained(error)) from None
        except UnicodeError as error:  # a name that cannot be one
            raise Unreachable(f"the host is no name ({error})") from None
        if link.connection.exhausted():
            link.close()
            raise Unreachable(link.fault)
        return link

    async def _open(self, place: Place, endpoint: Endpoint) -> ClientLink:
        host = self._server_name or place.host
        if isinstance(place, UnixPath):
            return await self._attempt(place, host, endpoint, Progress())
        addresses = await addresses_of(place)
        return await first_ready(addresses, lambda address, progress: self._attempt(address, host, endpoint, progress), ClientLink.abort)

    async def _attempt(self, place: Place, host: str, endpoint: Endpoint, progress: Progress) -> ClientLink:
        """A connection to one address. Raises Unreachable."""
        try:
            return await self._connect(place, host, endpoint, progress)
        except OSError as error:  # TimeoutError among them, if it is the operating system's
            raise Unreachable(explained(error)) from None
        except ConnectionLost as error:
            raise Unreachable(str(error)) from None

    async def _connect(self, place: Place, host: str, endpoint: Endpoint, progress: Progress) -> ClientLink:
        loop = asyncio.get_running_loop()
        options = self._options

        def link_of() -> ClientLink:
            return self.link_type(loop, endpoint, self._limits, interval=options.keepalive_time, timeout=options.keepalive_timeout)

        if self._tls is None:
            if isinstance(place, UnixPath):
                transport, link = await loop.create_unix_connection(link_of, place.path)
            else:
                transport, link = await loop.create_connection(link_of, place.host, place.port)
        else:
            found = await _connected(loop, place)  # told apart from the handshake, which may take longer
            progress.connected = True
            context: Any = HandshakeContext(self._tls.latest(), lambda alert: _send(found, alert))
            transport, link = await loop.create_connection(link_of, sock=found, ssl=context, server_hostname=host)
        progress.connected = True
        link.target = self._target
        endpoint.links[link] = None
        try:
            if self._tls is not None and selected_protocol(transport) != HTTP2:
                raise ConnectionLost("it speaks TLS, but not HTTP/2 (ALPN h2)")
            await link.wait_ready()
            left = lifetime(transport)
            if left is not None:
                link.end_with_certificate(left)
        except BaseException:
            link.abort()
            raise
        return link


async def _connected(loop: asyncio.AbstractEventLoop, place: Place) -> socket.socket:
    """A socket that is connected to `place`, whose host is no name. Raises OSError."""
    family: int = socket.AF_UNIX
    name: Any
    if isinstance(place, UnixPath):
        name = place.path
    else:
        family, _, _, _, name = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await loop.sock_connect(connection, name)
    except BaseException:
        connection.close()
        raise
    return connection


def _send(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # it is gone
        connection.send(data)
