"""Servicers as teams have them for grpcio, of two contracts and in each of the styles that grpcio has, and where they are served."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from echo.v1 import echo_pb2 as pb
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from stream.v1 import stream_pb2 as sp

from tests.compat.grpcio_code import grpcio_code
from towpath import App
from towpath.compat.grpcio import GrpcioServer

ECHO, STREAM = grpcio_code("echo"), grpcio_code("stream")


def trailers(context: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((key, value) for key, value in context.invocation_metadata() if key.startswith("trail-"))


def fail(request: pb.FailRequest, context: Any) -> Any:
    """What `Fail` does before it aborts: what the message asks for."""
    match request.message:
        case "set":
            context.set_code(grpc.StatusCode.NOT_FOUND)
            context.set_details("set and returned")
            context.set_trailing_metadata((("trail-set", "yes"),))
            return pb.FailResponse()
        case "set and raise":
            context.set_code(grpc.StatusCode.DATA_LOSS)
            raise ValueError("secret")
        case "ok":
            context.set_code(grpc.StatusCode.OK)
            return pb.FailResponse()
    return None


def rich(request: pb.FailRequest) -> Any:
    status = Status(code=request.code, message="rich")
    status.details.add().Pack(ErrorInfo(reason=request.reason, domain="echo"))
    return rpc_status.to_status(status)


class AioEcho(ECHO.EchoServiceServicer):
    def __init__(self) -> None:
        self.begun, self.cancelled = asyncio.Event(), asyncio.Event()
        self.ended: list[bool] = []

    async def Say(self, request: pb.SayRequest, context: Any) -> pb.SayResponse:
        await context.send_initial_metadata((("head-a", "1"),))
        context.set_trailing_metadata(trailers(context))
        return pb.SayResponse(id=request.id, n=request.n)

    async def Fail(self, request: pb.FailRequest, context: Any) -> Any:
        answer = fail(request, context)
        if answer is not None:
            return answer
        if request.reason:
            await context.abort_with_status(rich(request))
        pairs = (("trail-abort", "1"), ("trail-bin", b"\x00\xff"))
        return await context.abort(list(grpc.StatusCode)[request.code], request.message, pairs)

    async def Sleep(self, request: pb.SleepRequest, context: Any) -> pb.SleepResponse:
        context.add_done_callback(lambda ended: self.ended.append(ended.cancelled()))
        try:
            self.begun.set()
            await asyncio.get_running_loop().create_future()
        finally:
            self.cancelled.set()
        return pb.SleepResponse()

    async def Inspect(self, request: pb.InspectRequest, context: Any) -> pb.InspectResponse:
        remaining = context.time_remaining()
        return pb.InspectResponse(
            remaining=-1 if remaining is None else 1,
            peer=context.peer().rpartition(":")[0],
            metadata=[pb.MetadataEntry(key=k, value=v) for k, v in context.invocation_metadata() if k.startswith("x-own")],
        )


class SyncEcho(ECHO.EchoServiceServicer):
    def Say(self, request: pb.SayRequest, context: Any) -> pb.SayResponse:
        context.send_initial_metadata((("head-a", "1"),))
        context.set_trailing_metadata(trailers(context))
        return pb.SayResponse(id=request.id, n=request.n)

    def Fail(self, request: pb.FailRequest, context: Any) -> Any:
        answer = fail(request, context)
        if answer is not None:
            return answer
        if request.reason:
            context.abort_with_status(rich(request))
        context.set_trailing_metadata((("trail-abort", "1"), ("trail-bin", b"\x00\xff")))
        return context.abort(list(grpc.StatusCode)[request.code], request.message)

    def Inspect(self, request: pb.InspectRequest, context: Any) -> pb.InspectResponse:
        remaining = context.time_remaining()
        return pb.InspectResponse(
            remaining=-1 if remaining is None else 1,
            peer=context.peer().rpartition(":")[0],
            metadata=[pb.MetadataEntry(key=k, value=v) for k, v in context.invocation_metadata() if k.startswith("x-own")],
        )


class Generators(STREAM.StreamServiceServicer):
    async def Repeat(self, request: sp.RepeatRequest, context: Any) -> AsyncIterator[sp.RepeatResponse]:
        await context.send_initial_metadata((("head-a", "1"),))
        context.set_trailing_metadata(trailers(context))
        for index, answer in enumerate(request.answers):
            yield sp.RepeatResponse(index=index, payload=bytes(answer.size))
        if request.end.code:
            await context.abort(list(grpc.StatusCode)[request.end.code], request.end.message)

    async def Collect(self, request_iterator: AsyncIterator[sp.CollectRequest], context: Any) -> sp.CollectResponse:
        sizes = [len(request.payload) async for request in request_iterator]
        return sp.CollectResponse(count=len(sizes), size=sum(sizes))

    async def Converse(self, request_iterator: AsyncIterator[sp.ConverseRequest], context: Any) -> AsyncIterator[sp.ConverseResponse]:
        async for request in request_iterator:
            for index, answer in enumerate(request.answers):
                yield sp.ConverseResponse(index=index, payload=bytes(answer.size))


class ReadersAndWriters(STREAM.StreamServiceServicer):
    async def Repeat(self, request: sp.RepeatRequest, context: Any) -> None:
        await context.send_initial_metadata((("head-a", "1"),))
        context.set_trailing_metadata(trailers(context))
        for index, answer in enumerate(request.answers):
            await context.write(sp.RepeatResponse(index=index, payload=bytes(answer.size)))
        if request.end.code:
            context.set_code(list(grpc.StatusCode)[request.end.code])
            context.set_details(request.end.message)

    async def Collect(self, _: Any, context: Any) -> sp.CollectResponse:
        response = sp.CollectResponse()
        while (request := await context.read()) is not grpc.aio.EOF:
            response.count += 1
            response.size += len(request.payload)
        return response

    async def Converse(self, _: Any, context: Any) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            for index, answer in enumerate(request.answers):
                await context.write(sp.ConverseResponse(index=index, payload=bytes(answer.size)))


class SyncStreams(STREAM.StreamServiceServicer):
    def Repeat(self, request: sp.RepeatRequest, context: Any) -> Iterator[sp.RepeatResponse]:
        context.send_initial_metadata((("head-a", "1"),))
        context.set_trailing_metadata(trailers(context))
        for index, answer in enumerate(request.answers):
            yield sp.RepeatResponse(index=index, payload=bytes(answer.size))
        if request.end.code:
            context.abort(list(grpc.StatusCode)[request.end.code], request.end.message)

    def Collect(self, request_iterator: Iterator[sp.CollectRequest], context: Any) -> sp.CollectResponse:
        sizes = [len(request.payload) for request in request_iterator]
        return sp.CollectResponse(count=len(sizes), size=sum(sizes))

    def Converse(self, request_iterator: Iterator[sp.ConverseRequest], context: Any) -> Iterator[sp.ConverseResponse]:
        for request in request_iterator:
            for index, answer in enumerate(request.answers):
                yield sp.ConverseResponse(index=index, payload=bytes(answer.size))


def add(servicer: Any, server: Any) -> None:
    """As a team adds it."""
    if isinstance(servicer, ECHO.EchoServiceServicer):
        ECHO.add_EchoServiceServicer_to_server(servicer, server)
    else:
        STREAM.add_StreamServiceServicer_to_server(servicer, server)


@asynccontextmanager
async def by_grpcio(servicer: Any) -> AsyncIterator[str]:
    with ThreadPoolExecutor(8) as threads:
        server = grpc.aio.server(migration_thread_pool=threads)
        add(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)


@asynccontextmanager
async def by_towpath(servicer: Any) -> AsyncIterator[str]:
    async with App() as app:
        add(servicer, GrpcioServer(app))
        await app.start("127.0.0.1", 0)
        yield app.address
