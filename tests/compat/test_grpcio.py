"""Servicers and stubs of grpcio do the same with towpath at either end, or at both, as they do among themselves."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from echo.v1 import echo_pb2 as pb
from grpc_status import rpc_status
from stream.v1 import stream_pb2 as sp

from tests.compat.servicers import ECHO, STREAM, AioEcho, Generators, ReadersAndWriters, SyncEcho, SyncStreams, by_grpcio, by_towpath
from tests.echo_service import PATIENCE, turn_until
from tests.stream_service import answers
from towpath import connect
from towpath._core.calls import thread_handlers
from towpath._core.calls.daemon_threads import DaemonThreads
from towpath._core.calls.thread_handlers import running
from towpath._telemetry.metrics import CallMetrics
from towpath.compat.grpcio import GrpcioChannel

Scenario = Callable[[Any], Awaitable[Any]]
SIZES = [31415, 9, 0, 58979]


@asynccontextmanager
async def channel_of_grpcio(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel


@asynccontextmanager
async def channel_of_towpath(address: str) -> AsyncIterator[Any]:
    async with connect(address, metrics=CallMetrics()) as channel, GrpcioChannel(channel) as adapted:
        yield adapted


SERVERS = {"grpcio": by_grpcio, "towpath": by_towpath}
CHANNELS = {"grpcio": channel_of_grpcio, "towpath": channel_of_towpath}
REFERENCES = {SyncEcho: AioEcho, SyncStreams: Generators}
"""What stands for a blocking servicer behind grpcio.aio, whose own blocking side lacks methods of the context, and hangs where a generator
aborts (1.85)."""
ENDS = [(server, channel) for server in SERVERS for channel in CHANNELS if (server, channel) != ("grpcio", "grpcio")]


async def result(server: str, channel: str, servicer: Any, stub: Any, scenario: Scenario) -> Any:
    async with SERVERS[server](servicer()) as address, CHANNELS[channel](address) as made:
        return await scenario(stub(made))


def ends_of(servicer: Any) -> list[tuple[str, str]]:
    return [end for end in ENDS if end[0] == "towpath" or servicer not in REFERENCES]


def own(metadata: Any) -> list[tuple[str, Any]]:
    """What the servicers have set."""
    return sorted((key, value) for key, value in metadata if key.startswith(("head-", "trail-")))


async def ended(call: Any) -> tuple[Any, ...]:
    return (await call.code(), await call.details(), own(await call.initial_metadata()), own(await call.trailing_metadata()), call.done())


async def failed(call: Any) -> tuple[Any, ...]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    return error.code(), error.details(), own(error.initial_metadata()), own(error.trailing_metadata())


# Of unary calls.


async def says(stub: Any) -> Any:
    call = stub.Say(pb.SayRequest(id="a", n=4), timeout=PATIENCE, metadata=(("trail-a", "1"), ("trail-a", "2"), ("trail-b-bin", b"\x00")))
    response = await call
    return response, await call, await ended(call), call.cancelled(), call.cancel()


async def inspects(stub: Any) -> Any:
    metadata = grpc.aio.Metadata(("x-own", "1"), ("x-own-2", "2"))
    return await stub.Inspect(pb.InspectRequest(), timeout=PATIENCE, metadata=metadata)


async def inspects_without_timeout(stub: Any) -> Any:
    call = stub.Inspect(pb.InspectRequest())
    return await call, call.time_remaining()


def aborts(message: str, code: int = 9, reason: str = "") -> Scenario:
    async def scenario(stub: Any) -> Any:
        call = stub.Fail(pb.FailRequest(code=code, message=message, reason=reason), timeout=PATIENCE)
        return await failed(call), await ended(call)

    scenario.__name__ = message or reason
    return scenario


async def aborts_richly(stub: Any) -> Any:
    call = stub.Fail(pb.FailRequest(code=9, reason="SOLD_OUT"), timeout=PATIENCE)
    await failed(call)
    return await rpc_status.aio.from_call(call)


async def ends_with_ok(stub: Any) -> Any:
    return await stub.Fail(pb.FailRequest(message="ok"), timeout=PATIENCE)


UNARY: list[Scenario] = [
    says,
    inspects,
    inspects_without_timeout,
    aborts("out of \t stock ☺"),
    aborts("", 14, "x"),
    aborts("set"),
    aborts_richly,
    ends_with_ok,
]


@pytest.mark.parametrize("servicer", [AioEcho, SyncEcho])
@pytest.mark.parametrize("scenario", UNARY, ids=lambda scenario: scenario.__name__)
async def test_unary_calls(servicer: Any, scenario: Scenario) -> None:
    expected = await result("grpcio", "grpcio", REFERENCES.get(servicer, servicer), ECHO.EchoServiceStub, scenario)
    for server, channel in ends_of(servicer):
        assert await result(server, channel, servicer, ECHO.EchoServiceStub, scenario) == expected, (server, channel)


@pytest.mark.parametrize("servicer", [AioEcho, SyncEcho])
async def test_the_code_of_a_servicer_that_raises_is_the_one_that_it_has_set(servicer: Any) -> None:
    for server, channel in ENDS:
        code, details, *_ = (await result(server, channel, servicer, ECHO.EchoServiceStub, aborts("set and raise")))[0]
        assert code is grpc.StatusCode.DATA_LOSS
        assert server == "grpcio" or "secret" not in details


# Of streams.


async def repeats(stub: Any) -> Any:
    call = stub.Repeat(sp.RepeatRequest(answers=answers(SIZES)), timeout=PATIENCE, metadata=(("trail-a", "1"),))
    headers = own(await call.initial_metadata())
    responses = [(response.index, len(response.payload)) async for response in call]
    return headers, responses, await ended(call)


async def reads(stub: Any) -> Any:
    call = stub.Repeat(sp.RepeatRequest(answers=answers(SIZES)), timeout=PATIENCE)
    responses = []
    while (response := await call.read()) is not grpc.aio.EOF:
        responses.append(len(response.payload))
    return responses, await call.read() is grpc.aio.EOF, await call.code()


async def repeats_and_fails(stub: Any) -> Any:
    call = stub.Repeat(sp.RepeatRequest(answers=answers([1]), end=sp.End(code=8, message="enough")), timeout=PATIENCE)
    seen = len((await anext(aiter(call))).payload)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(aiter(call))
    return seen, caught.value.code(), caught.value.details(), await ended(call)


async def collects(stub: Any) -> Any:
    async def requests() -> AsyncIterator[Any]:
        for size in SIZES:
            yield sp.CollectRequest(payload=bytes(size))

    from_iterator = await stub.Collect(iter([sp.CollectRequest(payload=bytes(size)) for size in SIZES]), timeout=PATIENCE)
    from_generator = await stub.Collect(requests(), timeout=PATIENCE)
    call = stub.Collect(timeout=PATIENCE)
    await call.write(sp.CollectRequest(payload=b"abc"))
    await call.done_writing()
    return from_iterator, from_generator, await call, await call.code()


async def converses(stub: Any) -> Any:
    call = stub.Converse(timeout=PATIENCE)
    seen = []
    for size in SIZES:
        await call.write(sp.ConverseRequest(answers=answers([size, 1])))
        seen += [len((await call.read()).payload), len((await call.read()).payload)]
    await call.done_writing()
    ended_by = await call.read() is grpc.aio.EOF
    with_iterator = stub.Converse(iter([sp.ConverseRequest(answers=answers(SIZES))]), timeout=PATIENCE)
    return seen, ended_by, await call.code(), [len(response.payload) async for response in with_iterator]


async def cancels_a_stream(stub: Any) -> Any:
    call = stub.Converse(timeout=PATIENCE)
    await call.write(sp.ConverseRequest(answers=answers([1])))
    await call.read()
    cancelled = call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.read()
    return cancelled, await call.code(), call.cancelled(), call.done(), call.cancel()


async def mixes_styles(stub: Any) -> Any:
    call = stub.Converse(iter([sp.ConverseRequest()]), timeout=PATIENCE)
    with pytest.raises(grpc.aio.UsageError):
        await call.write(sp.ConverseRequest())
    return [response async for response in call]


STREAMS: list[Scenario] = [repeats, reads, repeats_and_fails, collects, converses, cancels_a_stream, mixes_styles]


@pytest.mark.parametrize("servicer", [Generators, ReadersAndWriters, SyncStreams])
@pytest.mark.parametrize("scenario", STREAMS, ids=lambda scenario: scenario.__name__)
async def test_streams(servicer: Any, scenario: Scenario) -> None:
    expected = await result("grpcio", "grpcio", REFERENCES.get(servicer, servicer), STREAM.StreamServiceStub, scenario)
    for server, channel in ends_of(servicer):
        assert await result(server, channel, servicer, STREAM.StreamServiceStub, scenario) == expected, (server, channel)


# What is cancelled, and what has no more time.


@pytest.mark.parametrize(("server", "channel"), [("grpcio", "grpcio"), *ENDS])
async def test_a_cancelled_call_is_cancelled_at_the_servicer(server: str, channel: str) -> None:
    echo = AioEcho()
    async with SERVERS[server](echo) as address, CHANNELS[channel](address) as made:
        called: list[Any] = []
        call = ECHO.EchoServiceStub(made).Sleep(pb.SleepRequest())
        call.add_done_callback(called.append)
        await echo.begun.wait()
        assert not call.done()
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert call.cancelled()
        assert await call.code() is grpc.StatusCode.CANCELLED
        await echo.cancelled.wait()
        await turn_until(lambda: echo.ended and called)
    assert len(echo.ended) == 1
    assert called == [call]


@pytest.mark.parametrize(("server", "channel"), [("grpcio", "grpcio"), *ENDS])
async def test_a_task_that_is_cancelled_cancels_its_call(server: str, channel: str) -> None:
    echo = AioEcho()
    async with SERVERS[server](echo) as address, CHANNELS[channel](address) as made:

        async def calls() -> None:
            await ECHO.EchoServiceStub(made).Sleep(pb.SleepRequest())

        task = asyncio.create_task(calls())
        await echo.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await echo.cancelled.wait()


@pytest.mark.parametrize(("server", "channel"), [("grpcio", "grpcio"), *ENDS])
async def test_a_timeout_is_an_error_with_its_code(server: str, channel: str) -> None:
    async with SERVERS[server](AioEcho()) as address, CHANNELS[channel](address) as made:
        call = ECHO.EchoServiceStub(made).Sleep(pb.SleepRequest(), timeout=0.05)
        assert (await failed(call))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        assert call.time_remaining() == 0


def test_without_grpcio_the_module_says_what_to_install() -> None:
    program = "import sys; sys.modules['grpc'] = None; import towpath.compat.grpcio"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert "SetupError: towpath.compat.grpcio needs grpcio, which cannot be imported" in done.stderr
    assert "install it with: pip install grpcio" in done.stderr


async def test_the_thread_of_a_blocking_servicer_ends_with_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_handlers, "_threads", DaemonThreads(2, "test"))  # in others those of other tests may still run
    async with by_towpath(SyncStreams()) as address, channel_of_towpath(address) as made:
        call = STREAM.StreamServiceStub(made).Converse()
        await call.write(sp.ConverseRequest(answers=answers([1])))
        await call.read()
        assert running() == 1
        call.cancel()
        await turn_until(lambda: running() == 0)
