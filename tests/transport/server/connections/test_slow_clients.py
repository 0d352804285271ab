"""Clients that do not read what they asked for, and clients that are only slow."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from stream.v1 import stream_pb2
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import PATIENCE, Echo, serving, turn_until
from tests.stream_service import Streams
from tests.transport.slow_client import GREETING, JSON, LARGE, LONG, connected, download, later, posted, refused, stuck, told
from towpath._core import clock
from towpath._core.context import CallOptions
from towpath._transport import Channel, ChannelOptions, ConnectionLimits, Server
from towpath._transport.server.connections.connection_limits import MADE_ROOM, TOO_MANY, UNREAD_TIMEOUT
from towpath._transport.server.connections.slow_clients import UnreadTime
from towpath._wire.grpc.framing import frame
from towpath._wire.json import JsonCodec
from towpath.testing import Simulation, simulate

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


class Transport:
    """What was written, and what of it waits."""

    def __init__(self) -> None:
        self.written = 0
        self.unsent = 0


def test_a_client_that_reads_a_little_reads() -> None:
    link, unread = Transport(), UnreadTime()
    assert unread.look(link, 0.0) == 0.0
    link.written, link.unsent = 1000, 600
    assert unread.look(link, 10.0) == 0.0
    assert unread.look(link, 15.0) == 5.0
    link.written, link.unsent = 2000, 1600  # more waits, and nothing was read
    assert unread.look(link, 20.0) == 10.0
    link.written, link.unsent = 2001, 1600  # more waits, and a byte was read
    assert unread.look(link, 30.0) == 0.0
    assert unread.look(link, 33.0) == 3.0
    link.unsent = 0
    assert unread.look(link, 40.0) == 0.0


def on(loop: Callable[[], asyncio.AbstractEventLoop], test: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(test)


@LOOPS
@pytest.mark.parametrize("closing", [False, True])
def test_a_client_that_reads_nothing_is_cut_in_the_end(loop: Any, *, closing: bool) -> None:
    async def test() -> None:
        reasons, signal = told()
        asked = download().replace(b"Host: x", b"Host: x\r\nConnection: close" if closing else b"Host: x")
        if closing:  # its answer is written, and the connection only waits for the client to read it
            asked = posted("/stream.v1.StreamService/Repeat", "application/connect+json", "Connection: close", body=one_large())
        async with serving(Streams(), signal=signal) as server, connected(server, asked):
            await stuck(server)
            (link,) = server.links
            if closing:
                await turn_until(lambda: not link.calls)
            later(server, 0)
            later(server, 230)
            assert reasons == []
            later(server, 240)
            await turn_until(lambda: not server.links)
            assert reasons == [UNREAD_TIMEOUT]

    on(loop, test())


def one_large() -> bytes:
    """Asks for a message that no socket's buffer holds."""
    return frame(JsonCodec().encode(stream_pb2.RepeatRequest(answers=[stream_pb2.Answer(size=16 << 20)])))


@LOOPS
def test_a_client_that_reads_on_now_and_then_is_not_cut(loop: Any) -> None:
    async def test() -> None:
        reasons, signal = told()
        names = ("head_timeout", "unused_timeout", "idle_timeout", "keepalive_time", "keepalive_timeout", "body_timeout", "unread_timeout")
        limits = ConnectionLimits(**dict.fromkeys(names, 1e5))  # only the test looks
        async with serving(Streams(), signal=signal, connections=limits) as server, connected(server, download()) as client:
            ours = asyncio.get_running_loop()
            await stuck(server)
            (link,) = server.links
            for number in range(8):
                later(server, 9e4 * number)
                taken = link.written - link.unsent
                async with asyncio.timeout(PATIENCE):
                    while link.written - link.unsent == taken:
                        await ours.sock_recv(client, 1 << 20)
            assert list(server.links) == [link]
            assert reasons == []

    on(loop, test())


async def test_a_crowd_that_reads_nothing_has_an_eighth_of_the_time() -> None:
    reasons, signal = told()
    async with serving(Streams(), signal=signal) as server, asyncio.TaskGroup() as group:
        stop = asyncio.Event()

        async def one() -> None:
            async with connected(server, download()):
                await stop.wait()

        clients = [group.create_task(one()) for _ in range(9)]
        await stuck(server, 9)
        later(server, 0)
        later(server, 1)  # nine of them read nothing
        later(server, 20)
        assert reasons == []
        later(server, 30)
        assert reasons == [UNREAD_TIMEOUT] * 9
        stop.set()
        await asyncio.gather(*clients)


async def test_the_limit_may_be_off() -> None:
    reasons, signal = told()
    limits = ConnectionLimits(unread_timeout=None, body_timeout=None)
    begun = posted("/echo.v1.EchoService/Say", "application/json", "Content-Length: 9", "Connect-Timeout-Ms: 9999999999")
    async with (
        serving(Streams(), signal=signal, connections=limits) as server,
        connected(server, download()),
        serving(Echo(), signal=signal, connections=limits) as second,
        connected(second, begun),
    ):
        await stuck(server)
        await turn_until(lambda: second.links)
        for seconds in (0, 1e5, 2e5):
            later(server, seconds)
            later(second, seconds)
        assert reasons == []


async def test_the_place_of_a_client_that_reads_nothing_is_for_a_new_one() -> None:
    reasons, signal = told()
    async with serving(Streams(), signal=signal, connections=ConnectionLimits(total=1)) as server, connected(server, download()):
        await stuck(server)
        (link,) = server.links
        now = clock.now()
        with clock.using(lambda: now):
            server.connections.expire()
            now += 1
            server.connections.expire()
            await refused(server)
            now += 30
            async with connected(server, GREETING):
                await turn_until(lambda: server.links and link not in server.links)
        assert reasons == [TOO_MANY, MADE_ROOM]


# Clients that are only slow, by the defaults and in virtual time.


def test_slow_clients_are_not_cut() -> None:
    """Streams without a message or a reader for hours, a client that stands still for minutes, and an upload over a slow line."""

    async def main(simulation: Simulation) -> None:
        reasons, signal = told()
        node = simulation.network.node("server")
        server = Server([Echo(), Streams()], signal=signal)
        await server.start(sock=node.listen(8080), insecure=True)

        async def paused(seconds: float) -> None:
            reader, writer = await asyncio.open_connection("server", 8080, limit=4096)
            writer.write(download())
            await reader.read(1)
            await asyncio.sleep(seconds)
            got = 0
            while got < 64 << 20:
                data = await reader.read(1 << 16)
                assert data, f"cut after {seconds} s"
                got += len(data)
            writer.close()

        async def upload() -> None:
            body = b'{"payload":"' + b"A" * 100_000 + b'"}'
            reader, writer = await asyncio.open_connection("server", 8080)
            writer.write(posted("/echo.v1.EchoService/Say", JSON, f"Content-Length: {len(body)}", LONG))
            await asyncio.sleep(40)  # in a tunnel
            for start in range(0, len(body), 5_000):
                writer.write(body[start : start + 5_000])
                await asyncio.sleep(9)
            assert b" 200 " in await reader.readline()
            writer.close()

        async def quiet() -> None:
            reader, writer = await asyncio.open_connection("server", 8080)
            chunk = frame(JsonCodec().encode(stream_pb2.CollectRequest(payload=b"a")))
            writer.write(posted("/stream.v1.StreamService/Collect", "application/connect+json", "Transfer-Encoding: chunked"))
            for _ in range(3):
                writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                await asyncio.sleep(7200)
            writer.write(b"0\r\n\r\n")
            assert b" 200 " in await reader.readline()
            writer.close()

        async def stopped() -> None:
            options = ChannelOptions(max_age=None)
            async with Channel("server:8080", insecure=True, options=options) as channel:
                call = StreamServiceClient(channel).repeat(LARGE, CallOptions(timeout=1e6))
                await anext(call)
                await asyncio.sleep(20_000)
                assert len([response async for response in call]) == 63

        await asyncio.gather(paused(200), paused(100), upload(), quiet(), stopped())
        assert reasons == []
        await server.close(0)

    simulate(main)
