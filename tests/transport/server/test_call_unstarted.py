"""Each call whose head was taken is counted once, by the code that it ended with, though its handler was never called."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.echo_service import PATIENCE, Echo, turn_until
from tests.library_service import Library
from tests.stream_service import Streams
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from tests.transport.server.test_held_calls import Gatekeeper
from towpath._core.early_rejection import ADMIT, Rejection
from towpath._core.errors import Code, RpcError
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Server
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

Fields = tuple[tuple[bytes, bytes], ...]

SAY = b"/echo.v1.EchoService/Say"
PROTOCOLS: dict[str, tuple[Fields, bytes, bytes]] = {
    "grpc": ((), message_frame(b""), message_frame(b"\xff")),
    "grpc json": (((b"content-type", b"application/grpc+json"),), message_frame(b"{}"), message_frame(b"no")),
    "grpc-web": (((b"content-type", b"application/grpc-web+proto"),), message_frame(b""), message_frame(b"\xff")),
    "connect": (((b"content-type", b"application/json"),), b"{}", b"no"),
    "rest": (((b"content-type", b"application/json"), (b":path", b"/v1/shelves/7/books")), b"{}", b"no"),
}
"""The fields of a request in each protocol, its body, and a body that cannot be read."""
ALL = pytest.mark.parametrize("protocol", PROTOCOLS)


def counted(metrics: CallMetrics) -> dict[str, float]:
    """The number of calls by code."""
    return {
        sample.labels["rpc_status_code"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "rpc_server_call_duration_seconds_count" and sample.value
    }


@asynccontextmanager
async def stage(keeper: Gatekeeper | None = None) -> AsyncIterator[tuple[Gatekeeper, CallMetrics, Server]]:
    keeper, metrics = keeper or Gatekeeper(), CallMetrics()
    server = Server([Echo(), Library(), Streams()], layers=(metrics.server, keeper))
    await server.start("127.0.0.1", 0)
    try:
        yield keeper, metrics, server
    finally:
        await server.close(0)


async def ends(metrics: CallMetrics, server: Server) -> dict[str, float]:
    """What is counted once no call is left."""
    await turn_until(lambda: not any(link.connection.streams or link.calls for link in server.links))
    return counted(metrics)


def ask(peer: RawPeer, protocol: str, *more: tuple[bytes, bytes], body: bytes | None = None) -> None:
    fields, whole, _ = PROTOCOLS[protocol]
    peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", *fields, *more))
    peer.send(frames.DATA, END_STREAM, 1, whole if body is None else body)


@ALL
async def test_a_call_whose_deadline_passes_while_it_waits(protocol: str) -> None:
    async with stage() as (keeper, metrics, server), raw_client(server.address) as peer:
        ask(peer, protocol, (b"grpc-timeout", b"50m"))
        await peer.until(frames.HEADERS, 1)
        assert keeper.held[0].over
        assert await ends(metrics, server) == {"DEADLINE_EXCEEDED": 1}


@ALL
async def test_a_call_whose_caller_takes_it_back_while_it_waits(protocol: str) -> None:
    async with stage() as (keeper, metrics, server), raw_client(server.address) as peer:
        ask(peer, protocol)
        await turn_until(lambda: keeper.held)
        peer.send(frames.RST_STREAM, 0, 1, ErrorCode.CANCEL.to_bytes(4, "big"))
        await peer.until_silent_with(b"all read")
        assert await ends(metrics, server) == {"CANCELLED": 1}


@ALL
async def test_a_call_that_still_comes(protocol: str) -> None:
    fields, _, _ = PROTOCOLS[protocol]
    async with stage() as (_, metrics, server), raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", *fields, (b"grpc-timeout", b"50m")))
        await peer.until(frames.HEADERS, 1)
        peer.send(frames.DATA, END_STREAM, 1)
        assert await ends(metrics, server) == {"DEADLINE_EXCEEDED": 1}
        peer.send(frames.HEADERS, END_HEADERS, 3, request_head(b"Say", *fields))
        await peer.until_silent_with(b"all read")
        peer.writer.close()
        await turn_until(lambda: not server.links)
        assert counted(metrics) == {"DEADLINE_EXCEEDED": 1, "CANCELLED": 1}


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("how", ["admit", "begin", "run"])
@ALL
async def test_a_call_whose_request_cannot_be_read(protocol: str, how: str, eager: bool) -> None:
    if eager:
        asyncio.get_running_loop().set_task_factory(at_once)
    async with (
        stage(Gatekeeper(lambda _: ADMIT) if how == "admit" else None) as (keeper, metrics, server),
        raw_client(server.address) as peer,
    ):
        ask(peer, protocol, body=PROTOCOLS[protocol][2])
        await turn_until(lambda: keeper.held)
        if how == "begin":
            keeper.held[0].begin()
        elif how == "run":
            await asyncio.create_task(keeper.held[0].run())
        await peer.until(frames.HEADERS, 1)
        assert list((await ends(metrics, server)).values()) == [1]
    asyncio.get_running_loop().set_task_factory(None)


def at_once(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """A task that has come to its end where it is made, as asyncio's eager tasks of Python 3.12 may have. Only the server's calls are."""
    if coroutine.__qualname__.endswith("._run"):
        try:
            coroutine.send(None)
        except StopIteration:
            coroutine = asyncio.sleep(0)
    return asyncio.Task(coroutine, loop=loop, **options)


@ALL
async def test_a_call_whose_head_says_nonsense(protocol: str) -> None:
    async with stage() as (_, metrics, server), raw_client(server.address) as peer:
        ask(peer, protocol, (b"grpc-timeout", b"soon"))
        await peer.until(frames.HEADERS, 1)
        assert await ends(metrics, server) == {"INVALID_ARGUMENT": 1}


async def test_a_call_that_is_compressed_in_an_unknown_way() -> None:
    async with stage() as (_, metrics, server), raw_client(server.address) as peer:
        ask(peer, "connect", (b"content-encoding", b"unheard-of"))
        await peer.until(frames.HEADERS, 1)
        assert await ends(metrics, server) == {"UNIMPLEMENTED": 1}


@pytest.mark.parametrize("path", [SAY, b"/stream.v1.StreamService/Collect"], ids=["unary", "stream"])
@pytest.mark.parametrize("protocol", ["grpc", "grpc json", "grpc-web"])
async def test_a_call_that_is_taken_back_before_the_first_step_of_its_task(protocol: str, path: bytes) -> None:
    async with stage(Gatekeeper(lambda _: ADMIT)) as (_, metrics, server), raw_client(server.address) as peer:
        ask(peer, protocol, (b":path", path))
        peer.send(frames.RST_STREAM, 0, 1, ErrorCode.CANCEL.to_bytes(4, "big"))  # in one write with the request
        await peer.until_silent_with(b"all read")
        assert await ends(metrics, server) == {"CANCELLED": 1}


async def test_a_stream_whose_first_message_is_too_large_before_the_first_step_of_its_task() -> None:
    async with stage() as (_, metrics, server), raw_client(server.address) as peer:
        ask(peer, "grpc", (b":path", b"/stream.v1.StreamService/Collect"), body=b"\0\xff\xff\xff\xff")
        await peer.until(frames.HEADERS, 1)
        assert await ends(metrics, server) == {"RESOURCE_EXHAUSTED": 1}


@ALL
async def test_a_call_that_waits_when_the_server_ends(protocol: str) -> None:
    async with stage() as (keeper, metrics, server), raw_client(server.address) as peer:
        ask(peer, protocol)
        await turn_until(lambda: keeper.held)
        await server.close(0)
    assert counted(metrics) == {"UNAVAILABLE": 1}


@ALL
async def test_a_call_that_is_rejected_early_is_counted_by_the_layer_that_does_it(protocol: str) -> None:
    keeper = Gatekeeper(lambda _: Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "no room")))
    async with stage(keeper) as (_, metrics, server), raw_client(server.address) as peer:
        ask(peer, protocol)
        await peer.until(frames.HEADERS, 1)
        assert await ends(metrics, server) == {}


@pytest.mark.parametrize("protocol", ["connect", "rest"])
async def test_over_http1_too(protocol: str) -> None:
    path = SAY if protocol == "connect" else b"/v1/shelves/7/books"
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    ways: dict[str, Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]] = {
        head.decode() + "Grpc-Timeout: 50m\r\n\r\n{}": answered,
        head.decode() + "Grpc-Timeout: 50m\r\n\r\n": answered,
        head.decode() + "\r\n": closed,
    }
    for (text, way), code in zip(ways.items(), ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "CANCELLED"), strict=True):
        async with stage() as (_, metrics, server):
            host, port = server.address.split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(text.encode())
            await turn_until(lambda: any(link.asked for link in server.links))
            await way(reader, writer)
            writer.close()
            await turn_until(lambda: not server.links)
            assert counted(metrics) == {code: 1}


async def answered(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    async with asyncio.timeout(PATIENCE):
        assert (await reader.readline()).startswith(b"HTTP/1.1 504 ")


async def closed(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
