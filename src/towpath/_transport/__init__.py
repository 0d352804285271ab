"""Sockets and calls: the server and the channel, without policy. Whatever stands in a call's stack comes from the layers they are given."""

from towpath._transport.address import Address
from towpath._transport.client.channel import Channel
from towpath._transport.client.connection_backoff import Backoff
from towpath._transport.client.load_balancing.endpoint_guard import EndpointGuard, Guards
from towpath._transport.client.load_balancing.outlier_ejection import Ejection
from towpath._transport.client.options import ChannelOptions
from towpath._transport.server.connections.connection_limits import ConnectionLimits
from towpath._transport.server.server import Server
from towpath._transport.tls import ClientTls, ServerTls

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
