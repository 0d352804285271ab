"""A call whose answer is a stream is tried again until the answer begins, and not after."""

import asyncio
import random
from dataclasses import replace

import pytest
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import REPEAT

from tests.layers.virtual_time import virtual
from towpath._core import clock
from towpath._core.calls.asynchronous import ClientExchange
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._core.policies import RetryPolicy
from towpath._core.service import Idempotency
from towpath._layers.retry import Retry
from towpath._layers.retry_budget import RetryBudget

REPEATABLE = replace(REPEAT, idempotency=Idempotency.NO_SIDE_EFFECTS)


class Wire:
    """An attempt that has begun to answer, or has not."""

    def __init__(self, begun: bool) -> None:
        self._begun = begun

    def answering(self) -> bool:
        return self._begun

    def take(self):
        return None


class Stage:
    """Each attempt is one of `ends`: whether its answer begins, and the error that it ends with."""

    def __init__(self, *ends: tuple[bool, RpcError | None], method=REPEATABLE) -> None:
        self.ends = list(ends)
        self.attempts: list[int] = []
        self.budget = RetryBudget()
        self.retrying: list[int] = []
        layer = Retry(policy_of=lambda _: RetryPolicy(), budget=self.budget, source=random.Random(1))
        self.call = layer.wrap(method, self.attempt)

    async def attempt(self, exchange, ctx) -> None:
        self.attempts.append(ctx.attempt)
        self.retrying.append(self.budget.retrying)
        begun, error = self.ends.pop(0)
        exchange.attached(Wire(begun))
        await asyncio.sleep(0)
        if error is not None:
            raise error

    async def run(self) -> None:
        exchange = ClientExchange.start(self.call, Context(REPEAT.full_name), pb.RepeatRequest())
        try:
            assert await exchange.receive() is None
        finally:
            assert (self.budget.active, self.budget.retrying) == (0, 0)


def gone() -> RpcError:
    return RpcError(Code.UNAVAILABLE, "gone")


@virtual
async def test_an_attempt_that_has_not_answered_is_followed_by_another():
    stage = Stage((False, gone()), (False, gone()), (True, None))
    before = stage.budget.balance()
    await stage.run()
    assert stage.attempts == [0, 1, 2]
    assert stage.budget.balance() == pytest.approx(before - 2 + 0.2)


@virtual
async def test_none_follows_one_that_has_begun_to_answer():
    stage = Stage((True, gone()))
    with pytest.raises(RpcError, match="gone") as caught:
        await stage.run()
    assert (stage.attempts, caught.value.pushback) == ([0], None)


@virtual
async def test_none_follows_a_second_one_that_has():
    stage = Stage((False, gone()), (True, gone()))
    with pytest.raises(RpcError, match="gone"):
        await stage.run()
    assert stage.attempts == [0, 1]


@virtual
async def test_none_follows_one_whose_handler_may_have_begun_unless_the_method_may_be_repeated():
    unseen = gone()
    unseen.unprocessed = True
    stage = Stage((False, unseen), (False, gone()), (True, None), method=REPEAT)
    with pytest.raises(RpcError, match="gone") as caught:
        await stage.run()
    assert (stage.attempts, caught.value.pushback) == ([0, 0], None)


@virtual
async def test_a_stream_holds_no_place_among_the_retries_while_it_lasts():
    stage = Stage((False, gone()), (True, None))
    await stage.run()
    assert stage.retrying == [0, 0]


@virtual
async def test_an_attempt_that_no_server_has_seen_is_followed_by_another_at_once():
    unseen = gone()
    unseen.unprocessed = True
    stage = Stage((False, unseen), (True, None))
    await stage.run()
    assert stage.attempts == [0, 0]


@virtual
async def test_a_call_that_is_cancelled_before_its_next_attempt_makes_none():
    stage = Stage((False, RpcError(Code.UNAVAILABLE, "later")), (True, None))
    stage.ends[0][1].pushback = 60.0
    exchange = ClientExchange.start(stage.call, Context(REPEAT.full_name), pb.RepeatRequest())
    await asyncio.sleep(1)
    assert stage.budget.retrying == 1
    exchange.task.cancel()
    await asyncio.wait([exchange.task])
    assert (stage.attempts, stage.budget.retrying) == ([0], 0)


async def test_an_answer_that_begins_ends_an_outage():
    stage = Stage()
    now = 1000.0
    with clock.using(lambda: now):
        for _ in range(3):
            stage.ends = [(False, RpcError(Code.UNAVAILABLE, "away"))] * 3
            with pytest.raises(RpcError, match="away"):
                await stage.run()
            now += 2.0
        stage.attempts.clear()
        stage.ends = [(True, RpcError(Code.UNAVAILABLE, "broken off"))]
        with pytest.raises(RpcError, match="broken off"):
            await stage.run()
        stage.ends = [(False, RpcError(Code.UNAVAILABLE, "away")), (False, None)]
        await stage.run()
    assert stage.attempts == [0, 0, 1]
