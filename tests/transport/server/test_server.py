"""The server's life: starting, draining, ending; and clients that do not behave."""

import asyncio
import socket
from collections import Counter
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from tests.transport.fleet import states
from tests.transport.raw_peer import raw_client, request_head
from towpath._core.context import CallOptions, Context
from towpath._core.decisions import Decision
from towpath._core.errors import Code, RpcError, SetupError
from towpath._transport import Address, Channel, Server
from towpath._transport.address import bind
from towpath._transport.client.endpoints.endpoint import State
from towpath._transport.server.connections.http2_connection import TOO_MANY_CALLS
from towpath._wire.http2 import ErrorCode, Limits, frames
from towpath._wire.http2.frames import END_HEADERS, Setting

PATIENT = CallOptions(timeout=PATIENCE)


async def test_a_port_in_use_is_named() -> None:
    async with serving(Echo()) as server:
        _, port = server.address.split(":")
        with pytest.raises(SetupError, match=f"port {port} is in use"):
            await Server([Echo()]).start("127.0.0.1", int(port))


async def test_a_listening_socket_is_taken_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        server = Server([Echo()])
        await server.start(sock=listener)
        try:
            assert server.address == f"127.0.0.1:{listener.getsockname()[1]}"
            async with Channel(server.address) as channel:
                assert (await EchoServiceClient(channel).say(pb.SayRequest(n=1), PATIENT)).n == 1
        finally:
            await server.close()


async def test_closing_twice_or_before_the_start_does_nothing() -> None:
    server = Server([Echo()])
    assert server.address == ""
    await server.close()
    await server.start()
    await server.close()
    await server.close()


async def test_an_idle_connection_does_not_hold_up_the_end() -> None:
    async with asyncio.timeout(PATIENCE):
        server = Server([Echo()])
        await server.start()
        async with Channel(server.address) as channel:
            await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
            await server.close(grace=PATIENCE * 10)
            assert not server.links


async def test_a_call_under_way_is_finished_and_new_ones_go_elsewhere() -> None:
    echo = Echo()
    async with asyncio.timeout(PATIENCE), serving(echo) as server, Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        under_way = asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        (link,) = server.links
        closing = asyncio.create_task(server.close(grace=PATIENCE * 10))
        await turn_until(lambda: states(channel) == [State.IDLE])  # until the client has heard of it
        with pytest.raises(RpcError) as caught:
            await client.say(pb.SayRequest(), PATIENT)
        assert caught.value.code is Code.UNAVAILABLE
        assert server.address in caught.value.message
        assert list(server.links) == [link]
        echo.release.set()
        assert await under_way == pb.SleepResponse()
        await closing


async def test_a_new_call_goes_to_the_next_server_while_the_old_one_drains(port: int) -> None:
    old, new = Echo(), Echo()
    server = Server([old])
    await server.start("127.0.0.1", port)
    async with asyncio.timeout(PATIENCE), Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        under_way = asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await old.until(lambda: old.seen["sleep"] == 1)
        closing = asyncio.create_task(server.close(grace=PATIENCE * 10))
        await turn_until(lambda: states(channel) == [State.IDLE])
        successor = Server([new])
        await successor.start("127.0.0.1", port)
        assert (await client.say(pb.SayRequest(n=5), PATIENT)).n == 5
        assert (old.seen["say"], new.seen["say"]) == (0, 1)
        old.release.set()
        await under_way
        await closing
        await successor.close()


@pytest.mark.parametrize("lasting", [b"1H", b"50m"])
async def test_a_request_that_never_comes_whole_holds_up_the_end_no_longer_than_it_lasts(lasting: bytes) -> None:
    """By the client's reset, or by its own deadline."""
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", (b"grpc-timeout", lasting)))
        await peer.until_silent_with(b"head in?")
        closing = asyncio.create_task(server.close(grace=FOREVER))
        await peer.until(frames.PING)
        peer.send(frames.PING, frames.ACK, 0, b"goodbye!")
        if lasting == b"1H":
            peer.writer.write(frames.rst_stream(1, ErrorCode.CANCEL))
        await peer.closed()
        async with asyncio.timeout(PATIENCE):
            await closing


async def test_requests_that_were_on_their_way_are_still_taken() -> None:
    """Those that the client sent before it could hear of the shutdown; not one after it acknowledged the ping behind the GOAWAY."""
    async with asyncio.timeout(PATIENCE), serving(Echo()) as server, raw_client(server.address) as peer:
        await peer.until(frames.SETTINGS)
        closing = asyncio.create_task(server.close(grace=PATIENCE * 10))
        _, _, _, goodbye = await peer.until(frames.GOAWAY)
        assert int.from_bytes(goodbye[:4], "big") == frames.MAX_STREAM_ID
        _, _, _, payload = await peer.until(frames.PING)
        peer.call(1, b"Say", b"")
        peer.send(frames.PING, frames.ACK, 0, payload)
        peer.call(3, b"Say", b"")
        _, _, _, goodbye = await peer.until(frames.GOAWAY)
        assert int.from_bytes(goodbye[:4], "big") == 1
        assert (await peer.until(frames.DATA))[2] == 1
        await peer.closed()
        await closing


async def test_after_the_grace_period_calls_are_cancelled_with_unavailable() -> None:
    echo = Echo()
    async with asyncio.timeout(PATIENCE), serving(echo) as server, Channel(server.address) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        await server.close(grace=0)
        assert echo.seen["cancelled"] == 1, "close waits for what a handler does when it is cancelled"
        with pytest.raises(RpcError, match="the server is shutting down") as caught:
            await call
    assert caught.value.code is Code.UNAVAILABLE


async def test_a_cancelled_close_ends_calls_at_once() -> None:
    echo = Echo()
    async with asyncio.timeout(PATIENCE), serving(echo) as server, Channel(server.address) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        closing = asyncio.create_task(server.close(grace=PATIENCE * 10))
        await turn_until(lambda: states(channel) == [State.IDLE])
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await echo.until(lambda: echo.seen["cancelled"] == 1)
        with pytest.raises(RpcError, match="UNAVAILABLE"):
            await call


class Stubborn(Echo):
    """Its `sleep` does not die of being cancelled."""

    async def sleep(self, request: pb.SleepRequest, ctx: object) -> pb.SleepResponse:
        await self._note("sleep")
        while not self.release.is_set():
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                await self._note("cancelled")
        return pb.SleepResponse()


async def test_a_handler_that_ignores_cancellation_does_not_hold_up_the_end() -> None:
    echo = Stubborn()
    async with asyncio.timeout(PATIENCE), serving(echo) as server, Channel(server.address) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        await server.close(grace=0)
        assert echo.seen["cancelled"] == 1
        with pytest.raises(RpcError, match="UNAVAILABLE"):
            await call
        echo.release.set()


async def test_a_client_that_does_not_answer_the_goodbye_is_cut_off_after_the_grace_period() -> None:
    async with asyncio.timeout(PATIENCE), serving(Echo()) as server, raw_client(server.address) as peer:
        await peer.until(frames.SETTINGS)
        await server.close(grace=0)
        await peer.closed()
        assert not server.links


async def test_an_answer_that_waits_for_the_clients_window_outlives_the_shutdown() -> None:
    window = [(Setting.INITIAL_WINDOW_SIZE, 100)]
    async with asyncio.timeout(PATIENCE), serving(Echo()) as server, raw_client(server.address, window) as peer:
        peer.call(1, b"Say", pb.SayRequest(payload=bytes(1000)).SerializeToString())
        assert len((await peer.until(frames.DATA))[3]) == 100
        closing = asyncio.create_task(server.close(grace=PATIENCE * 10))
        _, _, _, payload = await peer.until(frames.PING)
        peer.send(frames.PING, frames.ACK, 0, payload)
        await peer.until(frames.GOAWAY)
        peer.writer.write(frames.window_update(1, 10_000))
        rest = await peer.until(frames.DATA, 1)
        assert len(rest[3]) > 900
        await peer.until(frames.HEADERS, 1)
        await peer.closed()
        await closing


async def test_a_client_that_never_reads_does_not_make_the_server_hold_its_answers() -> None:
    """It grants the largest windows, asks again and again and reads nothing: the server stops taking requests."""
    echo = Echo()
    generous = [(Setting.INITIAL_WINDOW_SIZE, frames.MAX_WINDOW)]
    request = pb.SayRequest(payload=bytes(16_000)).SerializeToString()
    asked = 20_000
    async with asyncio.timeout(PATIENCE), serving(echo) as server, raw_client(server.address, generous) as peer:
        peer.writer.write(frames.window_update(0, frames.MAX_WINDOW - frames.DEFAULT_WINDOW))
        greedy = peer.writer.transport
        greedy.pause_reading()
        for number in range(asked):
            peer.call(2 * number + 1, b"Say", request)
            if greedy.get_write_buffer_size() > 1 << 20:
                break
            await asyncio.sleep(0)
        assert number < asked - 1, "the server took whatever it was asked"
        (link,) = server.links
        assert link.buffered + sum(stream.queued for stream in link.connection.streams.values()) < 8 << 20
        async with Channel(server.address) as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(n=1), PATIENT)).n == 1
        greedy.resume_reading()
        peer.call(2 * number + 3, b"Say", b"")
        while (await peer.until(frames.DATA))[2] != 2 * number + 3:
            pass


async def test_more_streams_than_allowed_are_refused_and_may_be_sent_again() -> None:
    echo = Echo()
    async with serving(echo) as server, raw_client(server.address) as peer:
        settings = dict(frames.read_settings((await peer.until(frames.SETTINGS))[3]))
        most = settings[Setting.MAX_CONCURRENT_STREAMS]
        sleep = pb.SleepRequest(seconds=FOREVER).SerializeToString()
        for number in range(most + 1):
            peer.call(2 * number + 1, b"Sleep", sleep)
        _, _, stream_id, code = await peer.until(frames.RST_STREAM)
        assert (stream_id, int.from_bytes(code, "big")) == (2 * most + 1, 7)
        await echo.until(lambda: echo.seen["sleep"] == most)
        echo.release.set()
        await peer.until(frames.HEADERS, 1)


class Tidying(Echo):
    """Its handler has something to put away when it is cancelled, and takes until `release` for it."""

    async def sleep(self, request: pb.SleepRequest, ctx: Context) -> pb.SleepResponse:
        self.seen["running"] += 1
        try:
            await asyncio.Event().wait()
        finally:
            await self.release.wait()
            self.seen["running"] -= 1
        return pb.SleepResponse()


async def test_calls_that_are_reset_in_a_row_do_not_pile_up_handlers() -> None:
    """CVE-2023-44487: a reset frees the stream at once, its handler only when it has ended."""
    limits = Limits(max_concurrent_streams=4)
    told: Counter[Decision] = Counter()
    options: dict[str, Any] = {"limits": limits, "signal": lambda decision: told.update([decision])}
    async with serving(echo := Tidying(), **options) as server, raw_client(server.address) as peer:
        for stream_id in range(1, 400, 2):
            peer.call(stream_id, b"Sleep", pb.SleepRequest().SerializeToString())
            await peer.until_silent_with(b"%08d" % stream_id)
            peer.send(frames.RST_STREAM, 0, stream_id, int(ErrorCode.CANCEL).to_bytes(4, "big"))
        await peer.until_silent_with(b"the end!")
        peer.call(401, b"Sleep", pb.SleepRequest().SerializeToString())
        assert (await peer.until(frames.RST_STREAM, 401))[3] == int(ErrorCode.REFUSED_STREAM).to_bytes(4, "big")
        assert 0 < echo.seen["running"] <= 2 * limits.max_concurrent_streams
        rejection = Decision("echo.v1.EchoService/Sleep", "transport", TOO_MANY_CALLS, shadow=False, ctx=None, rejected=True)
        assert told == {rejection: 201 - echo.seen["running"]}
        peer.send(frames.HEADERS, END_HEADERS, 403, request_head(b"Nothing"))
        await peer.until(frames.RST_STREAM, 403)
        assert told[rejection._replace(method="")] == 1
        echo.release.set()
        await turn_until(lambda: not echo.seen["running"])
        async with Channel(server.address) as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(n=1), PATIENT)).n == 1


async def test_a_start_that_is_cancelled_while_it_begins_to_accept_is_closed_with_the_server() -> None:
    for turns in range(1, 4):
        sock = bind(Address("127.0.0.1", 0), "the test's address")
        server = Server([Echo()])
        starting = asyncio.create_task(server.start(sock=sock))
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait([starting])
        await server.close(0)
        assert sock.fileno() == -1, turns
