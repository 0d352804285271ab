"""How many connections a server takes, and what becomes of those that have grown old."""

import asyncio
import socket

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from tests.transport.fleet import states
from tests.transport.raw_peer import raw_client
from towpath._core import clock
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions, ConnectionLimits, Server
from towpath._transport.client.endpoints.endpoint import State
from towpath._transport.server.connections.connection_limits import KEEPALIVE_TIMEOUT, MADE_ROOM
from towpath._transport.server.connections.open_connections import Connections
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import PREFACE
from towpath.testing import Simulation, simulate

GREETING = PREFACE + frames.settings([])
PATIENT = CallOptions(timeout=PATIENCE)
WAITING = CallOptions(timeout=PATIENCE, wait_for_ready=True)


class Client:
    """A socket that says what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def answered(self) -> None:
        """Until something has come."""
        async with asyncio.timeout(PATIENCE):
            await self._reader.read(1)

    async def closed(self) -> None:
        async with asyncio.timeout(PATIENCE):
            try:
                while await self._reader.read(1 << 16):
                    pass
            except ConnectionError:
                return  # it was cut off

    async def rest(self) -> bytes:
        return await self._reader.read()

    def close(self) -> None:
        self.writer.close()


async def connection_of(channel: Channel) -> str:
    """The connection that a call goes over now, by its address at the client's end."""
    return (await EchoServiceClient(channel).inspect(pb.InspectRequest(), PATIENT)).peer


def look(server: Server, *, after: float) -> None:
    """Have the server look at all its connections, now and as it would so many seconds later."""
    now = clock.now()
    for later in (now, now + after):
        with clock.using(lambda later=later: later):
            server.connections.expire()


async def opened(server: Server, said: bytes = b"") -> Client:
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    return Client(reader, writer)


async def test_one_connection_too_many_of_a_peer_is_closed_and_its_place_is_free_again_later() -> None:
    async with serving(Echo(), connections=ConnectionLimits(per_peer=2)) as server:
        silent = [await opened(server) for _ in range(2)]
        await turn_until(lambda: len(server.connections.newcomers) == 2)
        async with Channel(server.address) as channel:
            client = EchoServiceClient(channel)
            with pytest.raises(RpcError) as caught:
                await client.say(pb.SayRequest(), PATIENT)
            assert caught.value.code is Code.UNAVAILABLE
            silent[0].close()
            await turn_until(lambda: len(server.connections.newcomers) == 1)
            assert (await client.say(pb.SayRequest(id="a"), WAITING)).id == "a"
        await turn_until(lambda: not server.links)
        async with Channel(server.address) as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(id="b"), PATIENT)).id == "b"
        silent[1].close()


FIRST_WORDS = {
    "silent": b"",
    "one byte": b"P",
    "three bytes": b"PRI",
    "half a preface": PREFACE[:20],
    "preface": PREFACE,
    "settings": GREETING,
    "half a frame": GREETING + b"\0\0\x08\x06",
    "half a head": b"GET / HT",
    "half a block": GREETING + frames.frame(frames.HEADERS, 0, 1, b"\x82"),
}
"""What connections say that ask nothing."""


@pytest.mark.parametrize("said", FIRST_WORDS.values(), ids=FIRST_WORDS.keys())
async def test_who_asks_nothing_makes_room_for_who_does(said: bytes) -> None:
    async with serving(echo := Echo(), connections=ConnectionLimits(total=5)) as server, Channel(server.address) as early:
        calling = asyncio.ensure_future(EchoServiceClient(early).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        crowd: list[Client] = []
        for _ in range(12):
            crowd.append(await opened(server, said))
            await turn_until(lambda: len(server.links) + len(server.connections.newcomers) >= min(5, 1 + len(crowd)))
        async with Channel(server.address) as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(id="a"), PATIENT)).id == "a"
        await crowd[0].closed()
        await turn_until(lambda: len(server.links) + len(server.connections.newcomers) < 5)
        echo.release.set()
        await calling
        for client in crowd:
            client.close()


async def test_a_connection_that_was_idle_for_longest_goes_before_one_is_refused() -> None:
    idle = b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n"
    reasons: list[str] = []
    service = serving(echo := Echo(), connections=ConnectionLimits(total=3), signal=lambda decision: reasons.append(decision.reason))
    async with service as server, Channel(server.address) as busy:
        calling = asyncio.ensure_future(EchoServiceClient(busy).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        twice = await opened(server, idle)
        await twice.answered()
        once = await opened(server, idle)
        await once.answered()
        _, used, _ = server.links
        now = clock.now()
        with clock.using(lambda: now):
            server.connections.expire()  # a look at all connections
            twice.writer.write(idle)
            await turn_until(lambda: used.asked == 2)
            now += 1
            server.connections.expire()
            now += 1.5
            async with Channel(server.address) as channel:
                assert (await EchoServiceClient(channel).say(pb.SayRequest(id="a"), WAITING)).id == "a"
                await once.closed()
                assert reasons == [MADE_ROOM]
                assert used in server.links
        echo.release.set()
        await calling
        once.close()
        twice.close()


async def test_where_all_are_busy_one_more_is_refused() -> None:
    async with serving(echo := Echo(), connections=ConnectionLimits(total=1)) as server, Channel(server.address) as busy:
        calling = asyncio.ensure_future(EchoServiceClient(busy).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        for _ in range(2):
            late = await opened(server, GREETING)
            await late.closed()
            late.close()
        echo.release.set()
        await calling


@pytest.mark.parametrize("name", [name for name in FIRST_WORDS if name != "settings"])
async def test_what_is_begun_and_never_ended_is_let_go(name: str) -> None:
    async with serving(Echo(), connections=ConnectionLimits(head_timeout=0.05)) as server:
        client = await opened(server, FIRST_WORDS[name])
        await client.closed()
        client.close()


@pytest.mark.parametrize("begun", [GREETING, b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\nGET /no"], ids=["HTTP/2", "HTTP/1.1"])
async def test_a_drip_of_bytes_is_no_progress(begun: bytes) -> None:
    """A head has so long in all, and not from one byte to the next."""
    dripped = frames.frame(frames.HEADERS, 0, 1, bytes(16_000)) if begun == GREETING else b"x" * 16_000
    async with serving(Echo(), connections=ConnectionLimits(head_timeout=0.05)) as server:
        client = await opened(server, begun)
        closed = asyncio.ensure_future(client.closed())
        for byte in dripped:
            if closed.done():
                break
            client.writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        await closed
        client.close()


async def test_who_has_opened_a_connection_and_asks_nothing_is_sent_away_in_the_end() -> None:
    async with serving(Echo(), connections=ConnectionLimits(unused_timeout=0.05)) as server, raw_client(server.address) as peer:
        _, _, _, goaway = await peer.until(frames.GOAWAY)
        assert goaway[:8] == frames.MAX_STREAM_ID.to_bytes(4, "big") + bytes(4)
        _, _, _, payload = await peer.until(frames.PING)
        peer.call(1, b"Say", b"")  # sent before it heard
        await peer.until(frames.DATA, 1)
        peer.send(frames.PING, frames.ACK, 0, payload)
        _, _, _, goaway = await peer.until(frames.GOAWAY)
        assert goaway[:8] == bytes(3) + b"\1" + bytes(4)
        await peer.closed()


async def test_a_connection_that_was_used_may_be_idle_for_longer() -> None:
    limits = ConnectionLimits(unused_timeout=1e4, idle_timeout=1e6)
    async with serving(Echo(), connections=limits) as server, Channel(server.address) as channel, raw_client(server.address) as unused:
        before = await connection_of(channel)
        await unused.until(frames.SETTINGS)
        look(server, after=2e4)
        await unused.until(frames.GOAWAY)
        assert await connection_of(channel) == before


async def test_an_idle_connection_is_left_without_losing_a_call() -> None:
    async with serving(Echo(), connections=ConnectionLimits(idle_timeout=0.02)) as server, Channel(server.address) as channel:
        seen: set[str] = set()
        async with asyncio.timeout(PATIENCE):
            while len(seen) < 4:
                seen.add(await connection_of(channel))
                await turn_until(lambda: states(channel) == [State.IDLE] or not server.links)


async def test_a_client_that_does_not_hear_that_it_is_to_go_is_cut_off() -> None:
    limits = ConnectionLimits(unused_timeout=0.02, head_timeout=0.05)
    async with serving(Echo(), connections=limits) as server, raw_client(server.address) as peer:
        await peer.until(frames.PING)
        await peer.closed()
        assert not server.links


async def test_an_idle_connection_of_http1_is_closed() -> None:
    async with serving(Echo(), connections=ConnectionLimits(idle_timeout=0.02)) as server:
        client = await opened(server, b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n")
        await client.closed()
        client.close()


async def test_a_head_behind_another_request_has_as_long() -> None:
    async with serving(Echo(), connections=ConnectionLimits(head_timeout=0.05)) as server:
        client = await opened(server, b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\nGET /no")
        async with asyncio.timeout(PATIENCE):
            assert b"HTTP/1.1 408 " in await client.rest()
        client.close()


async def test_what_is_not_read_is_not_late() -> None:
    """Who is read no further, since it does not read its answers, cannot end what it has begun."""
    async with serving(Echo(), connections=ConnectionLimits(head_timeout=1e4)) as server:
        client = await opened(server, GREETING + b"\0\0\x08\x06")
        await turn_until(lambda: server.links)
        (link,) = server.links
        assert link.begun() is not None
        link.pause_writing()
        assert link.begun() is None
        link.resume_writing()
        assert link.begun() is not None
        look(server, after=2e4)
        await client.closed()
        client.close()


async def test_clients_wait_to_be_accepted_in_any_number_and_the_dead_are_asked_for() -> None:
    accepted: list[socket.socket] = []

    class Listener(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            connection, peer = super().accept()
            accepted.append(connection)
            return connection, peer

    server = Server([Echo()])
    listener = Listener()
    listener.bind(("127.0.0.1", 0))
    listener.setblocking(False)
    await server.start(sock=listener)
    waiting = [socket.create_connection(listener.getsockname(), PATIENCE) for _ in range(300)]  # nobody accepts meanwhile
    await turn_until(lambda: len(server.connections.newcomers) == 300)
    assert len(accepted) == 300
    assert all(connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) for connection in accepted)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert {connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) for connection in accepted} == {240_000}
    for client in waiting:
        client.close()
    await server.close(0)


def test_hours_of_quiet_cost_no_call() -> None:
    """By the defaults: a channel that is used once in 50 minutes keeps its connection, one that is not is sent away, a quiet call stays."""

    async def main(simulation: Simulation) -> None:
        node = simulation.network.node("server")
        echo = Echo()
        server = Server([echo])
        await server.start(sock=node.listen(8080), insecure=True)
        async with (
            Channel("server:8080", insecure=True, options=ChannelOptions(max_age=None)) as channel,
            Channel("server:8080", insecure=True, options=ChannelOptions(max_age=None)) as other,
        ):
            first = await connection_of(channel)
            for _ in range(3):
                await asyncio.sleep(3000)
                assert await connection_of(channel) == first
            quiet = asyncio.ensure_future(EchoServiceClient(other).sleep(pb.SleepRequest(seconds=FOREVER), CallOptions(timeout=FOREVER)))
            await asyncio.sleep(5000)
            assert await connection_of(channel) != first
            await asyncio.sleep(20_000)
            assert len(server.links) == 1
            assert not quiet.done()
            echo.release.set()
            await quiet
        await server.close(0)

    simulate(main)


def test_peers_are_counted_apart() -> None:
    connections = Connections(ConnectionLimits(total=3, per_peer=2))
    assert [connections.admit(peer) for peer in "aaabb"] == [True, True, False, True, False]
    connections.leave("a")
    assert connections.admit("b")
    connections.leave("a")
    assert connections.admit("a")


async def test_an_old_connection_is_left_without_losing_a_call() -> None:
    async with serving(echo := Echo(), connections=ConnectionLimits(max_age=0.05)) as server, Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        seen: set[str] = set()
        slow = asyncio.ensure_future(client.sleep(pb.SleepRequest(seconds=PATIENCE), PATIENT))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        async with asyncio.timeout(PATIENCE):
            while len(seen) < 4:
                seen.add(await connection_of(channel))
        echo.release.set()
        await slow


@pytest.mark.parametrize(
    "limits",
    [{"total": 0}, {"per_peer": -1}, {"max_age": 0}, {"head_timeout": 0}, {"idle_timeout": -1}, {"body_timeout": 0}, {"unread_timeout": 0}],
)
def test_limits_that_let_nobody_in_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="give more than 0"):
        ConnectionLimits(**limits)


async def test_a_client_that_vanished_gives_back_its_place_and_its_handlers() -> None:
    reasons: list[str] = []
    limits = ConnectionLimits(keepalive_time=1e4, keepalive_timeout=1e4)
    service = serving(echo := Echo(), connections=limits, signal=lambda decision: reasons.append(decision.reason))
    async with service as server, raw_client(server.address) as vanished, Channel(server.address) as channel:
        there = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        vanished.call(1, b"Sleep", pb.SleepRequest(seconds=FOREVER).SerializeToString())
        await echo.until(lambda: echo.seen["sleep"] == 2)
        look(server, after=2e4)
        assert all(link.awaits_pong for link in server.links)
        await turn_until(lambda: not all(link.awaits_pong for link in server.links))
        look(server, after=4e4)
        await echo.until(lambda: echo.seen["cancelled"] == 1)  # it answers no ping
        await turn_until(lambda: len(server.links) == 1)
        assert reasons == [KEEPALIVE_TIMEOUT]
        echo.release.set()
        await there  # its client answers


async def test_any_byte_is_a_sign_of_life() -> None:
    limits = ConnectionLimits(keepalive_time=1e4, keepalive_timeout=1e6)
    async with serving(echo := Echo(), connections=limits) as server, raw_client(server.address) as client:
        client.call(1, b"Sleep", pb.SleepRequest(seconds=FOREVER).SerializeToString())
        await echo.until(lambda: echo.seen["sleep"] == 1)
        (link,) = server.links
        look(server, after=2e4)
        assert link.awaits_pong
        client.call(3, b"Sleep", pb.SleepRequest(seconds=FOREVER).SerializeToString())
        await echo.until(lambda: echo.seen["sleep"] == 2)
        assert not link.awaits_pong


async def test_one_that_is_not_read_is_not_judged_and_one_may_ask_for_no_pings() -> None:
    for limits, held in (
        (ConnectionLimits(keepalive_time=1e4, keepalive_timeout=1e4), True),
        (ConnectionLimits(keepalive_time=None), False),
    ):
        async with serving(echo := Echo(), connections=limits) as server, raw_client(server.address) as client:
            client.call(1, b"Sleep", pb.SleepRequest(seconds=FOREVER).SerializeToString())
            await echo.until(lambda echo=echo: echo.seen["sleep"] == 1)
            (link,) = server.links
            if held:
                link.hold(1)
            for looks in range(8):
                look(server, after=2e4 * looks)
                await asyncio.sleep(0)
            assert list(server.links) == [link]
            assert not link.awaits_pong
