"""Connections on which nothing comes any more, though all that is sent is acknowledged: a proxy that stopped forwarding."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1.stream_pb2 import RepeatRequest
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions
from towpath._transport.client.endpoints import keepalive
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._wire.http2 import frames

PATIENT = CallOptions(timeout=PATIENCE)
SHORT = CallOptions(timeout=0.05)
PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])


class Proxy:
    """Forwards until it is told to swallow what comes over the connections that there are."""

    def __init__(self, target: str) -> None:
        self._host, _, self._port = target.rpartition(":")
        self._frozen = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.accepted = 0
        self.address = ""

    def freeze(self) -> None:
        self._frozen.set()
        self._frozen = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        frozen = self._frozen
        there, back = await asyncio.open_connection(self._host, int(self._port))
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.ensure_future(self._forward(source, sink, frozen))
            self._tasks.add(task)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, frozen: asyncio.Event) -> None:
        try:
            with suppress(ConnectionError):
                while data := await source.read(65_536):
                    if not frozen.is_set():
                        sink.write(data)
        finally:
            sink.close()


@asynccontextmanager
async def behind_proxy(echo: Echo, **options: Any) -> AsyncIterator[tuple[Proxy, Channel]]:
    async with (
        serving(echo) as server,
        Proxy(server.address) as proxy,
        Channel(proxy.address, options=ChannelOptions(**options)) as channel,
    ):
        yield proxy, channel


async def until_answered(call: Callable[[CallOptions], Awaitable[object]], seconds: float = 0.05) -> None:
    """Short calls, one after the other, until one succeeds. Each has a little more time than the one before, or none would ever succeed on
    a machine that is busy enough."""
    async with asyncio.timeout(PATIENCE):
        while True:
            seconds *= 1.1
            try:
                await call(CallOptions(timeout=seconds))
            except RpcError as error:
                if error.code is Code.UNIMPLEMENTED:  # the server has no such service, and said so
                    return
                assert error.code in (Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE)
            else:
                return


@PROTOCOLS
@pytest.mark.parametrize("streamed", [False, True])
async def test_calls_find_a_new_connection_where_the_old_one_swallows_them(
    monkeypatch: pytest.MonkeyPatch, protocol: str, streamed: bool
) -> None:
    monkeypatch.setattr(keepalive, "_PROBE_TIMEOUT", 0.05)
    async with behind_proxy(Echo(), protocol=protocol, keepalive_timeout=1e6) as (proxy, channel):
        client, streams = EchoServiceClient(channel), StreamServiceClient(channel)

        async def call(short: CallOptions) -> None:
            if streamed:
                async for _ in streams.repeat(RepeatRequest(), short):
                    pass
            else:
                await client.say(pb.SayRequest(), short)

        await client.say(pb.SayRequest(), PATIENT)
        proxy.freeze()
        await until_answered(call)
        assert proxy.accepted >= 2  # a busy machine may answer no call in time over the second one either


@PROTOCOLS
async def test_the_keepalive_sees_calls_that_have_ended_by_their_deadline(protocol: str) -> None:
    async with behind_proxy(Echo(), protocol=protocol, keepalive_time=0.05, keepalive_timeout=0.05) as (proxy, channel):
        client = EchoServiceClient(channel)
        await client.say(pb.SayRequest(), PATIENT)
        proxy.freeze()
        await until_answered(lambda short: client.say(pb.SayRequest(), short), 0.01)
        assert proxy.accepted >= 2


async def test_a_call_that_its_caller_gave_up_counts_and_the_old_connection_is_cut_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepalive, "_PROBE_TIMEOUT", 0.02)
    async with behind_proxy(echo := Echo(), keepalive_timeout=0.05) as (proxy, channel):
        client = EchoServiceClient(channel)
        endless = asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER)))  # no deadline: only the cut can end it
        await echo.until(lambda: echo.seen["sleep"] == 1)
        proxy.freeze()
        old = channel.pool.sole
        assert old is not None
        while channel.pool.sole is old:
            given_up = asyncio.create_task(client.say(pb.SayRequest()))
            await turn_until(lambda: channel.pool.sole is not old or len(old.connection.streams) == 2)
            given_up.cancel()
            with suppress(asyncio.CancelledError):
                await given_up
        with pytest.raises(RpcError, match=r"did not answer a ping within 0\.05 s|was lost") as caught:
            await endless
        assert caught.value.code is Code.UNAVAILABLE
        assert (await client.say(pb.SayRequest(id="a"), PATIENT)).id == "a"


class Slow:
    """A server that answers pings and no call."""

    def __init__(self) -> None:
        self.pings = 0
        self.answering = True

    async def __call__(self, peer: RawPeer) -> None:
        await http2_preface(peer)
        while True:
            frame = await peer.until(frames.PING)
            if not frame[1]:
                self.pings += 1
                if self.answering:
                    peer.send(frames.PING, frames.ACK, 0, frame[3])


async def fail(client: EchoServiceClient, times: int) -> None:
    for _ in range(times):
        with pytest.raises(RpcError, match="DEADLINE_EXCEEDED"):
            await client.say(pb.SayRequest(), SHORT)


async def test_a_slow_server_is_pinged_once_and_keeps_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepalive, "_PROBE_TIMEOUT", 1e6)
    slow = Slow()
    async with raw_server(slow) as address, Channel(address) as channel:
        client = EchoServiceClient(channel)
        await fail(client, 12)
        await turn_until(lambda: slow.pings == 1)
        link = channel.pool.sole
        await fail(client, 4)
        assert slow.pings == 1
        assert channel.pool.sole is link


async def test_where_no_other_connection_can_be_had_the_old_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepalive, "_PROBE_TIMEOUT", 0.01)
    slow = Slow()
    slow.answering = False
    made: list[RawPeer] = []

    async def behave(peer: RawPeer) -> None:
        made.append(peer)
        if len(made) == 1:
            await slow(peer)  # each later connection is closed at once

    async with raw_server(behave) as address, Channel(address, options=ChannelOptions(keepalive_timeout=0.01)) as channel:
        client = EchoServiceClient(channel)
        while len(made) < 2:  # the server's greeting, late on a busy machine, counts as a sign of life
            await fail(client, 1)
        while slow.pings < 2:  # the question is put again
            await fail(client, 1)
        assert channel.pool.sole is not None


async def test_an_answer_in_time_or_between_two_failures_is_life(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Echo()) as server, Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        pinged: list[bytes] = []
        await client.say(pb.SayRequest(), PATIENT)
        link: Any = channel.pool.sole
        assert isinstance(link, ClientLink)
        ping = link.connection.ping
        monkeypatch.setattr(type(link.connection), "ping", lambda _, payload: (pinged.append(payload), ping(payload))[1])
        for _ in range(4):
            link.call_failed(asyncio.CancelledError())
            await client.say(pb.SayRequest(), PATIENT)
        for _ in range(4):
            link.call_failed(RpcError(Code.UNAVAILABLE, "the server's own answer"))
        assert not pinged
        link.call_failed(asyncio.CancelledError())
        link.call_failed(asyncio.CancelledError())
        await client.say(pb.SayRequest(), PATIENT)
        assert len(pinged) == 1
