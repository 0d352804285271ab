"""The unary cases of gRPC's public interoperability tests, grpcio.aio as the client and a servicer of grpcio's on towpath as the server.

The names are those of https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md; the streaming cases are in
`tests/conformance/test_interop_server.py`. Left out are those of credentials and of ORCA, which the suite has for no server, and
`cacheable_unary`, whose GET grpc.aio does not send. `AioEcho` is served by grpcio, too: each case has the same result there.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from echo.v1 import echo_pb2 as pb

from tests.compat.grpcio_code import grpcio_code
from tests.compat.servicers import AioEcho, SyncEcho, add, by_grpcio
from tests.deadlines import missed
from tests.echo_service import PATIENCE
from towpath import App
from towpath._app.settings.server_options import ServerOptions
from towpath._app.settings.service_file import ServiceConfig
from towpath.compat.grpcio import GrpcioServer

ECHO = grpcio_code("echo")
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
LARGE = {"request": 271828, "response": 314159}
"""Bytes of `large_unary`."""
_PAYLOAD = random.Random(1).randbytes(LARGE["request"])
"""Not zeros, which gzip makes a thousand times smaller: a server takes no more than 256 KiB of what unfolds like that."""


class Sized(AioEcho):
    """Also answers with a payload, as `large_unary` asks."""

    async def Say(self, request: pb.SayRequest, context: Any) -> pb.SayResponse:  # noqa: N802 - of the contract
        answer = await super().Say(request, context)
        answer.payload = bytes(LARGE["response"]) if request.payload else b""
        return answer


@asynccontextmanager
async def by_towpath(servicer: Any, compression: Any = None) -> AsyncIterator[str]:
    async with App(ServiceConfig(server=ServerOptions(compression=compression))) as app:
        add(servicer, GrpcioServer(app))
        await app.start("127.0.0.1", 0)
        yield app.address


@asynccontextmanager
async def stub(servicer: Any, served: Any = by_towpath, **options: Any) -> AsyncIterator[Any]:
    async with served(servicer) as address, grpc.aio.insecure_channel(address, **options) as channel:
        yield ECHO.EchoServiceStub(channel)


async def empty_unary(made: Any) -> Any:
    return await made.Say(pb.SayRequest(), timeout=PATIENCE)


async def large_unary(made: Any) -> Any:
    return len((await made.Say(pb.SayRequest(payload=_PAYLOAD), timeout=PATIENCE)).payload)


async def custom_metadata(made: Any) -> Any:
    pairs = (("trail-a", "test_initial_metadata_value"), ("trail-b-bin", b"\xab\xab\xab"))
    call = made.Say(pb.SayRequest(id="a"), metadata=pairs, timeout=PATIENCE)
    await call
    own = [(key, value) for key, value in await call.trailing_metadata() if key.startswith("trail-")]
    return own, [(key, value) for key, value in await call.initial_metadata() if key == "head-a"]


async def status_code_and_message(made: Any) -> Any:
    return await _failed(made.Fail(pb.FailRequest(code=2, message="test status message"), timeout=PATIENCE))


async def special_status_message(made: Any) -> Any:
    return await _failed(made.Fail(pb.FailRequest(code=2, message=SPECIAL), timeout=PATIENCE))


async def unimplemented_method(made: Any) -> Any:
    code, _ = await _failed(made.Sleep(pb.SleepRequest(), timeout=PATIENCE))
    return code


async def _failed(call: Any) -> tuple[Any, Any]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details()


CASES: list[Callable[[Any], Awaitable[Any]]] = [
    empty_unary,
    large_unary,
    custom_metadata,
    status_code_and_message,
    special_status_message,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_a_case_ends_as_with_grpcios_server(case: Callable[[Any], Awaitable[Any]]) -> None:
    async with stub(Sized(), by_grpcio) as made:
        expected = await case(made)
    async with stub(Sized()) as made:
        assert await case(made) == expected


@pytest.mark.parametrize(("from_server", "from_client"), [("gzip", None), (None, grpc.Compression.Gzip), ("gzip", grpc.Compression.Gzip)])
async def test_compressed_unary(from_server: Any, from_client: Any) -> None:
    async with stub(Sized(), lambda servicer: by_towpath(servicer, from_server), compression=from_client) as made:
        assert await large_unary(made) == LARGE["response"]


async def test_unimplemented_method() -> None:
    async with stub(SyncEcho()) as made:  # which has no Sleep
        assert await unimplemented_method(made) is grpc.StatusCode.UNIMPLEMENTED


async def test_unimplemented_service() -> None:
    async with by_towpath(AioEcho()) as address, grpc.aio.insecure_channel(address) as channel:
        for path in ("/echo.v1.EchoService/Missing", "/missing.v1.MissingService/Missing"):
            assert await channel.unary_unary(path)(b"", timeout=PATIENCE).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_timeout_on_sleeping_server() -> None:
    echo = AioEcho()
    async with stub(echo) as made:

        async def attempt(seconds: float) -> None:
            code, _ = await _failed(made.Sleep(pb.SleepRequest(), timeout=seconds))
            assert code is grpc.StatusCode.DEADLINE_EXCEEDED

        await missed(attempt, echo.begun.is_set)
        await echo.cancelled.wait()


async def test_cancel_after_begin() -> None:
    echo = AioEcho()
    async with stub(echo) as made:
        call = made.Sleep(pb.SleepRequest(), timeout=PATIENCE)
        await echo.begun.wait()
        assert call.cancel()
        assert await call.code() is grpc.StatusCode.CANCELLED
        await echo.cancelled.wait()
