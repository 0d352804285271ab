"""Connecting to one place: TCP or a socket in the file system, TLS, and the server's settings, within one timeout."""

import asyncio
import ssl
from typing import Any

from towpath._transport.address import Place, UnixPath
from towpath._transport.client.endpoints.connection import ClientLink, ConnectionLost
from towpath._transport.client.endpoints.endpoint import Endpoint, Unreachable
from towpath._transport.client.endpoints.keepalive import KeptLink
from towpath._transport.client.options import ChannelOptions
from towpath._transport.socket_options import set_user_timeout
from towpath._transport.tls import explained, selected_http2
from towpath._wire.http2 import Limits


class Dialer:
    """Makes the connections of one channel. Without `tls` in plaintext; `server_name` is what a certificate has to name, None for the host
    of the place."""

    def __init__(self, options: ChannelOptions, limits: Limits, tls: ssl.SSLContext | None, server_name: str | None) -> None:
        self._options = options
        self._limits = limits
        self._tls = tls
        self._server_name = server_name

    async def dial(self, place: Place, endpoint: Endpoint) -> ClientLink:
        """A connection that is ready. Raises Unreachable. If this is cancelled the connection is cut."""
        timeout = self._options.connect_timeout
        try:
            async with asyncio.timeout(timeout):
                link = await self._open(place, endpoint)
        except TimeoutError:
            raise Unreachable(f"no answer within {timeout:g} s") from None
        except OSError as error:
            raise Unreachable(explained(error)) from None
        except UnicodeError as error:  # a name that cannot be one
            raise Unreachable(f"the host is no name ({error})") from None
        except ConnectionLost as error:
            raise Unreachable(str(error)) from None
        if link.connection.exhausted():
            link.close()
            raise Unreachable(link.fault)
        return link

    async def _open(self, place: Place, endpoint: Endpoint) -> ClientLink:
        loop = asyncio.get_running_loop()
        options = self._options

        def link_of() -> ClientLink:
            if options.keepalive_time is None:
                return ClientLink(loop, endpoint, self._limits)
            return KeptLink(loop, endpoint, self._limits, interval=options.keepalive_time, timeout=options.keepalive_timeout)

        name = None if self._tls is None else self._server_name or place.host
        if isinstance(place, UnixPath):
            transport, link = await loop.create_unix_connection(link_of, place.path, ssl=self._tls, server_hostname=name)
        else:
            transport, link = await loop.create_connection(link_of, place.host, place.port, ssl=self._tls, server_hostname=name)
        endpoint.links[link] = None
        try:
            found: Any = transport.get_extra_info("socket")
            set_user_timeout(found, options.keepalive_timeout)
            if self._tls is not None and not selected_http2(transport):
                raise ConnectionLost("it speaks TLS, but not HTTP/2 (ALPN h2)")
            await link.wait_ready()
        except BaseException:
            link.abort()
            raise
        return link
