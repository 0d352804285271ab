"""The copies of `RetryBudget.began` and `RetryBudget.ended` on the path of calls that succeed do what the originals do."""

import asyncio
import random

from echo.v1.echo_pb2 import SayRequest, SayResponse
from echo.v1.echo_towpath import SAY
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.virtual_time import Hand
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.outcome import Outcome
from towpath._core.policies import RetryPolicy
from towpath._layers.retry import Retry
from towpath._layers.retry_budget import RetryBudget


def state(budget: RetryBudget) -> tuple[int, int, float, bool]:
    return budget.active, budget.retrying, budget.balance(), budget.strained()


@settings(max_examples=50)
@given(st.lists(st.floats(0, 12), max_size=20))
def test_calls_that_succeed_count_as_began_and_ended_would_count_them(pauses: list[float]) -> None:
    layered, original = RetryBudget(), RetryBudget()
    during: list[tuple[int, int, float, bool]] = []

    async def answer(_request: SayRequest, _ctx: Context) -> SayResponse:
        during.append(state(layered))
        return SayResponse()

    call = Retry(policy_of=lambda _: RetryPolicy(), budget=layered, source=random.Random(1)).wrap(SAY, answer)
    hand = Hand()
    with clock.using(hand):
        for pause in pauses:
            hand.now += pause
            original.began()
            asyncio.run(call(SayRequest(), Context("a/b")))
            assert during.pop() == state(original)
            original.ended(Outcome.SUCCESS)
            assert state(layered) == state(original)
