"""The protocols that towpath speaks. A new one is a class in a room of its own (`towpath._wire.protocol`) and an entry of `PROTOCOLS`."""

from collections.abc import Mapping, Sequence
from typing import Final

from towpath._wire.connect.protocol import ConnectProtocol
from towpath._wire.grpc.protocol import GrpcProtocol, GrpcWebProtocol
from towpath._wire.protocol import ClientHalf, RpcProtocol
from towpath._wire.rest.protocol import RestProtocol

GRPC: Final = GrpcProtocol()
"""Unary calls in this protocol have a path of their own in the transport, on both sides: they are most of all calls."""

PROTOCOLS: Final[Sequence[RpcProtocol]] = (GRPC, ConnectProtocol(), GrpcWebProtocol(), RestProtocol())
"""A request belongs to the first of them that knows its head."""

CLIENT_HALVES: Final[Mapping[str, ClientHalf]] = {protocol.name: protocol.client for protocol in PROTOCOLS if protocol.client is not None}
"""The protocols that a channel can call in, by the name that its options give."""
