"""Sockets and calls: the server and the channel, without policy. Whatever stands in a call's stack comes from the layers they are given."""

from towpath.transport.address import Address
from towpath.transport.backoff import Backoff
from towpath.transport.channel import Channel
from towpath.transport.connections import ConnectionLimits
from towpath.transport.ejection import Ejection
from towpath.transport.guarding import EndpointGuard, Guards
from towpath.transport.options import ChannelOptions
from towpath.transport.server import Server
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
