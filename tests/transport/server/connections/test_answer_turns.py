"""Large answers are made by turns while many bytes of answers wait for their clients, and all of them are made."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from stream.v1 import stream_pb2 as stream_pb

from tests.echo_service import PATIENCE, Echo, turn_until
from tests.stream_service import Streams
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import Decision
from towpath._core.service import Handler, Layer, MethodSpec
from towpath._transport import ConnectionLimits, Server
from towpath._transport.server.connections.answer_turns import MODEST, AnswerTurns
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, MAX_WINDOW, Setting

LIMIT = 8 << 20
SIZE = 1_000_000
CALLS = 24
WEB = (b"content-type", b"application/grpc-web+proto")
CONNECT = (b"content-type", b"application/proto")
REPEAT = (b":path", b"/stream.v1.StreamService/Repeat")
ONE = stream_pb.RepeatRequest(answers=[{"size": SIZE}]).SerializeToString()


class Counting(Echo):
    """Answers with a megabyte, and counts the answers that it has made."""

    made = 0

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        self.made += 1
        return pb.SayResponse(n=request.n, payload=bytes(SIZE))


@asynccontextmanager
async def unread(
    message: bytes, *fields: tuple[bytes, bytes], layers: Sequence[Layer] = (), time: list[float] | None = None
) -> AsyncIterator[tuple[Server, RawPeer, list[Decision], Any]]:
    """A server and a client that has asked for 24 MB of answers, and whose windows are shut. Time stands still, unless it is changed."""
    decisions: list[Decision] = []
    echo, streams = Counting(), Streams()
    server = Server([echo, streams], layers=layers, connections=ConnectionLimits(max_buffered=LIMIT), signal=decisions.append)
    await server.start("127.0.0.1", 0)
    now = [clock.now()] if time is None else time
    try:
        with clock.using(lambda: now[0]):
            async with raw_client(server.address, [(Setting.INITIAL_WINDOW_SIZE, 0)]) as peer:
                peer.writer.write(frames.window_update(0, MAX_WINDOW - frames.DEFAULT_WINDOW))
                for number in range(CALLS):
                    peer.send(frames.HEADERS, END_HEADERS, 2 * number + 1, request_head(b"Say", *fields))
                    peer.send(frames.DATA, END_STREAM, 2 * number + 1, message)
                await turn_until(lambda: server.buffers.turns.waiting)
                yield server, peer, decisions, lambda: echo.made + streams.seen["begun"]
    finally:
        await server.close(0)


def kept(server: Server) -> int:
    return sum(link.held + sum(each.held for each in link.kept()) for link in server.links)


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (message_frame(b""), ()),
        (message_frame(b""), (WEB,)),
        (b"", (CONNECT,)),
        (message_frame(ONE), (REPEAT,)),
        (message_frame(ONE), (REPEAT, WEB)),
    ],
    ids=["grpc", "grpc-web", "connect", "grpc stream", "grpc-web stream"],
)
async def test_what_a_client_does_not_read_is_not_made_and_all_is_made_once_it_reads(message: bytes, fields: Any) -> None:
    async with asyncio.timeout(PATIENCE), unread(message, *fields) as (server, peer, decisions, made):
        await peer.until_silent_with(b"all read")
        assert made() * SIZE < LIMIT
        assert kept(server) < LIMIT
        # Another method, whose answers are small, does not wait, not even on this connection.
        peer.call(901, b"Fail", b"")
        await peer.until(frames.HEADERS, 901)
        peer.writer.write(frames.settings([(Setting.INITIAL_WINDOW_SIZE, 2 * SIZE)]))
        ended = 0
        while ended < CALLS:
            kind, flags, _, _ = await peer.frame()
            assert kind not in (frames.RST_STREAM, frames.GOAWAY)
            ended += kind in (frames.DATA, frames.HEADERS) and bool(flags & END_STREAM)
        assert made() == CALLS
        assert not decisions


@pytest.mark.parametrize("fields", [(), (CONNECT,)], ids=["grpc", "connect"])
async def test_calls_that_wait_are_cancelled_and_leave_nothing(fields: Any) -> None:
    message = b"" if fields else message_frame(b"")
    async with asyncio.timeout(PATIENCE), unread(message, *fields) as (server, peer, _, made):
        before = made()
        for number in range(CALLS):
            peer.send(frames.RST_STREAM, 0, 2 * number + 1, bytes(4))
        await turn_until(lambda: not kept(server) and not server.buffers.turns.waiting)
        assert made() == before
        peer.call(901, b"Fail", b"")
        await peer.until(frames.HEADERS, 901)


class Waits:
    """Notes how long each call has waited, as admission sees it."""

    role = "waits"

    def __init__(self) -> None:
        self.seen: list[float] = []

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        async def handle(request: Any, ctx: Context) -> Any:
            assert ctx.server is not None
            self.seen.append(clock.now() - (ctx.server.chosen_from or ctx.server.arrived))
            return await following(request, ctx)

        return handle


@pytest.mark.parametrize("fields", [(), (CONNECT,)], ids=["grpc", "connect"])
async def test_the_time_of_a_turn_is_no_sign_of_an_overload(fields: Any) -> None:
    message, waits, time = b"" if fields else message_frame(b""), Waits(), [clock.now()]
    async with asyncio.timeout(PATIENCE), unread(message, *fields, layers=[waits], time=time) as (_, peer, _, made):
        await peer.until_silent_with(b"all read")
        time[0] += 5
        for number in range(CALLS):
            peer.writer.write(frames.window_update(2 * number + 1, MAX_WINDOW))
        while made() < CALLS:
            await peer.frame()
        assert (len(waits.seen), max(waits.seen)) == (CALLS, 0)


class Call:
    """A call that has begun."""

    over = False


MB = 1 << 20


async def test_an_answer_waits_while_its_connection_has_much_to_read() -> None:
    turns = AnswerTurns(16 * MB)
    turns.measured({"reads": 7 * MB})
    assert not turns.scarce
    await turns.wait("reads", MB)
    turns.measured({"behind": 9 * MB, "other": MODEST})
    assert turns.scarce
    await turns.wait("other", MB)  # its client has little to read
    await turns.wait("behind", 1000)  # it is small
    waiting = asyncio.ensure_future(turns.wait("behind", MB))
    await asyncio.sleep(0)
    turns.give(clock.now())
    assert turns.waiting
    turns.measured({"behind": 7 * MB})
    turns.give(clock.now())
    await waiting
    assert not turns.waiting


async def test_small_answers_wait_too_when_there_is_no_room_at_all() -> None:
    turns = AnswerTurns(16 * MB)
    turns.measured({"behind": 17 * MB})
    await turns.wait("other", 1000)
    waiting = asyncio.ensure_future(turns.wait("behind", 1000))
    await asyncio.sleep(0)
    assert turns.waiting
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not turns.waiting


async def test_calls_that_went_on_count_until_their_answers_are_there() -> None:
    turns = AnswerTurns(16 * MB)
    turns.measured({"behind": 9 * MB})
    calls = [Call(), Call()]
    for call in calls:
        await turns.begin("other", call, 10, 4 * MB // 2)
    turns.measured({"behind": 9 * MB})
    waiting = asyncio.ensure_future(turns.begin("other", third := Call(), 10, 4 * MB))
    await asyncio.sleep(0)
    assert turns.request_of(third) == 10
    calls[0].over = True
    turns.measured({"behind": 9 * MB})
    turns.give(clock.now())
    await waiting
    assert turns.request_of(third) == 0


async def test_a_call_that_went_on_is_forgotten_with_its_task_if_nobody_measures_again() -> None:
    turns, call = AnswerTurns(16 * MB), Call()
    await asyncio.create_task(turns.begin("link", call, 10, 4 * MB))
    await asyncio.sleep(0)
    there = weakref.ref(call)
    del call
    assert there() is None


async def test_what_is_made_goes_before_what_is_not() -> None:
    turns = AnswerTurns(16 * MB)
    turns.measured({"behind": 16 * MB})
    order: list[str] = []

    async def wait(name: str, *, begun: bool) -> None:
        await turns.wait(name, 4 * MB, begun=begun)
        order.append(name)

    tasks = [asyncio.ensure_future(wait("first", begun=False)), asyncio.ensure_future(wait("made", begun=True))]
    await asyncio.sleep(0)
    turns.measured({"behind": 12 * MB})
    turns.give(clock.now())
    await tasks[1]
    assert order == ["made"]
    turns.measured({"behind": 12 * MB})
    turns.give(clock.now())
    await tasks[0]


async def test_one_goes_on_a_second_whatever_is_kept() -> None:
    turns = AnswerTurns(16 * MB)
    turns.measured({"behind": 32 * MB})
    at = 0.0
    with clock.using(lambda: at):
        behind = [asyncio.ensure_future(turns.wait("behind", MB)) for _ in range(3)]
        reads = [asyncio.ensure_future(turns.wait("reads all", MB)) for _ in range(3)]
        await asyncio.sleep(0)
        for second in range(1, 4):
            at = float(second)
            turns.give(at)
            turns.give(at)
            await asyncio.sleep(0)
            assert sum(task.done() for task in reads) == second
        assert not any(task.done() for task in behind)
        for second in range(4, 7):
            at = float(second)
            turns.give(at)
            turns.give(at)
            await asyncio.sleep(0)
            assert sum(task.done() for task in behind) == second - 3


async def test_a_turn_that_comes_with_a_cancellation_is_no_error() -> None:
    turns = AnswerTurns(16 * MB)
    turns.measured({"behind": 16 * MB})
    waiting = asyncio.ensure_future(turns.wait("other", MB))
    await asyncio.sleep(0)
    waiting.cancel()
    turns.measured({})
    turns.give(clock.now())
    await asyncio.wait([waiting])
    assert waiting.cancelled()
