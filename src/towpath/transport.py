"""The bare path: a server and a channel that speak gRPC, gRPC-Web, Connect and REST, without policies."""

from typing import TYPE_CHECKING, Any

from towpath import _moved
from towpath._core.propagation.trust import Trust
from towpath._transport.address import Address
from towpath._transport.client.channel import Channel
from towpath._transport.client.connection_backoff import Backoff
from towpath._transport.client.endpoints.resolver import Resolver
from towpath._transport.client.load_balancing.balancer import PICKERS, Picker
from towpath._transport.client.load_balancing.endpoint_guard import EndpointGuard, Guards
from towpath._transport.client.load_balancing.outlier_ejection import Ejection
from towpath._transport.client.options import ChannelOptions
from towpath._transport.server.connections.connection_limits import ConnectionLimits
from towpath._transport.server.server import Server
from towpath._transport.socket_options import TcpKeepalive
from towpath._transport.tls import ClientTls, ServerTls

__all__ = [
    "PICKERS",
    "Address",
    "Backoff",
    "Channel",
    "ChannelOptions",
    "ClientTls",
    "ConnectionLimits",
    "Ejection",
    "EndpointGuard",
    "Guards",
    "Picker",
    "Resolver",
    "Server",
    "ServerTls",
    "TcpKeepalive",
    "Trust",
]

if not TYPE_CHECKING:  # see `towpath/__init__.py`

    def __getattr__(name: str) -> Any:
        return _moved.submodule(__name__, name)


__path__: list[str] = []  # modules of before, which `towpath._moved` finds, were below it
