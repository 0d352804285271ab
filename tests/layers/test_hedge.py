"""A second attempt helps a slow first one, costs what was allowed, and leaves nothing behind."""

import asyncio
import contextlib
from collections import Counter

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import FAIL, SAY
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.virtual_time import START, virtual
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import Decision
from towpath._core.errors import Code, RpcError
from towpath._core.policies import HedgingPolicy
from towpath._layers.hedge import Hedge
from towpath._layers.retry_budget import BudgetOptions, RetryBudget


def failure(code: Code = Code.UNAVAILABLE, pushback: float | None = None) -> RpcError:
    error = RpcError(code, "as told")
    error.pushback = pushback
    return error


class Target:
    """Each attempt takes as long, and ends with what, as it is told; then the next ones answer with their number at once."""

    def __init__(self) -> None:
        self.plan: list[tuple[float, object]] = []
        self.attempts: list[tuple[int, float]] = []
        self.cancelled = 0

    async def __call__(self, _request, ctx):
        self.attempts.append((ctx.attempt, round(clock.now() - START, 6)))
        seconds, result = self.plan.pop(0) if self.plan else (0.0, ctx.attempt)
        try:
            if seconds:
                await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(result, BaseException):
            raise result
        return result


class Stage:
    def __init__(self, *plan, budget=None, overloaded=False, **policy) -> None:
        self.target = Target()
        self.budget = RetryBudget(budget)
        self.told: Counter[str] = Counter()
        layer = Hedge(
            policy_of=lambda _: HedgingPolicy(**{"extra_load": 0.05, "hedging_delay": 0.1, **policy}),
            budget=self.budget,
            **({"overloaded": lambda: True} if overloaded else {}),
            signal=self._hear,
        )
        self.handler = layer.wrap(SAY, self.target)
        self.plan = list(plan)

    def _hear(self, decision: Decision) -> None:
        assert (decision.role, decision.shadow, decision.rejected) == ("hedge", False, False)
        assert decision.ctx.method == "a/b"
        self.told[decision.reason] += 1

    async def run(self, deadline=None, key=""):
        """Earn three hedges and twelve retries, then make the call."""
        for _ in range(60):
            await self.handler(SayRequest(), Context("a/b"))
        assert not self.told
        self.target.attempts.clear()
        self.target.plan = self.plan
        try:
            ctx = Context("a/b", deadline)
            ctx.idempotency_key = key
            return await self.handler(SayRequest(), ctx)
        finally:
            assert not [task for task in asyncio.all_tasks() if task.get_name() == "a/b"]
            assert self.budget.active == 0
            await asyncio.sleep(0)
            assert self.budget.retrying == 0


def test_only_a_method_that_can_be_repeated_has_the_role():
    target = Target()
    given_policy = Hedge(policy_of=lambda _: HedgingPolicy(), budget=RetryBudget())
    assert given_policy.wrap(FAIL, target) is target
    assert given_policy.wrap(SAY, target) is not target
    assert Hedge(policy_of=lambda _: None, budget=RetryBudget()).wrap(SAY, target) is target


@virtual
async def test_a_quick_answer_needs_no_hedge():
    stage = Stage((0.09, "first"))
    assert await stage.run() == "first"
    assert (stage.target.attempts, stage.told) == ([(0, 0.0)], {})


@virtual
async def test_the_second_attempt_answers_and_the_first_is_cancelled():
    stage = Stage((5.0, "first"), (0.05, "second"))
    assert await stage.run() == "second"
    assert stage.target.attempts == [(0, 0.0), (1, 0.1)]
    assert (stage.target.cancelled, stage.told) == (1, {"ATTEMPT": 1, "WON": 1})
    assert clock.now() == pytest.approx(START + 0.15)


@virtual
async def test_the_first_may_still_win_and_wins_a_draw():
    stage = Stage((0.15, "first"), (1.0, "second"))
    assert await stage.run() == "first"
    assert (stage.target.cancelled, stage.told) == (1, {"ATTEMPT": 1})
    draw = Stage((0.0, "first"), (0.0, "second"), hedging_delay=0.0)
    assert await draw.run() == "first"


@virtual
async def test_attempts_follow_each_other_up_to_the_policys_number():
    stage = Stage(*[(9.0, "late")] * 3, max_attempts=3)
    assert await stage.run() == "late"
    assert stage.target.attempts == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert stage.target.cancelled == 2


@virtual
async def test_a_failure_that_is_not_fatal_lets_the_others_go_on_and_the_next_begin():
    stage = Stage((0.15, failure()), (0.2, "second"), (9.0, "third"), max_attempts=3)
    assert await stage.run() == "second"
    assert stage.target.attempts == [(0, 0.0), (1, 0.1), (2, 0.15)]


@virtual
async def test_the_last_failure_is_the_calls():
    stage = Stage((0.15, failure()), (0.2, last := failure()))
    with pytest.raises(RpcError) as caught:
        await stage.run()
    assert caught.value is last


@pytest.mark.parametrize("fatal", [failure(Code.INVALID_ARGUMENT), ValueError("a bug"), asyncio.CancelledError()])
@virtual
async def test_any_other_error_ends_the_call(fatal):
    stage = Stage((9.0, "first"), (0.1, fatal))
    with pytest.raises(type(fatal)):
        await stage.run()
    assert stage.target.cancelled == 1


@pytest.mark.parametrize("pushback", [-1.0, 0.0, 1.0])
@virtual
async def test_a_server_that_pushes_back_gets_no_further_attempt(pushback):
    stage = Stage((0.15, failure(pushback=pushback)), (0.3, "second"), max_attempts=5)
    assert await stage.run() == "second"
    assert len(stage.target.attempts) == 2


@virtual
async def test_who_is_overloaded_does_not_hedge():
    stage = Stage((1.0, "first"), overloaded=True)
    assert await stage.run() == "first"
    assert (len(stage.target.attempts), stage.told) == (1, {"OVERLOADED": 3})  # after 0.1, 0.3 and 0.7 s


@virtual
async def test_a_target_whose_calls_earn_nothing_is_not_hedged():
    stage = Stage((1.0, "first"), budget=BudgetOptions(ratio=0))
    assert await stage.run() == "first"
    assert stage.told == {"OVERLOADED": 3}


@virtual
async def test_the_shared_budget_has_its_say():
    stage = Stage((1.0, "first"), budget=BudgetOptions(min_concurrent=0))
    assert await stage.run() == "first"
    assert stage.told == {"BUDGET_EXHAUSTED": 3}


@virtual
async def test_one_for_which_there_was_no_room_is_sent_when_there_is():
    stage = Stage((1.0, "first"), (0.05, "second"))
    stage.budget.retrying = 3  # as many as may be under way
    asyncio.get_running_loop().call_later(0.2, setattr, stage.budget, "retrying", 0)
    began = clock.now()
    assert await stage.run() == "second"
    assert clock.now() - began == pytest.approx(0.1 + 0.2 + 0.05)


@virtual
async def test_hedges_stay_the_share_of_calls_that_was_allowed():
    stage = Stage(budget=BudgetOptions(min_concurrent=1000))
    stage.target.plan = [(0.3, "slow")] * 1000
    for _ in range(10):
        await asyncio.gather(*(stage.handler(SayRequest(), Context("a/b")) for _ in range(40)))
    assert stage.told["ATTEMPT"] <= 0.05 * 400
    assert stage.told["BUDGET_EXHAUSTED"] > 100


@virtual
async def test_the_delay_is_what_all_but_the_allowed_share_stay_below():
    stage = Stage((9.0, "first"), hedging_delay=None)
    stage.target.plan = [(0.02, "quick")] * 95 + [(0.5, "slow")] * 5
    for _ in range(100):
        await stage.handler(SayRequest(), Context("a/b"))
    stage.target.plan = [(9.0, "first")]
    began = clock.now()
    assert await stage.handler(SayRequest(), Context("a/b")) == 1
    assert clock.now() - began == pytest.approx(0.02, rel=0.1)


@virtual
async def test_it_is_a_millisecond_at_least_and_calls_that_ended_in_errors_say_nothing():
    stage = Stage(hedging_delay=None)
    stage.target.plan = [(0.0, "quick")] * 60 + [(0.0, failure(Code.NOT_FOUND))] * 200 + [(0.5, failure(Code.DEADLINE_EXCEEDED))] * 2
    for _ in range(262):
        with contextlib.suppress(RpcError):
            await stage.handler(SayRequest(), Context("a/b"))
    await asyncio.sleep(3)
    stage.target.plan = [(9.0, "first")]
    began = clock.now()
    assert await stage.handler(SayRequest(), Context("a/b")) == 1
    assert clock.now() - began == pytest.approx(0.001)


@pytest.mark.parametrize("seconds", [0.001, 0.05, 0.1, 0.15, 0.3])
@virtual
async def test_cancelling_the_call_cancels_every_attempt(seconds):
    stage = Stage((9.0, "first"), (9.0, "second"))
    task = asyncio.get_running_loop().create_task(stage.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert stage.target.cancelled == len(stage.target.attempts)


RESULTS = st.one_of(
    st.just("answer"), st.builds(failure, st.sampled_from([Code.UNAVAILABLE, Code.INTERNAL]), st.sampled_from([None, -1.0]))
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.25, 2.0]), RESULTS), min_size=5, max_size=5), st.integers(2, 5))
def test_whatever_the_attempts_do_one_of_their_ends_is_the_calls_and_none_is_left(plan, most):
    @virtual
    async def conversation():
        stage = Stage(*plan, max_attempts=most)
        try:
            ended: object = await stage.run()
        except RpcError as error:
            ended = error
        made = len(stage.target.attempts)
        assert 1 <= made <= min(most, 4)
        assert any(ended is result for _, result in plan[:made])
        assert made - 1 == stage.told["ATTEMPT"]

    conversation()


@virtual
async def test_a_hedge_that_meets_the_first_attempt_by_their_key_ends_no_call():
    held = failure(Code.ABORTED, pushback=0.1)
    assert await Stage((1.0, "first"), (0.0, held)).run(key="k") == "first"
    assert await Stage((1.0, held), (2.0, "second")).run(key="k") == "second"
    for key, error in (("", held), ("k", failure(Code.ABORTED))):
        with pytest.raises(RpcError, match="ABORTED"):
            await Stage((1.0, "first"), (0.0, error)).run(key=key)
