"""grpcio as the other end: stubs for both of its APIs, and a grpcio.aio server that answers `echo.v1.EchoService`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from towpath._core.service import MethodSpec

Pairs = Sequence[tuple[str, str | bytes]]


class Stub:
    """The methods of EchoService on a channel of grpcio, sync or aio."""

    def __init__(self, channel: Any) -> None:
        for spec, name in ((method, EchoService.spec.attributes[method.name]) for method in EchoService.spec.methods):
            setattr(self, name, self._bound(channel, spec))

    @staticmethod
    def _bound(channel: Any, spec: MethodSpec[Any, Any]) -> Any:
        return channel.unary_unary(
            spec.path, request_serializer=spec.request.SerializeToString, response_deserializer=spec.response.FromString
        )

    def __getattr__(self, name: str) -> Any:
        """Only for type checkers: every method is set."""
        raise AttributeError(name)


class GrpcioEcho:
    """EchoService as a grpcio.aio handler would write it. `sleep` never answers; what becomes of it shows in two events."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.seen_metadata: list[tuple[str, str | bytes]] = []
        self.time_remaining: float | None = None
        self.peers: set[str] = set()

    async def say(self, request: pb.SayRequest, context: Any) -> pb.SayResponse:
        self.peers.add(context.peer())
        self.time_remaining = context.time_remaining()
        self.seen_metadata = [(key, value) for key, value in context.invocation_metadata()]
        await context.send_initial_metadata([pair for pair in self.seen_metadata if pair[0].startswith("head-")])
        context.set_trailing_metadata([pair for pair in self.seen_metadata if pair[0].startswith("trail-")])
        return pb.SayResponse(id=request.id, n=request.n, text=",".join(request.tags), payload=request.payload)

    async def fail(self, request: pb.FailRequest, context: Any) -> pb.FailResponse:
        self.peers.add(context.peer())
        if request.reason:
            packed = AnyMessage()
            packed.Pack(ErrorInfo(reason=request.reason, domain="echo"))
            await context.abort_with_status(rpc_status.to_status(Status(code=request.code, message=request.message, details=[packed])))
        code = next(code for code in grpc.StatusCode if code.value[0] == request.code)
        await context.abort(code, request.message)
        raise AssertionError

    async def sleep(self, request: pb.SleepRequest, context: Any) -> pb.SleepResponse:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return pb.SleepResponse()


@asynccontextmanager
async def grpcio_serving(echo: GrpcioEcho, *, options: Pairs = (), compression: Any = None) -> AsyncIterator[str]:
    """A grpcio.aio server of `echo`; yields its address."""
    server = grpc.aio.server(options=options, compression=compression)
    handlers = {
        method.name: grpc.unary_unary_rpc_method_handler(
            getattr(echo, EchoService.spec.attributes[method.name]),
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )
        for method in EchoService.spec.methods
        if hasattr(echo, EchoService.spec.attributes[method.name])
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(EchoService.spec.name, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
