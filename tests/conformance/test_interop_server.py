"""The streaming cases of gRPC's public interoperability tests, grpcio.aio as the client and towpath as the server: with handlers of its
own, and with a servicer of grpcio's.

The names are those of https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md; the unary cases are in
`test_grpcio_clients.py`, and for servicers of grpcio's in `tests/compat/test_grpcio_interop.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from stream.v1 import stream_pb2 as pb

from tests.conformance.stream_peer import StreamStub, add_to_grpcio
from tests.deadlines import missed
from tests.echo_service import PATIENCE, Echo, serving, turn_until
from tests.stream_service import Streams, answers
from towpath import App
from towpath._app.settings.server_options import ServerOptions
from towpath._app.settings.service_file import ServiceConfig
from towpath.compat.grpcio import GrpcioServer

REQUEST_SIZES = (27182, 8, 1828, 45904)
RESPONSE_SIZES = (31415, 9, 2653, 58979)
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


Serving = Callable[..., AbstractAsyncContextManager[StreamStub]]


@asynccontextmanager
async def natively(streams: Streams, compression: Any) -> AsyncIterator[str]:
    async with serving(streams, compression=compression) as server:
        yield server.address


@asynccontextmanager
async def by_servicer(streams: Streams, compression: Any) -> AsyncIterator[str]:
    async with App(ServiceConfig(server=ServerOptions(compression=compression))) as app:
        add_to_grpcio(GrpcioServer(app), streams)
        await app.start("127.0.0.1", 0)
        yield app.address


@pytest.fixture(params=[natively, by_servicer], ids=lambda how: how.__name__)
def towpath_served(request: Any) -> Serving:
    """Serves streams, and connects a stub."""

    @asynccontextmanager
    async def served(streams: Streams, *, from_server: Any = None, from_client: Any = None) -> AsyncIterator[StreamStub]:
        async with (
            request.param(streams, from_server) as address,
            grpc.aio.insecure_channel(address, compression=from_client) as channel,
        ):
            yield StreamStub(channel)
        await turn_until(lambda: asyncio.all_tasks() == {asyncio.current_task()})  # grpcio ends its own some turns later

    return served


async def test_client_streaming(towpath_served: Serving) -> None:
    async with towpath_served(Streams()) as stub:
        response = await stub.collect(iter([pb.CollectRequest(payload=bytes(size)) for size in REQUEST_SIZES]), timeout=PATIENCE)
    assert (response.count, response.size) == (4, 74922)


async def test_server_streaming(towpath_served: Serving) -> None:
    async with towpath_served(Streams()) as stub:
        responses = [answer async for answer in stub.repeat(pb.RepeatRequest(answers=answers(RESPONSE_SIZES)), timeout=PATIENCE)]
    assert [len(response.payload) for response in responses] == list(RESPONSE_SIZES)


async def test_ping_pong(towpath_served: Serving) -> None:
    async with towpath_served(Streams()) as stub:
        call = stub.converse(timeout=PATIENCE)
        for asked, size in zip(REQUEST_SIZES, RESPONSE_SIZES, strict=True):
            await call.write(pb.ConverseRequest(payload=bytes(asked), answers=answers([size])))
            assert len((await call.read()).payload) == size
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_empty_stream(towpath_served: Serving) -> None:
    async with towpath_served(Streams()) as stub:
        call = stub.converse(timeout=PATIENCE)
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_cancel_after_begin(towpath_served: Serving) -> None:
    streams = Streams()
    async with towpath_served(streams) as stub:
        call = stub.collect(timeout=PATIENCE)
        await call.write(pb.CollectRequest(payload=bytes(10)))
        await streams.until(lambda: streams.seen["read"] == 1)
        call.cancel()
        assert await call.code() is grpc.StatusCode.CANCELLED
        await streams.until(lambda: streams.seen["cancelled"] == 1)


async def test_cancel_after_first_response(towpath_served: Serving) -> None:
    streams = Streams()
    async with towpath_served(streams) as stub:
        call = stub.converse(timeout=PATIENCE)
        await call.write(pb.ConverseRequest(payload=bytes(27182), answers=answers([31415])))
        assert len((await call.read()).payload) == 31415
        call.cancel()
        assert await call.code() is grpc.StatusCode.CANCELLED
        await streams.until(lambda: streams.seen["cancelled"] == 1)


async def test_timeout_on_sleeping_server(towpath_served: Serving) -> None:
    streams = Streams()
    async with towpath_served(streams) as stub:
        got: list[int] = []

        async def attempt(seconds: float) -> None:
            try:
                async for answer in stub.repeat(pb.RepeatRequest(answers=answers([1]), forever=True), timeout=seconds):
                    got.append(len(answer.payload))  # noqa: PERF401 - what came before the end counts
                pytest.fail("it has ended well")
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED

        await missed(attempt, lambda: got)
        assert got == [1]
        await streams.until(lambda: streams.seen["cancelled"] >= 1)


async def test_custom_metadata(towpath_served: Serving) -> None:
    pairs = (("head-a", "1"), ("head-b-bin", b"\0\xff"), ("trail-a", "2"), ("trail-b-bin", b"\xab"))
    async with towpath_served(Streams()) as stub:
        call = stub.converse(iter([pb.ConverseRequest(answers=answers([1]))]), metadata=pairs, timeout=PATIENCE)
        assert len([answer async for answer in call]) == 1
        assert {("head-a", "1"), ("head-b-bin", b"\0\xff")} <= set(await call.initial_metadata())
        assert {("trail-a", "2"), ("trail-b-bin", b"\xab")} <= set(await call.trailing_metadata())


@pytest.mark.parametrize("message", ["test status message", SPECIAL])
async def test_status_code_and_message(message: str, towpath_served: Serving) -> None:
    end = pb.End(code=2, message=message)
    async with towpath_served(Streams()) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in stub.converse(iter([pb.ConverseRequest(answers=answers([1]), end=end)]), timeout=PATIENCE):
                pass
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNKNOWN, message)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.collect(iter([pb.CollectRequest(end=end)]), timeout=PATIENCE)
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNKNOWN, message)


async def test_unimplemented_method_and_service() -> None:
    async with serving(Echo()) as server, grpc.aio.insecure_channel(server.address) as channel:
        for path in ("/echo.v1.EchoService/Missing", "/missing.v1.MissingService/Missing"):
            call = channel.unary_stream(path)(b"", timeout=PATIENCE)
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(("from_server", "from_client"), [("gzip", None), (None, grpc.Compression.Gzip), ("gzip", grpc.Compression.Gzip)])
async def test_compressed_streaming(from_server: Any, from_client: Any, towpath_served: Serving) -> None:
    async with towpath_served(Streams(), from_server=from_server, from_client=from_client) as stub:
        response = await stub.collect(iter([pb.CollectRequest(payload=bytes(size)) for size in REQUEST_SIZES]), timeout=PATIENCE)
        assert response.size == 74922
        responses = [answer async for answer in stub.repeat(pb.RepeatRequest(answers=answers(RESPONSE_SIZES)), timeout=PATIENCE)]
        assert [len(response.payload) for response in responses] == list(RESPONSE_SIZES)


async def test_a_caller_that_does_not_read_holds_the_handler_back(towpath_served: Serving) -> None:
    streams = Streams()
    async with towpath_served(streams) as stub:
        call = stub.repeat(pb.RepeatRequest(answers=answers([1 << 20] * 64)), timeout=PATIENCE)
        assert len((await call.read()).payload) == 1 << 20
        await asyncio.sleep(0)
        assert streams.seen["sent"] < 32
        while await call.read() is not grpc.aio.EOF:
            continue
        assert streams.seen["sent"] == 64
