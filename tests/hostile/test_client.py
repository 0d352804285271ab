"""Hostile servers: the client's call ends with the answer or with a clear error, and a call to another server is answered beside it."""

import asyncio
import gc
import gzip
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import uvloop
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo, serving
from tests.hostile.protocols import message
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel
from towpath._wire.hpack import literal
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import ACK, END_HEADERS, END_STREAM, PADDED, Setting, frame

PATIENT = CallOptions(timeout=PATIENCE)

MOST_BLOCKS = 50_000
"""Growth, in allocated blocks of Python's heap, that a call may leave: some megabytes."""

BATCH, BATCHES = 1000, 30


def head(*fields: tuple[bytes, bytes]) -> bytes:
    return frame(frames.HEADERS, END_HEADERS, 1, b"".join(literal(*field) for field in fields))


def data(payload: bytes) -> bytes:
    return b"".join(frame(frames.DATA, 0, 1, payload[start : start + 16_384]) for start in range(0, len(payload), 16_384))


HEAD = head((b":status", b"200"), (b"content-type", b"application/grpc"))
COMPRESSED = head((b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-encoding", b"gzip"))
ANSWER = data(message(b"\x0a\x01x", compressed=False))
TRAILERS = frame(frames.HEADERS, END_HEADERS | END_STREAM, 1, literal(b"grpc-status", b"0"))
WINDOWS = b"".join(frames.settings([(Setting.INITIAL_WINDOW_SIZE, size)]) for size in (1, 70_000))


class Misdeed(NamedTuple):
    """What a server does."""

    codes: frozenset[Code | None]
    """How the call may end; None for the answer."""
    first: bytes = b""
    """What is sent once."""
    piece: bytes = b""
    """What is sent 30,000 times behind it: three times what a connection may do at once."""
    last: bytes = HEAD + ANSWER + TRAILERS
    """What is sent at the end."""


CALM = frozenset({Code.UNAVAILABLE})
BOUNDED = frozenset({Code.UNAVAILABLE, None})
TOO_MUCH = frozenset({Code.RESOURCE_EXHAUSTED})
WRONG = frozenset({Code.INTERNAL})
BOMB = gzip.compress(bytes(64 << 20), 1)[:200_000]

MISDEEDS: dict[str, Misdeed] = {
    "settings": Misdeed(CALM, piece=frames.settings([])),
    "settings of windows": Misdeed(CALM, piece=WINDOWS),
    "goodbyes": Misdeed(CALM, piece=frames.goaway(2**31 - 1, 0)),
    "continuations": Misdeed(CALM, frame(frames.HEADERS, 0, 1, b"\x88"), frame(frames.CONTINUATION, 0, 1)),
    "a promise": Misdeed(CALM, frame(frames.PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2\x88")),
    "empty data": Misdeed(CALM, HEAD, frame(frames.DATA, 0, 1), ANSWER + TRAILERS),
    "pings": Misdeed(BOUNDED, piece=frame(frames.PING, 0, 0, b"question")),
    "answers to pings": Misdeed(BOUNDED, piece=frame(frames.PING, ACK, 0, b"question")),
    "empty data with padding": Misdeed(BOUNDED, HEAD, frame(frames.DATA, PADDED, 1, b"\0"), ANSWER + TRAILERS),
    "interim responses": Misdeed(BOUNDED, piece=head((b":status", b"103"))),
    "priorities": Misdeed(BOUNDED, piece=frame(frames.PRIORITY, 0, 1, b"\0\0\0\0\3")),
    "unknown frames": Misdeed(BOUNDED, piece=frame(0xFA, 0, 0)),
    "window updates": Misdeed(BOUNDED, piece=frames.window_update(0, 1)),
    "window updates of a call": Misdeed(BOUNDED, piece=frames.window_update(1, 1)),
    "a header bomb": Misdeed(CALM, frame(frames.HEADERS, END_HEADERS, 1, b"\x40\x04aaaa\x7f\xbd\x1d" + b"b" * 3900 + b"\xbe" * 12_000)),
    "a gzip bomb": Misdeed(TOO_MUCH, COMPRESSED + data(message(BOMB)), last=TRAILERS),
    "a length of 4 GiB": Misdeed(TOO_MUCH, HEAD + data(b"\0\xff\xff\xff\xff"), last=TRAILERS),
    "messages without end": Misdeed(WRONG, HEAD, data(bytes(5)), TRAILERS),
    "half of a message": Misdeed(WRONG, HEAD + data(b"\0\0\0\0\5x"), last=TRAILERS),
}


async def outcome(misdeed: Misdeed) -> Code | None:
    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer)
        await peer.until(frames.HEADERS)
        peer.writer.write(misdeed.first)
        for _ in range(BATCHES):
            peer.writer.write(misdeed.piece * BATCH)
            await peer.writer.drain()
        peer.writer.write(misdeed.last)
        await peer.closed()

    async with serving(Echo()) as other, Channel(other.address) as beside, raw_server(behave) as address, Channel(address) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(), PATIENT))
        for _ in range(20):
            assert (await EchoServiceClient(beside).say(pb.SayRequest(id="beside"), PATIENT)).id == "beside"
        try:
            await call
        except RpcError as error:
            return error.code
        return None


def shown(context: dict[str, Any]) -> Iterator[str]:
    """What the loop says of an exception, unless it is the hostile server's, whose connection was reset while it wrote."""
    if not isinstance(context.get("exception"), ConnectionError):
        yield str(context)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("kind", MISDEEDS)
def test_a_hostile_server_costs_its_own_call(kind: str, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    misdeed = MISDEEDS[kind]
    faults: list[str] = []
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: faults.extend(shown(context)))
        runner.run(outcome(misdeed))  # what is kept for good after a first call is no leak
        gc.collect()
        blocks = sys.getallocatedblocks()
        assert runner.run(outcome(misdeed)) in misdeed.codes
        gc.collect()
        assert sys.getallocatedblocks() - blocks < MOST_BLOCKS
    assert faults == []
