"""A unary call over gRPC is written out for speed (`grpc_unary_handler`). What it tells an endpoint's load, its guard and the ejection of
outliers has to be what the routine tells that all other calls run through (`unary_handler` and `Attempt`): both are led through the same
outcomes, answered by the same server, on a clock that only the server moves."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library.v1 import library_pb2 as pb
from library.v1.library_towpath import LIST_BOOKS

from tests.echo_service import PATIENCE, turn_until
from tests.transport.client.load_balancing.test_endpoint_guard import Fuse
from tests.transport.client.test_grpc_unary import GRPC as GRPC_HEAD
from tests.transport.client.test_grpc_unary import head, whole
from tests.transport.fleet import EAGER, states
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import Decision
from towpath._core.errors import RpcError
from towpath._core.outcome import Outcome, classify
from towpath._core.service import Handler
from towpath._transport import Channel, ChannelOptions
from towpath._transport.client.endpoints.endpoint import State
from towpath._transport.client.grpc_unary import grpc_unary_handler
from towpath._transport.client.load_balancing.outlier_ejection import Ejection
from towpath._transport.client.unary import unary_handler
from towpath._wire.grpc.framing import frame
from towpath._wire.http.fields import Template
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_STREAM
from towpath._wire.protocol import request_head
from towpath._wire.protocols import CLIENT_HALVES

GRPC = CLIENT_HALVES["grpc"]

LIMIT = 100_000
"""The message limit in bytes."""

TOO_MANY = pb.ListBooksResponse(books=[pb.Book()] * 40_000).SerializeToString()
"""A message within the limit that has more elements than go with it."""

GOOD = frame(pb.ListBooksResponse(books=[pb.Book()]).SerializeToString())


REQUEST_HEAD = Template(*request_head(LIST_BOOKS.path, b"http", b"test", GRPC.unary_fields(None)))


def generic(channel: Channel) -> Handler:
    """What no channel binds a unary method of gRPC to."""
    return unary_handler(channel.pool, LIST_BOOKS, REQUEST_HEAD, GRPC, limit=LIMIT, compression=None)


def unrolled(channel: Channel) -> Handler:
    """What each channel binds it to."""
    return grpc_unary_handler(channel.pool, LIST_BOOKS, REQUEST_HEAD, limit=LIMIT, compression=None, rows=None)


def without_trailers(peer: RawPeer, stream: int) -> None:
    head(peer, stream, *GRPC_HEAD)
    peer.send(frames.DATA, END_STREAM, stream, GOOD)


ANSWERS: dict[str, Callable[[RawPeer, int], None]] = {
    "success": lambda peer, stream: whole(peer, stream, GOOD),
    "status": lambda peer, stream: head(peer, stream, *GRPC_HEAD, (b"grpc-status", b"5"), end=True),
    "overload": lambda peer, stream: head(peer, stream, *GRPC_HEAD, (b"grpc-status", b"8"), end=True),
    "undecodable": lambda peer, stream: whole(peer, stream, frame(b"\xff")),
    "too many elements": lambda peer, stream: whole(peer, stream, frame(TOO_MANY)),
    "not grpc": lambda peer, stream: head(peer, stream, (b":status", b"503"), end=True),
    "no trailers": without_trailers,
    "no message": lambda peer, stream: whole(peer, stream, b""),
    "two messages": lambda peer, stream: whole(peer, stream, frame(b"") * 2),
    "refused": lambda peer, stream: peer.writer.write(frames.rst_stream(stream, ErrorCode.REFUSED_STREAM)),
    "lost": lambda peer, stream: peer.writer.close(),
    "panic": lambda peer, stream: whole(peer, stream, GOOD),
}
"""What a server does with a call."""

UNANSWERED = ("cancelled", "deadline", "cancelled before")
"""What becomes of a call that a server takes and does not answer, or of one that it never sees."""

STEPS = (*ANSWERS, *UNANSWERED)


class Guard(Fuse):
    """Also keeps what it was told of times, and every call away while it is `closed`."""

    closed = False

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.times: list[float] = []

    def allows(self, method: str) -> bool:
        return not self.closed

    def record(self, begun: int, seconds: float, error: BaseException | None) -> None:
        super().record(begun, seconds, error)
        self.times.append(round(seconds, 3))


@dataclass
class Run:
    """One sequence of calls through one routine."""

    routine: Callable[[Channel], Handler]
    now: float = 0.0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    step: str = ""
    signals: list[str] = field(default_factory=list[str])
    resets: list[int] = field(default_factory=list[int])
    facts: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])

    async def serve(self, peer: RawPeer) -> None:
        await http2_preface(peer)
        while True:
            kind, _, stream, payload = await peer.frame()
            if kind == frames.RST_STREAM:
                self.resets.append(int.from_bytes(payload, "big"))
            elif kind == frames.DATA:
                if self.step in ANSWERS:
                    self.now += 0.25
                    ANSWERS[self.step](peer, stream)
                self.asked.set()

    async def call(self, handler: Handler) -> Outcome:
        ctx = Context(LIST_BOOKS.full_name)
        ctx.wait_for_ready = True
        self.asked.clear()
        task = asyncio.create_task(handler(pb.ListBooksRequest(), ctx))
        if self.step == "cancelled before":
            task.cancel()
        elif self.step == "cancelled":
            await self.asked.wait()
            task.cancel()
        elif self.step == "deadline":
            ctx.deadline = asyncio.get_running_loop().time()
        await asyncio.wait([task])
        if self.step != "cancelled before":
            await self.asked.wait()  # a call may have expired before the server has looked
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        assert error is None or isinstance(error, (RpcError, asyncio.CancelledError)), error
        return classify(error)

    async def through(self, steps: list[str]) -> list[tuple[Any, ...]]:
        """What was known of the endpoint after each of `steps`, and in the end the resets and signals."""
        guards: dict[str, Guard] = {}

        def guard(place: str) -> Guard:
            return guards.setdefault(place, Guard(place))

        def signal(decision: Decision) -> None:
            self.signals.append(decision.reason)

        self.now = asyncio.get_running_loop().time()
        options = ChannelOptions(backoff=EAGER, ejection=Ejection(interval=1e9))
        async with asyncio.timeout(PATIENCE), raw_server(self.serve) as address:
            target = f"static:///{address},127.0.0.1:1"  # the load of a sole endpoint is not kept
            with clock.using(lambda: self.now):
                async with Channel(target, options=options, guards=guard, signal=signal) as channel:
                    handler = self.routine(channel)
                    for step in ("success", *steps, "success"):
                        self.step = step
                        if address in guards:
                            guards[address].closed = step == "panic"
                        outcome = await self.call(handler)
                        endpoint, _ = channel.pool.endpoints.values()
                        await turn_until(lambda: State.READY in states(channel))  # again, after a connection that was lost
                        load = endpoint.load
                        tally = (load.tally.successes, load.tally.failures)
                        self.facts.append((step, outcome, load.in_flight, round(load.cost, 3), tally))
        told = guards[address]
        return [*self.facts, (told.heard, told.times, told.methods), tuple(self.resets), tuple(self.signals)]


async def both(steps: list[str]) -> list[tuple[Any, ...]]:
    told = await Run(unrolled).through(steps)
    assert told == await Run(generic).through(steps)
    return told


@pytest.mark.parametrize("step", STEPS)
async def test_a_unary_call_over_grpc_tells_what_the_routine_of_all_other_calls_tells(step: str) -> None:
    told = await both([step])
    assert (told[1][0], told[1][2]) == (step, 0)


@settings(max_examples=10)
@given(st.lists(st.sampled_from(STEPS), min_size=2, max_size=6))
def test_and_so_it_does_after_any_sequence_of_outcomes(steps: list[str]) -> None:
    asyncio.run(both(steps))
