"""What a server keeps for all its connections is bounded: who makes it keep most pays, and nobody else notices."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1 import stream_pb2 as stream_pb

from tests.echo_service import PATIENCE, Echo, turn_until
from tests.library_service import Library
from tests.stream_service import Streams
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from towpath._core import clock
from towpath._core.context import CallOptions, Context
from towpath._core.decisions import Decision
from towpath._transport import Channel, ConnectionLimits, Server
from towpath._transport.server.connections.buffer_budget import BUFFERS_FULL, BufferBudget
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import ErrorCode, Limits, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, MAX_WINDOW, Setting

LIMIT = 8 << 20
PATIENT = CallOptions(timeout=PATIENCE)
GENEROUS = [(Setting.INITIAL_WINDOW_SIZE, MAX_WINDOW)]
SHUT = [(Setting.INITIAL_WINDOW_SIZE, 0)]
JSON = (b"content-type", b"application/json")
WEB = (b"content-type", b"application/grpc-web+proto")
REPEAT = (b":path", b"/stream.v1.StreamService/Repeat")


@asynccontextmanager
async def bounded(limit: int = LIMIT, *, echo: Echo | None = None, **options: Any) -> AsyncIterator[tuple[Server, list[Decision]]]:
    decisions: list[Decision] = []
    connections = ConnectionLimits(max_buffered=limit)
    server = Server([echo or Echo(), Streams(), Library()], connections=connections, signal=decisions.append, **options)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # what the system takes of an answer is not kept by the server
    await server.start("127.0.0.1", 0, sock=sock)
    Haste.ahead = 0.0
    try:
        with clock.using(lambda: time.monotonic() + Haste.ahead):
            yield server, decisions
    finally:
        await server.close(0)


class Generous(Echo):
    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        return pb.SayResponse(n=request.n, payload=bytes(3_900_000))


class Brief(Echo):
    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        return pb.SayResponse(n=len(request.payload))


class Haste:
    """Has the clock of `bounded` go on by steps, each of which is followed by a look at what is kept."""

    ahead = 0.0

    def __init__(self, server: Server) -> None:
        self._server = server

    async def until(self, condition: Callable[[], object]) -> None:
        """Go on until `condition` holds."""
        while not condition():
            Haste.ahead += 1.1
            self._server.buffers.give_turns()
            for _ in range(50):
                await asyncio.sleep(0)

    async def frame(self, peer: RawPeer, kind: int) -> Any:
        """Go on until a frame of this kind comes."""
        coming = asyncio.create_task(peer.until(kind))
        await self.until(coming.done)
        return await coming


def kept(server: Server) -> int:
    return sum(link.held + sum(each.held for each in link.kept()) for link in server.links)


async def served(server: Server) -> None:
    async with Channel(server.address) as channel:
        assert (await EchoServiceClient(channel).say(pb.SayRequest(n=1), PATIENT)).n == 1


def open_wide(peer: RawPeer) -> None:
    peer.writer.write(frames.window_update(0, MAX_WINDOW - frames.DEFAULT_WINDOW))


LARGE = pb.SayRequest(payload=bytes(1_000_000)).SerializeToString()
ANSWERS = stream_pb.RepeatRequest(answers=[{"size": 1_000_000}] * 40).SerializeToString()


def ask(peer: RawPeer, stream_id: int, message: bytes, *fields: tuple[bytes, bytes]) -> None:
    peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Say", *fields))
    for start in range(0, len(message), 16_384):
        peer.send(frames.DATA, 0, stream_id, message[start : start + 16_384])
    peer.send(frames.DATA, END_STREAM, stream_id)


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (message_frame(LARGE), ()),
        (message_frame(LARGE), (WEB,)),
        (LARGE, ((b"content-type", b"application/proto"),)),
        (message_frame(ANSWERS), (REPEAT,)),
        (message_frame(ANSWERS), (REPEAT, WEB)),
    ],
    ids=["grpc", "grpc-web", "connect", "grpc stream", "grpc-web stream"],
)
async def test_calls_whose_answers_wait_for_a_window_end_when_they_are_too_much(message: bytes, fields: tuple[Any, ...]) -> None:
    limits = Limits(stream_window=1 << 21, connection_window=1 << 26)
    async with asyncio.timeout(PATIENCE), bounded(limits=limits) as (server, decisions), raw_client(server.address, SHUT) as peer:
        open_wide(peer)
        for number in range(16):
            ask(peer, 2 * number + 1, message, *fields)
        ended = await Haste(server).frame(peer, frames.RST_STREAM)
        assert int.from_bytes(ended[3], "big") == ErrorCode.ENHANCE_YOUR_CALM
        assert {(decision.reason, decision.rejected) for decision in decisions} == {(BUFFERS_FULL, True)}
        await served(server)
        assert kept(server) <= LIMIT * 2  # others have gone on since
        # The connection goes on, and so do the calls that were not ended.
        peer.call(101, b"Fail", b"")
        await peer.until(frames.HEADERS, 101)


async def test_a_connection_whose_client_reads_nothing_ends_when_its_answers_are_too_much() -> None:
    async with asyncio.timeout(PATIENCE), bounded(echo=Generous()) as (server, decisions), raw_client(server.address, GENEROUS) as peer:
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.writer.transport.pause_reading()
        open_wide(peer)
        for number in range(40):
            peer.call(2 * number + 1, b"Say", b"")
        await Haste(server).until(lambda: decisions)
        await turn_until(lambda: not server.links)
        assert decisions[0].reason == BUFFERS_FULL
        await served(server)
        assert kept(server) == 0


async def test_one_byte_that_is_left_of_an_answer_counts_as_the_whole_of_it() -> None:
    limits = Limits(stream_window=1 << 21, connection_window=1 << 26)
    almost = [(Setting.INITIAL_WINDOW_SIZE, 1_000_000)]
    async with asyncio.timeout(PATIENCE), bounded(limits=limits) as (server, decisions), raw_client(server.address, almost) as peer:
        open_wide(peer)
        for number in range(16):
            ask(peer, 2 * number + 1, message_frame(LARGE))
        await Haste(server).frame(peer, frames.RST_STREAM)
        assert decisions[0].reason == BUFFERS_FULL
        assert kept(server) <= LIMIT * 2


@pytest.mark.parametrize("grpc", [True, False])
async def test_uploads_that_stop_half_way_end_when_they_are_too_much(grpc: bool) -> None:
    fields = () if grpc else (JSON,)
    prefix = b"\0\0\x3f\xff\xff" if grpc else b""
    async with asyncio.timeout(PATIENCE), bounded() as (server, decisions), raw_client(server.address) as peer:
        for number in range(40):
            stream_id = 2 * number + 1
            peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Say", *fields))
            for piece in [prefix + bytes(16_379)] + [bytes(16_384)] * 15:  # the window of a stream, which needs no room
                peer.send(frames.DATA, 0, stream_id, piece)
        ended = await peer.until(frames.HEADERS)
        assert grpc is (peer.fields(ended)[b":status"] == b"200")
        assert decisions[0].reason == BUFFERS_FULL
        await served(server)
        assert kept(server) <= LIMIT * 17 // 16


async def test_many_large_uploads_at_once_all_succeed_one_after_the_other() -> None:
    async with asyncio.timeout(PATIENCE), bounded(32 << 20, echo=Brief()) as (server, decisions), Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        request = pb.SayRequest(payload=bytes(3_000_000))
        answers = await asyncio.gather(*(client.say(request, PATIENT) for _ in range(40)))
        assert {answer.n for answer in answers} == {3_000_000}
        assert not decisions


async def test_a_connection_over_http1_ends_whose_client_reads_no_answer() -> None:
    async with asyncio.timeout(PATIENCE), bounded(1 << 22, echo=Generous()) as (server, decisions):
        host, port = server.address.split(":")
        writers = []
        for _ in range(12):
            reader, writer = await asyncio.open_connection(host, int(port), limit=1)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            writer.write(
                b"POST /echo.v1.EchoService/Say HTTP/1.1\r\nHost: a\r\nContent-Type: application/proto\r\nContent-Length: 0\r\n\r\n"
            )
            writers.append((reader, writer))
        await Haste(server).until(lambda: decisions)
        assert decisions[0].reason == BUFFERS_FULL
        await turn_until(lambda: kept(server) <= 1 << 22)
        await served(server)
        for _, writer in writers:
            writer.close()


class Keeper:
    """A connection for which nothing but calls keep bytes."""

    def __init__(self, *sizes: int, held: int = 0, answers: bool = True) -> None:
        self.loop = asyncio.get_running_loop()
        self.written = self.unsent = 0
        self.held = held
        self.calls = [Keeping(size, answers=answers) for size in sizes]
        self.reason = ""

    def kept(self) -> Any:
        return iter(self.calls)

    def overdrawn(self, reason: str) -> None:
        self.reason, self.held = reason, 0


class Keeping:
    """A call for which so many bytes are kept, of its answer or of its request."""

    def __init__(self, held: int, *, answers: bool) -> None:
        self.held = held
        self._answers = answers

    @property
    def retained(self) -> int:
        return self.held if self._answers else 0

    def overdrawn(self, reason: str) -> None:
        self.held = 0


MB = 1 << 20


def look(budget: BufferBudget, at: float, grown: dict[Keeper, int]) -> None:
    """Look at a time when so much was added."""
    with clock.using(lambda: at):
        for keeper, size in grown.items():
            budget.grew(keeper, size)
        budget.look()


async def test_the_greediest_calls_of_the_greediest_connection_pay() -> None:
    decisions: list[Decision] = []
    budget = BufferBudget(16 * MB, decisions.append)
    greedy, other = Keeper(2 * MB, 6 * MB, MB, 5 * MB), Keeper(4 * MB)
    look(budget, 0.0, {other: 4 * MB, greedy: 14 * MB})
    assert not decisions  # for a moment, more than the budget may be used
    look(budget, 1.5, {})
    assert [call.held for call in greedy.calls] == [2 * MB, 0, MB, 5 * MB]
    assert other.calls[0].held == 4 * MB
    assert len(decisions) == 1


async def test_connections_for_which_little_is_kept_are_spared() -> None:
    decisions: list[Decision] = []
    budget = BufferBudget(16 * MB, decisions.append)
    modest = [Keeper(MB) for _ in range(40)]
    for keeper in modest:
        budget.grew(keeper, MB)
    assert not decisions
    assert budget.tight
    more = [Keeper(MB) for _ in range(40)]
    for keeper in more:
        budget.grew(keeper, MB)
    assert decisions
    assert sum(call.held for keeper in modest + more for call in keeper.calls) <= 65 * MB


async def test_what_is_on_its_way_in_the_socket_costs_the_connection() -> None:
    decisions: list[Decision] = []
    budget = BufferBudget(16 * MB, decisions.append)
    greedy = Keeper(MB, held=20 * MB)
    look(budget, 0.0, {greedy: 21 * MB})
    look(budget, 1.5, {})
    assert greedy.reason == "the server keeps too many bytes for this connection"
    assert greedy.calls[0].held == MB


async def test_a_connection_that_takes_its_answers_is_spared_up_to_four_times_the_budget() -> None:
    decisions: list[Decision] = []
    budget = BufferBudget(16 * MB, decisions.append)
    reading, silent = Keeper(held=40 * MB), Keeper(held=10 * MB)
    look(budget, 0.0, {reading: 40 * MB, silent: 10 * MB})
    for second in range(1, 4):
        reading.written += MB
        look(budget, float(second), {})
    assert silent.reason
    assert not reading.reason
    reading.held = 70 * MB
    reading.written += 2 * MB
    look(budget, 4.0, {reading: 30 * MB})
    assert reading.reason
    assert len(decisions) == 2


async def test_more_than_four_times_the_budget_is_paid_for_at_once_and_once() -> None:
    decisions: list[Decision] = []
    budget = BufferBudget(16 * MB, decisions.append)
    greedy = Keeper(held=70 * MB)
    look(budget, 0.0, {greedy: 70 * MB})
    assert greedy.reason
    greedy.held = 70 * MB  # it is ending, and its bytes are on their way
    look(budget, 1.5, {greedy: MB})
    assert len(decisions) == 1


async def test_a_connection_that_has_ended_is_kept_no_more() -> None:
    budget = BufferBudget(16 * MB, lambda _: None)
    keeper = Keeper(MB)
    budget.grew(keeper, MB)
    budget.leave(keeper)
    budget.look()
    assert not budget.tight


class Asking:
    """A request that has come in part; it notes when it was given room."""

    def __init__(self, name: str, given: list[str], owed: int) -> None:
        self.name = name
        self.given = given
        self.owed = owed
        self.partial = True

    def give_room(self) -> None:
        self.given.append(self.name)


async def test_a_connection_that_takes_a_byte_a_second_is_not_spared() -> None:
    budget = BufferBudget(16 * MB, lambda _: None)
    dripping = Keeper(held=20 * MB)
    look(budget, 0.0, {dripping: 20 * MB})
    for second in range(1, 4):
        dripping.written += 1
        look(budget, float(second), {})
    assert dripping.reason


async def test_a_connection_whose_requests_end_is_spared_and_one_whose_requests_only_grow_is_not() -> None:
    budget = BufferBudget(16 * MB, lambda _: None)
    growing, ending = Keeper(8 * MB, answers=False), Keeper(6 * MB, 6 * MB, answers=False)
    look(budget, 0.0, {growing: 8 * MB, ending: 12 * MB})
    growing.calls[0].held += MB
    ending.calls[0].held = 5 * MB  # a smaller one in its place
    look(budget, 1.5, {})
    assert growing.calls[0].held == 0
    assert [call.held for call in ending.calls] == [5 * MB, 6 * MB]


async def test_connections_that_take_nothing_pay_when_there_are_many_for_each_of_which_little_is_kept() -> None:
    budget = BufferBudget(16 * MB, lambda _: None)
    modest = [Keeper(MB) for _ in range(24)]
    look(budget, 0.0, dict.fromkeys(modest, MB))
    look(budget, 1.5, {})
    assert sum(call.held for keeper in modest for call in keeper.calls) == 20 * MB  # as long as they use little more than the budget


async def test_requests_that_wait_for_room_have_it_by_turns() -> None:
    budget = BufferBudget(16 * MB, lambda _: None)
    budget.grew(Keeper(MB, MB, MB, MB, MB, MB, answers=False), 6 * MB)
    assert budget.tight
    assert not budget.scarce
    given: list[str] = []
    large = Asking("large", given, 2 * MB)
    for asking in (Asking("drips", given, 1), large, Asking("third", given, MB)):
        budget.ask(cast("Any", asking))
    for _ in range(2):
        budget.give_turns()
        assert given == ["drips", "large"]  # as far as there is room, and the oldest first until they have come whole
        given.clear()
    large.partial = False
    budget.give_turns()
    assert given == ["drips", "third"]


async def test_little_room_is_given_to_requests_while_much_is_used() -> None:
    budget = BufferBudget(16 * MB, lambda _: None)
    budget.grew(Keeper(13 * MB, answers=False), 13 * MB)
    given: list[str] = []
    for name in ("first", "second", "third"):
        budget.ask(cast("Any", Asking(name, given, 100_000)))
    budget.give_turns()
    assert given == ["first", "second"]
