"""The Connect protocol (https://connectrpc.com/docs/protocol) on the server: unary calls as plain HTTP, streams as enveloped messages."""

from towpath._wire.connect.stream import ConnectStreamDialect
from towpath._wire.connect.unary import ConnectUnaryDialect, GetRequest

__all__ = ["ConnectStreamDialect", "ConnectUnaryDialect", "GetRequest"]
