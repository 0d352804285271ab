"""Whatever a server answers, in any protocol: the client's call ends with a message or with an RpcError, nothing is logged, and the next
call over a new connection succeeds."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from hypothesis import given
from hypothesis import strategies as st

from tests.echo_service import PATIENCE
from tests.hostile.budget import fuzzed
from tests.hostile.fuzzing import Changes, Faults, Moves, altered, changes_with, cut, moves, seeds, sessions, watched
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._core.context import CallOptions
from towpath._core.errors import RpcError
from towpath._transport import Channel, ChannelOptions
from towpath._wire.http2 import frames

PATIENT = CallOptions(timeout=PATIENCE)
PROTOCOLS = ("grpc", "grpc-web", "connect")
WORDS = seeds("words")


class Caller(Faults):
    """Calls servers that answer with given bytes."""

    def __init__(self, runner: asyncio.Runner) -> None:
        super().__init__(runner, logging.WARNING)

    def call(self, protocol: str, pieces: list[bytes]) -> pb.SayResponse | RpcError:
        """What a call comes to that is answered with these bytes and the end of the connection."""
        ended = self._runner.run(self._call(protocol, pieces))
        assert self.faults == []
        return ended

    async def _call(self, protocol: str, pieces: list[bytes]) -> pb.SayResponse | RpcError:
        async def answer(peer: RawPeer) -> None:
            await http2_preface(peer)
            await peer.until(frames.HEADERS)
            for piece in pieces:
                peer.writer.write(piece)
                await peer.writer.drain()

        async with raw_server(answer) as address, Channel(address, options=ChannelOptions(protocol=protocol)) as channel:
            try:
                return await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
            except RpcError as error:
                return error


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with watched(Caller) as made:
        yield made


def test_some_seed_is_an_answer_in_each_protocol(caller: Caller) -> None:
    answered = {protocol for protocol in PROTOCOLS for session in sessions("answers") if _is_answered(caller, protocol, session)}
    assert answered == set(PROTOCOLS)


def _is_answered(caller: Caller, protocol: str, session: list[bytes]) -> bool:
    return isinstance(caller.call(protocol, [b"".join(session)]), pb.SayResponse)


@fuzzed(200)
@given(
    st.sampled_from(PROTOCOLS),
    st.sampled_from(sessions("answers")),
    changes_with(WORDS),
    moves(2),
    st.lists(st.integers(0, 4000), max_size=3),
)
def test_an_answer(caller: Caller, protocol: str, session: list[bytes], changes: Changes, repeated: Moves, edges: list[int]) -> None:
    caller.call(protocol, cut(b"".join(altered(session, changes, repeated)), edges))
