"""The thread in which messages are read that take long."""

import asyncio
import threading
import time

import pytest
from everything.v1 import everything_pb2 as pb

from tests.everything_service import LIMIT, costly, crowded, thread_taken
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._transport.decoding_thread import check_apart, read_apart
from towpath._wire.codec import PROTO
from towpath._wire.small_fields import LEAST


def context(deadline: float | None = None) -> Context:
    return Context("a.B/C", deadline=deadline)


async def test_it_is_one_thread_and_not_the_loops() -> None:
    first, second = [await read_apart(threading.current_thread, context()) for _ in range(2)]
    assert first is second
    assert first is not threading.current_thread()


async def test_what_it_raises_is_raised_to_the_call() -> None:
    def fail() -> None:
        raise RpcError(Code.DATA_LOSS, "half of it")

    with pytest.raises(RpcError, match="half of it"):
        await read_apart(fail, context())


async def test_nothing_is_read_for_a_call_whose_deadline_has_passed() -> None:
    read: list[int] = []
    with pytest.raises(RpcError) as caught:
        await read_apart(lambda: read.append(1), context(clock.now()))
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    assert not read


async def test_nothing_is_read_for_a_call_that_was_cancelled_while_it_waited() -> None:
    read: list[int] = []
    with thread_taken():
        waiting = asyncio.ensure_future(read_apart(lambda: read.append(1), context()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await read_apart(lambda: read.append(2), context())
    assert read == [2]


async def test_a_message_is_checked_there_if_its_elements_have_to_be_counted() -> None:
    await check_apart(pb.Everything, costly().SerializeToString(), LIMIT, context())
    with pytest.raises(RpcError, match="more than 32768 messages"):
        await check_apart(pb.Everything, crowded().SerializeToString(), LIMIT, context())
    with thread_taken():
        await check_apart(pb.Everything, bytes(100_000), LIMIT, context())


async def test_others_have_a_turn_between_the_slices_of_a_large_message(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[tuple[threading.Thread, float]] = []

    def sleep(seconds: float) -> None:
        pauses.append((threading.current_thread(), seconds))

    monkeypatch.setattr(time, "sleep", sleep)
    raw = pb.Everything(int32s=[1] * LEAST * 2).SerializeToString()
    await read_apart(lambda: PROTO.decode(raw, pb.Everything, len(raw)), context())
    thread = await read_apart(threading.current_thread, context())
    own = [seconds for sleeper, seconds in pauses if sleeper is thread]
    assert len(own) >= 8
    assert min(own) > 0
