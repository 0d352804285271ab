"""The interfaces of grpcio over towpath. A servicer that was written for grpcio is served unchanged, and stubs that grpcio's plugin made
call over a towpath channel. So a team moves one service at a time, and one side of it at a time.

This module needs grpcio, which towpath does not install: `add_XServicer_to_server`, stubs and `grpc.StatusCode` are grpcio's. Interceptors,
the blocking stubs of `grpc.insecure_channel`, and serializers that are not protobuf's are left out.
"""

from towpath.compat._grpcio.channel import GrpcioChannel
from towpath.compat._grpcio.server import GrpcioServer

__all__ = ["GrpcioChannel", "GrpcioServer"]
