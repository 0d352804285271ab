"""Sockets and calls: the server and the channel, without policy. Whatever stands in a call's stack comes from the layers they are given."""

from towpath.transport.address import Address
from towpath.transport.client.backoff import Backoff
from towpath.transport.client.channel import Channel
from towpath.transport.client.load_balancing.endpoint_guard import EndpointGuard, Guards
from towpath.transport.client.load_balancing.outlier_ejection import Ejection
from towpath.transport.client.options import ChannelOptions
from towpath.transport.server.connection_limits import ConnectionLimits
from towpath.transport.server.server import Server
from towpath.transport.tls import ClientTls, ServerTls

__all__ = [
    "Address",
    "Backoff",
    "Channel",
    "ChannelOptions",
    "ClientTls",
    "ConnectionLimits",
    "Ejection",
    "EndpointGuard",
    "Guards",
    "Server",
    "ServerTls",
]
