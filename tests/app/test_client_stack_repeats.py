"""No effect is had twice unless somebody allowed it: what a client repeats of a method without `idempotency_level`, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService, EchoServiceClient, EchoServiceSyncClient
from stream.v1 import stream_pb2 as sp
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import PATIENCE, Echo
from tests.stream_service import Streams
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath import App, CallOptions, Code, RpcError, connect, connect_sync, forward
from towpath._app.client import Channel
from towpath._app.settings.service_file import ServiceConfig
from towpath._contracts.policy import MethodConfig
from towpath._core.policies import RetryPolicy
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import ChannelOptions
from towpath._wire.hpack import literal
from towpath._wire.http2 import ErrorCode, frames

Ending = Callable[[RawPeer, int], Awaitable[None]]

UNAVAILABLE = pb.FailRequest(code=Code.UNAVAILABLE, message="the audit log cannot be reached")
PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])


def client_of(address: str, *, protocol: Any = "grpc", config: ServiceConfig | None = None) -> Channel:
    return connect(address, metrics=CallMetrics(), config=config, options=ChannelOptions(protocol=protocol))


def options_of(key: str = "") -> CallOptions:
    return CallOptions(timeout=PATIENCE, idempotency_key=key)


@dataclass
class Effects:
    """A server whose every request has its effect, and then ends as `ending` has it."""

    ending: Ending
    count: int = 0

    async def serve(self, peer: RawPeer) -> None:
        await http2_preface(peer)
        while True:
            *_, stream_id, _ = await peer.until(frames.HEADERS)
            await peer.until(frames.DATA, stream_id)
            self.count += 1
            await self.ending(peer, stream_id)


async def lose_the_connection(peer: RawPeer, _stream_id: int) -> None:
    raise ConnectionError


async def say_goodbye_behind_it(peer: RawPeer, stream_id: int) -> None:
    """It was taken: the last stream that the server names is this one."""
    peer.writer.write(frames.goaway(stream_id, ErrorCode.NO_ERROR, b""))
    raise ConnectionError


async def answer_as_a_proxy(peer: RawPeer, stream_id: int) -> None:
    peer.send(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream_id, literal(b":status", b"503"))
    await peer.writer.drain()


@pytest.mark.parametrize("ending", [lose_the_connection, say_goodbye_behind_it, answer_as_a_proxy])
@PROTOCOLS
async def test_what_may_have_had_its_effect_is_not_repeated_without_a_key(ending: Ending, protocol: str) -> None:
    effects = Effects(ending)
    async with raw_server(effects.serve) as address, client_of(address, protocol=protocol) as channel:
        client = EchoServiceClient(channel)
        with pytest.raises(RpcError, match="UNAVAILABLE"):
            await client.fail(UNAVAILABLE, options_of())
        assert effects.count == 1
        with pytest.raises(RpcError, match="UNAVAILABLE"):
            await client.fail(UNAVAILABLE, options_of("booking-1"))
        assert effects.count == 1 + 3


async def refuse_the_first(peer: RawPeer, stream_id: int) -> None:
    if stream_id == 1:
        peer.send(frames.RST_STREAM, 0, stream_id, ErrorCode.REFUSED_STREAM.to_bytes(4, "big"))
        await peer.writer.drain()
        return
    peer.send(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream_id, status_of(Code.NOT_FOUND))
    await peer.writer.drain()


def status_of(code: Code) -> bytes:
    fields = [(b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", b"%d" % code)]
    return b"".join(literal(*pair) for pair in fields)


async def test_what_the_server_gave_back_unprocessed_is_repeated() -> None:
    effects = Effects(refuse_the_first)
    async with raw_server(effects.serve) as address, client_of(address) as channel:
        with pytest.raises(RpcError, match="NOT_FOUND"):
            await EchoServiceClient(channel).fail(UNAVAILABLE, options_of())
    assert effects.count == 2


@asynccontextmanager
async def serving(service: Any) -> AsyncIterator[App]:
    async with App() as app:
        app.add(service)
        await app.start("127.0.0.1", 0)
        yield app


@PROTOCOLS
async def test_a_handler_that_lacked_something_after_its_effect_is_not_asked_again(protocol: str) -> None:
    echo = Echo()
    async with serving(echo) as app, client_of(app.address, protocol=protocol) as channel:
        with pytest.raises(RpcError, match="audit log") as caught:
            await EchoServiceClient(channel).fail(UNAVAILABLE, options_of())
    assert (echo.seen["fail"], caught.value.pushback) == (1, None)


async def test_a_policy_that_names_unavailable_allows_no_more() -> None:
    policy = RetryPolicy(max_attempts=5, retryable_codes=frozenset({Code.UNAVAILABLE}))
    config = ServiceConfig(methods=(MethodConfig(names=(("", ""),), retry=policy),))
    echo = Echo()
    async with serving(echo) as app, client_of(app.address, config=config) as channel:
        with pytest.raises(RpcError, match="audit log"):
            await EchoServiceClient(channel).fail(UNAVAILABLE, options_of())
    assert echo.seen["fail"] == 1


@PROTOCOLS
async def test_nor_is_one_whose_answer_would_have_been_a_stream(protocol: str) -> None:
    streams = Streams()
    request = sp.RepeatRequest(end=sp.End(code=Code.UNAVAILABLE, message="not now"))
    async with serving(streams) as app, client_of(app.address, protocol=protocol) as channel:
        with pytest.raises(RpcError, match="not now"):
            [response async for response in StreamServiceClient(channel).repeat(request, options_of())]
    assert streams.seen["begun"] == 1


async def test_nor_behind_a_gateway() -> None:
    echo = Echo()
    async with (
        serving(echo) as behind,
        client_of(behind.address) as onward,
        serving(forward(EchoService, onward)) as edge,
        client_of(edge.address) as channel,
    ):
        with pytest.raises(RpcError, match="audit log"):
            await EchoServiceClient(channel).fail(UNAVAILABLE, options_of())
    assert echo.seen["fail"] == 1


async def test_nor_for_code_without_asyncio() -> None:
    echo = Echo()
    async with serving(echo) as app:

        def ask() -> None:
            with connect_sync(app.address, metrics=CallMetrics()) as channel, pytest.raises(RpcError, match="audit log"):
                EchoServiceSyncClient(channel).fail(UNAVAILABLE, options_of())

        await asyncio.to_thread(ask)
    assert echo.seen["fail"] == 1
