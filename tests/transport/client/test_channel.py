"""The channel: connecting and failing to, sharing, queueing for the server's stream limit, coming back, and ending."""

import asyncio
import socket

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.deadlines import missed
from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from tests.transport.fleet import WAITING, states
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.metadata import Metadata
from towpath._transport import Channel, ChannelOptions, Server
from towpath._transport.client.endpoints.endpoint import State
from towpath._wire.http2 import ErrorCode, Limits, frames
from towpath._wire.http2.frames import Setting

SINGLE = ChannelOptions(max_connections=1)
PATIENT = CallOptions(timeout=PATIENCE)


async def failure(channel: Channel, options: CallOptions = PATIENT) -> RpcError:
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(RpcError) as caught:
            await EchoServiceClient(channel).say(pb.SayRequest(), options)
    return caught.value


def test_a_target_that_is_no_address_is_refused() -> None:
    with pytest.raises(SetupError, match="a channel's target: 'flights' is not host:port"):
        Channel("flights")


async def test_a_target_that_nobody_listens_on_is_named(port: int) -> None:
    target = f"127.0.0.1:{port}"
    async with Channel(target) as channel:
        error = await failure(channel)
        assert error.code is Code.UNAVAILABLE
        assert error.message.startswith(f"cannot connect to {target}: ")


async def test_a_host_that_does_not_resolve_is_named() -> None:
    async with Channel("no.such.host.invalid:1", insecure=True) as channel:
        error = await failure(channel)
    assert error.code is Code.UNAVAILABLE
    assert "no.such.host.invalid:1" in error.message


async def test_a_peer_that_never_speaks_costs_no_more_than_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as blackhole:
        target = f"127.0.0.1:{blackhole.getsockname()[1]}"
        async with Channel(target) as channel:
            error = await failure(channel, CallOptions(timeout=0.1))
    assert (error.code, error.message) == (
        Code.DEADLINE_EXCEEDED,
        f"echo.v1.EchoService/Say: no connection to {target} within the deadline",
    )


async def test_a_peer_that_never_speaks_is_given_up_after_the_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as blackhole:
        async with Channel(f"127.0.0.1:{blackhole.getsockname()[1]}", options=ChannelOptions(connect_timeout=0.1)) as channel:
            error = await failure(channel)
    assert error.code is Code.UNAVAILABLE
    assert error.message.endswith("no answer within 0.1 s")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the peer does not speak HTTP/2: it says b'HTTP/1.1 400 Bad'"),
        (b"220 mail.example ESMTP\r\n", "the peer does not speak HTTP/2"),
        (b"", "the connection was closed"),
        (frames.frame(frames.PING, 0, 0, bytes(8)), "the first frame is not SETTINGS"),
        (frames.settings([]) + frames.goaway(0, ErrorCode.ENHANCE_YOUR_CALM, b"full"), "ENHANCE_YOUR_CALM, full"),
    ],
)
async def test_a_peer_that_will_not_serve_is_unavailable_with_its_reason(answer: bytes, reason: str) -> None:
    async def behave(peer: RawPeer) -> None:
        peer.writer.write(answer)
        await peer.writer.drain()
        await peer.reader.readexactly(1)  # else closing with unread data would reset the connection before the answer is read

    async with raw_server(behave) as address, Channel(address) as channel:
        error = await failure(channel)
        assert error.code is Code.UNAVAILABLE
        assert error.message.startswith(f"cannot connect to {address}: ")
        assert reason in error.message
        assert (await failure(channel)).code is Code.UNAVAILABLE


async def test_a_caller_cancelled_while_connecting_does_not_end_it_for_the_others() -> None:
    go = asyncio.Event()

    async def behave(peer: RawPeer) -> None:
        await go.wait()
        await http2_preface(peer)
        _, _, stream_id, _ = await peer.until(frames.HEADERS)
        peer.writer.write(frames.rst_stream(stream_id, ErrorCode.REFUSED_STREAM))
        await peer.frame()

    async with asyncio.timeout(PATIENCE), raw_server(behave) as address, Channel(address) as channel:
        client = EchoServiceClient(channel)
        first = asyncio.create_task(client.say(pb.SayRequest(), PATIENT))
        second = asyncio.create_task(client.say(pb.SayRequest(), PATIENT))
        await turn_until(lambda: states(channel) == [State.CONNECTING])
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.set()
        with pytest.raises(RpcError, match="REFUSED_STREAM"):
            await second


async def test_an_attempt_that_its_callers_gave_up_is_not_taken_for_the_next_one() -> None:
    """It ends without anybody waiting: what it found then is old news to the next call, be it a failure or a connection since lost."""
    attempts = 0
    given_up = asyncio.Event()
    closed = asyncio.Event()

    async def behave(peer: RawPeer) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await given_up.wait()
            await http2_preface(peer)
            peer.writer.close()
            closed.set()
            return
        await http2_preface(peer)
        _, _, stream_id, _ = await peer.until(frames.HEADERS)
        peer.writer.write(frames.rst_stream(stream_id, ErrorCode.REFUSED_STREAM))
        await peer.frame()

    async with asyncio.timeout(PATIENCE), raw_server(behave) as address, Channel(address) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(), PATIENT))
        await turn_until(lambda: attempts)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        given_up.set()
        await closed.wait()
        await turn_until(lambda: states(channel) == [State.IDLE])
        assert "REFUSED_STREAM" in (await failure(channel)).message
        assert attempts == 2


async def test_calls_share_one_connection_at_once_and_later() -> None:
    async with serving(Echo()) as server, Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        for _ in range(3):
            await asyncio.gather(*(client.say(pb.SayRequest(), PATIENT) for _ in range(100)))
        assert len(server.links) == 1


@pytest.mark.parametrize("most", [1, 2])
async def test_calls_wait_for_a_place_within_the_servers_limit(most: int) -> None:
    class Counting(Echo):
        now = 0
        peak = 0

        async def say(self, request: pb.SayRequest, ctx: object) -> pb.SayResponse:
            self.now += 1
            self.peak = max(self.peak, self.now)
            await together.wait()  # as many as the limit allows, no fewer
            self.now -= 1
            return pb.SayResponse(n=request.n)

    together = asyncio.Barrier(most)
    echo = Counting()
    async with serving(echo, limits=Limits(max_concurrent_streams=most)) as server, Channel(server.address, options=SINGLE) as channel:
        client = EchoServiceClient(channel)
        answers = await asyncio.gather(*(client.say(pb.SayRequest(n=n), PATIENT) for n in range(100)))
        assert [answer.n for answer in answers] == list(range(100))
        assert len(server.links) == 1
        assert echo.peak == most


async def test_a_call_that_waits_for_its_place_keeps_its_deadline_and_loses_nobody_elses() -> None:
    echo = Echo()
    async with serving(echo, limits=Limits(max_concurrent_streams=1)) as server, Channel(server.address, options=SINGLE) as channel:
        client = EchoServiceClient(channel)
        blocking = asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        patient = asyncio.create_task(client.say(pb.SayRequest(n=1), PATIENT))
        error = await failure(channel, CallOptions(timeout=0.05))
        assert error.code is Code.DEADLINE_EXCEEDED
        echo.release.set()
        await blocking
        assert (await patient).n == 1


async def test_a_place_that_falls_to_a_cancelled_call_goes_to_the_next() -> None:
    echo = Echo()
    async with (
        asyncio.timeout(PATIENCE),
        serving(echo, limits=Limits(max_concurrent_streams=1)) as server,
        Channel(server.address, options=SINGLE) as channel,
    ):
        client = EchoServiceClient(channel)
        blocking = asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        first, second = (asyncio.create_task(client.say(pb.SayRequest(n=n), PATIENT)) for n in (1, 2))
        await turn_until(lambda: channel.pool.waiting == 2)
        blocking.cancel()
        await asyncio.sleep(0)
        assert channel.pool.waiting == 1, "the place is the first call's from here on, which has not run yet"
        first.cancel()
        assert (await second).n == 2
        await asyncio.wait([blocking, first])
        assert first.cancelled()


async def test_a_server_without_any_place_costs_one_connection_and_the_deadline() -> None:
    connections = 0

    async def behave(peer: RawPeer) -> None:
        nonlocal connections
        connections += 1
        await http2_preface(peer, [(Setting.MAX_CONCURRENT_STREAMS, 0)])
        while True:
            await peer.frame()

    async with raw_server(behave) as address, Channel(address) as channel:
        for _ in range(3):
            assert (await failure(channel, CallOptions(timeout=0.05))).code is Code.DEADLINE_EXCEEDED
        assert connections == 1


async def test_a_server_that_dies_ends_its_calls_and_the_next_call_finds_its_successor(port: int) -> None:
    echo = Echo()
    server = Server([echo])
    await server.start("127.0.0.1", port)
    async with asyncio.timeout(PATIENCE), Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        calls = [asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT)) for _ in range(3)]
        await echo.until(lambda: echo.seen["sleep"] == 3)
        for link in list(server.links):
            link.abort()
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, RpcError)
            assert error.code is Code.UNAVAILABLE
            assert server.address in error.message
        await server.close(0)
        assert (await failure(channel)).code is Code.UNAVAILABLE
        successor = Server([echo])
        await successor.start("127.0.0.1", port)
        try:
            assert (await client.say(pb.SayRequest(n=1), CallOptions(timeout=PATIENCE, wait_for_ready=True))).n == 1
        finally:
            await successor.close(0)


async def test_a_goaway_tells_apart_what_the_server_took() -> None:
    """Streams beyond the last that it took were never seen: UNAVAILABLE now. The others go on."""

    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer)
        await peer.until(frames.DATA, 3)
        peer.writer.write(frames.goaway(1, ErrorCode.NO_ERROR, b"moving"))
        peer.writer.write(frames.rst_stream(1, ErrorCode.ENHANCE_YOUR_CALM))
        await peer.frame()

    async with asyncio.timeout(PATIENCE), raw_server(behave) as address, Channel(address) as channel:
        client = EchoServiceClient(channel)
        taken, beyond = await asyncio.gather(*(client.say(pb.SayRequest(), PATIENT) for _ in range(2)), return_exceptions=True)
    assert isinstance(taken, RpcError)
    assert isinstance(beyond, RpcError)
    assert (taken.code, beyond.code) == (Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE)
    assert "moving" in beyond.message


async def test_what_was_not_written_when_the_server_closed_was_not_processed() -> None:
    async with serving(Echo()) as server, Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        await client.say(pb.SayRequest(), PATIENT)
        link = channel.pool.sole
        assert link is not None
        calls = [asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT)) for _ in range(2)]
        await asyncio.sleep(0)  # the first is written at once, the second at the end of the turn
        link.eof_received()
        sent, unsent = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(sent, RpcError)
        assert isinstance(unsent, RpcError)
        assert (sent.code, unsent.code) == (Code.UNAVAILABLE, Code.UNAVAILABLE)
        assert (sent.unprocessed, unsent.unprocessed) == (False, True)
        link.abort()
        await client.say(pb.SayRequest(), WAITING)


async def test_cancelling_a_call_or_missing_its_deadline_tells_the_server() -> None:
    resets: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer)
        while True:
            _, _, stream_id, code = await peer.until(frames.RST_STREAM)
            await resets.put((stream_id, int.from_bytes(code, "big")))

    async with asyncio.timeout(PATIENCE), raw_server(behave) as address, Channel(address) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(), PATIENT))
        await turn_until(lambda: channel.pool.sole is not None and channel.pool.sole.connection.streams)
        assert channel.pool.sole is not None
        connection = channel.pool.sole.connection
        call.cancel()
        assert await resets.get() == (1, ErrorCode.CANCEL)
        with pytest.raises(asyncio.CancelledError):
            await call
        error = await missed(lambda timeout: failure(channel, CallOptions(timeout=timeout)), lambda: connection.next_stream > 3)
        assert error.code is Code.DEADLINE_EXCEEDED
        assert await resets.get() == (3, ErrorCode.CANCEL)


@pytest.mark.parametrize("timeout", [float("inf"), float("nan"), -1.0])
def test_a_timeout_that_is_no_time_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="give seconds"):
        CallOptions(timeout=timeout)


async def test_metadata_that_was_received_can_be_forwarded_and_what_cannot_be_sent_costs_no_place() -> None:
    odd = Metadata.received((("x-odd", "caf\xe9"),))
    impossible = Metadata.received((("x-impossible", "\u2603"),))
    async with serving(echo := Echo(), limits=Limits(max_concurrent_streams=1)) as server, Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        await client.say(pb.SayRequest(), CallOptions(timeout=PATIENCE, metadata=odd))
        assert echo.contexts[-1].metadata == odd
        for _ in range(3):
            with pytest.raises(UnicodeEncodeError):
                await client.say(pb.SayRequest(), CallOptions(timeout=PATIENCE, metadata=impossible))
        await client.say(pb.SayRequest(), PATIENT)


async def test_a_server_that_pings_and_never_reads_ends_the_connection() -> None:
    pings = frames.frame(frames.PING, 0, 0, bytes(8)) * 1_000

    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer)
        while True:  # until the client has closed the connection
            peer.writer.write(pings)
            await peer.writer.drain()

    async with raw_server(behave) as address, Channel(address) as channel:
        error = await failure(channel)
        assert error.code is Code.UNAVAILABLE
        assert "ENHANCE_YOUR_CALM: too many frames beside those that calls need, the last of them PING" in error.message
