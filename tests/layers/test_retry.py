"""What is tried again, when, and how often; and that giving up is passed on."""

import asyncio
import random

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import FAIL, SAY
from hypothesis import given
from hypothesis import strategies as st
from stream.v1.stream_towpath import COLLECT, REPEAT

from tests.layers.retry_stage import ANSWER, Stage, Target, failure
from tests.layers.virtual_time import START, virtual
from towpath._core.context import Context, enter
from towpath._core.decisions import rejection
from towpath._core.errors import Code, RpcError
from towpath._core.outcome import Outcome
from towpath._core.policies import RetryPolicy
from towpath._layers.retry import Retry
from towpath._layers.retry_budget import BudgetOptions, RetryBudget

EVERY_CODE = frozenset(Code)


def test_a_method_without_a_policy_does_not_have_the_role():
    def layer(policy):
        return Retry(policy_of=lambda _: policy, budget=RetryBudget(), source=random.Random(1))

    target = Target()
    assert layer(None).wrap(SAY, target) is target
    assert layer(RetryPolicy()).wrap(COLLECT, target) is target
    assert layer(RetryPolicy()).wrap(REPEAT, target) is not target
    assert layer(RetryPolicy()).wrap(FAIL, target) is not target


@virtual
async def test_an_answer_is_not_asked_for_twice():
    stage = Stage()
    assert await stage.run() is ANSWER
    assert (stage.target.attempts, stage.told, stage.budget.strained()) == ([0], {}, True)
    assert stage.budget.balance() == pytest.approx(100.2)


@virtual
async def test_unavailable_is_tried_again_and_each_attempt_says_how_many_came_before():
    stage = Stage(failure(), failure())
    assert await stage.run() is ANSWER
    assert stage.target.attempts == [0, 1, 2]
    assert stage.told == {"ATTEMPT": 2}
    first, second, third = stage.target.times
    assert 0 < second - first <= 0.025
    assert 0 < third - second <= 0.05


@virtual
async def test_the_last_error_is_raised_and_says_not_to_try_again():
    errors = [failure() for _ in range(3)]
    stage = Stage(*errors)
    assert await stage.fails() is errors[2]
    assert errors[2].pushback == -1
    assert (stage.target.attempts, stage.told) == ([0, 1, 2], {"ATTEMPT": 2, "ATTEMPTS_EXHAUSTED": 1})


@pytest.mark.parametrize("code", Code)
@pytest.mark.parametrize(("method", "key"), [(SAY, ""), (FAIL, "k"), (FAIL, "")])
@virtual
async def test_what_may_have_been_processed_needs_a_method_or_call_that_can_be_repeated(code, method, key):
    stage = Stage(failure(code), method=method, retryable_codes=EVERY_CODE)
    if (method is SAY or key) and code not in (Code.DEADLINE_EXCEEDED, Code.CANCELLED):
        assert await stage.run(key=key) is ANSWER
    else:
        error = await stage.fails(key=key)
        assert (stage.target.attempts, error.pushback, stage.told) == ([0], None, {})


@virtual
async def test_a_code_that_the_policy_does_not_name_is_not_tried_again():
    for code in (Code.ABORTED, Code.RESOURCE_EXHAUSTED, Code.INTERNAL):
        stage = Stage(failure(code))
        assert (await stage.fails()).pushback is None
        assert stage.target.attempts == [0]
    stage = Stage(failure(Code.UNAVAILABLE), retryable_codes=frozenset({Code.ABORTED}))
    await stage.fails()
    assert stage.target.attempts == [0]


@virtual
async def test_what_no_server_has_seen_is_repeated_at_once_and_not_counted():
    stage = Stage(failure(unprocessed=True), failure(unprocessed=True), method=FAIL, max_attempts=2)
    assert await stage.run() is ANSWER
    assert stage.target.attempts == [0, 0, 1]
    assert stage.target.times[1] == stage.target.times[0]
    assert stage.told == {"TRANSPARENT": 1, "ATTEMPT": 1}
    assert stage.budget.balance() == pytest.approx(99.2)


@virtual
async def test_only_the_first_such_repetition_is_free():
    stage = Stage(*(failure(unprocessed=True) for _ in range(3)), max_attempts=2)
    await stage.fails()
    assert stage.target.attempts == [0, 0, 1]


@virtual
async def test_where_nothing_is_retried_only_what_no_server_has_seen_is_repeated_and_nobody_is_told_to_stop():
    stage = Stage(failure(unprocessed=True), method=FAIL, max_attempts=1)
    assert await stage.run() is ANSWER
    assert (stage.target.attempts, stage.told) == ([0, 0], {"TRANSPARENT": 1})
    for errors in ([failure()], [failure(unprocessed=True), failure()], [failure(unprocessed=True), failure(unprocessed=True)]):
        last, count = errors[-1], len(errors)
        stage = Stage(*errors, max_attempts=1)
        assert await stage.fails() is last
        assert (last.pushback, stage.target.attempts) == (None, [0] * count)


@virtual
async def test_a_free_repetition_needs_time_and_no_room_in_the_budget():
    crowded = Stage(failure(unprocessed=True), budget=BudgetOptions(ratio=0, per_second=0, min_concurrent=0))
    assert await crowded.run() is ANSWER
    assert crowded.told == {"TRANSPARENT": 1}
    late = Stage(failure(unprocessed=True))
    await late.fails(deadline=START)
    assert late.told == {"DEADLINE_TOO_NEAR": 1}


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.INTERNAL, Code.DEADLINE_EXCEEDED])
@virtual
async def test_a_refusal_that_another_attempt_would_meet_again_is_not_repeated(code):
    stage = Stage(failure(code, unprocessed=True))
    await stage.fails()
    assert stage.target.attempts == [0]


@virtual
async def test_what_was_refused_unbegun_for_overload_waits_its_turn():
    stage = Stage(failure(Code.RESOURCE_EXHAUSTED, unprocessed=True), method=FAIL)
    assert await stage.run() is ANSWER
    assert stage.told == {"ATTEMPT": 1}


@pytest.mark.parametrize("wait", [0.0, 0.125, 3.0])
@virtual
async def test_the_server_says_when(wait):
    stage = Stage(failure(pushback=wait), failure(unprocessed=True, pushback=wait))
    assert await stage.run() is ANSWER
    first, second, third = stage.target.times
    assert (second - first, third - second) == (wait, wait)


@virtual
async def test_backoff_begins_anew_after_pushback():
    stage = Stage(
        failure(),
        failure(),
        failure(pushback=0.0),
        failure(),
        max_attempts=5,
        initial_backoff=0.001,
        max_backoff=10,
        backoff_multiplier=100,
    )
    await stage.run()
    assert stage.target.times[4] - stage.target.times[3] <= 0.001


@pytest.mark.parametrize("unprocessed", [True, False])
@virtual
async def test_a_server_that_wants_no_repetition_gets_none(unprocessed):
    stage = Stage(failure(unprocessed=unprocessed, pushback=-1.0))
    assert (await stage.fails()).pushback == -1
    assert (stage.target.attempts, stage.told) == ([0], {"PUSHBACK": 1})


@virtual
async def test_no_attempt_is_made_that_would_come_too_late():
    stage = Stage(failure(pushback=0.5))
    error = await stage.fails(deadline=START + 0.5)
    assert (stage.target.times, stage.told, error.pushback) == ([START], {"DEADLINE_TOO_NEAR": 1}, -1)
    assert await Stage(failure(pushback=0.5)).run(deadline=START + 0.51) is ANSWER


@virtual
async def test_an_empty_budget_ends_it():
    stage = Stage(failure(), failure(), budget=BudgetOptions(ratio=0, per_second=0.1))
    assert (await stage.fails()).pushback == -1
    assert (stage.target.attempts, stage.told) == ([0, 1], {"ATTEMPT": 1, "BUDGET_EXHAUSTED": 1})


@pytest.mark.parametrize(("code", "attempts"), [(Code.RESOURCE_EXHAUSTED, [0]), (Code.UNAVAILABLE, [0, 1])])
@virtual
async def test_who_is_being_repeated_does_not_repeat_what_met_overload(code, attempts):
    stage = Stage(failure(code), retryable_codes=EVERY_CODE)
    enter(Context("parent", attempt=1))
    if attempts == [0]:
        assert (await stage.fails()).pushback == -1
        assert stage.told == {"CALLER_RETRIES": 1}
    else:
        assert await stage.run() is ANSWER
    assert stage.target.attempts == attempts


@virtual
async def test_who_is_called_for_the_first_time_does():
    stage = Stage(failure(Code.RESOURCE_EXHAUSTED), retryable_codes=EVERY_CODE)
    enter(Context("parent"))
    assert await stage.run() is ANSWER


@virtual
async def test_a_chain_of_four_services_asks_the_last_one_three_times_and_not_eighty_one():
    leaf = Target(*(failure() for _ in range(100)))
    handler = leaf
    for _ in range(4):
        layer = Retry(policy_of=lambda _: RetryPolicy(), budget=RetryBudget(), source=random.Random(1))
        handler = layer.wrap(SAY, handler)
    with pytest.raises(RpcError):
        await handler(SayRequest(), Context("a/b"))
    assert len(leaf.attempts) == 3


@virtual
async def test_a_bug_is_not_tried_again():
    stage = Stage(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await stage.run()
    assert stage.target.attempts == [0]


@pytest.mark.parametrize("turns", range(12))
@virtual
async def test_a_call_that_is_cancelled_ends_at_once_wherever_it_is(turns):
    stage = Stage(failure(unprocessed=True), failure(), failure(pushback=1.0), failure(pushback=1.0))
    task = asyncio.get_running_loop().create_task(stage.run())
    for _ in range(turns):
        await asyncio.sleep(0)
    attempts = len(stage.target.attempts)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert len(stage.target.attempts) == attempts
    assert (stage.budget.active, stage.budget.retrying) == (0, 0)


FAILURES = st.lists(
    st.builds(failure, st.sampled_from(list(Code)), unprocessed=st.booleans(), pushback=st.sampled_from([None, None, -1.0, 0.0, 0.7])),
    max_size=7,
)


@given(FAILURES, st.integers(1, 5), st.booleans(), st.sampled_from([None, 0.3, 2.0]), st.frozensets(st.sampled_from(list(Code))))
def test_whatever_happens_attempts_time_and_budget_keep_their_bounds(failures, most, repeatable, timeout, codes):
    @virtual
    async def conversation():
        stage = Stage(*failures, method=SAY if repeatable else FAIL, max_attempts=max(2, most), retryable_codes=codes)
        deadline = None if timeout is None else START + timeout
        try:
            await stage.run(deadline=deadline)
            outcome = Outcome.SUCCESS
        except RpcError as error:
            outcome = None
            if stage.told.keys() - {"ATTEMPT", "TRANSPARENT"}:
                assert error.pushback == -1
        made = len(stage.target.attempts)
        assert made <= max(2, most) + 1
        assert made - 1 == stage.told["ATTEMPT"] + stage.told["TRANSPARENT"]
        assert deadline is None or all(time < deadline for time in stage.target.times)
        assert (outcome is Outcome.SUCCESS) == (made == len(failures) + 1)
        if not repeatable:
            assert all(error.unprocessed for error in failures[: made - 1])

    conversation()


def overloaded(pushback: float | None, method=FAIL) -> RpcError:
    error = rejection(Code.RESOURCE_EXHAUSTED, method, role="admission", reason="QUEUE_DELAY", why="full", pushback=pushback)
    error.unprocessed = False  # which does not cross the wire
    return error


@virtual
async def test_what_a_server_refused_unstarted_is_tried_again_when_it_says():
    stage = Stage(overloaded(0.5), method=FAIL)
    assert await stage.run() is ANSWER
    first, second = stage.target.times
    assert second - first == pytest.approx(0.5)


@pytest.mark.parametrize(
    "error", [overloaded(None), overloaded(-1.0), overloaded(0.5, SAY), failure(Code.RESOURCE_EXHAUSTED, pushback=0.5)]
)
@virtual
async def test_what_it_did_not_ask_for_again_or_may_have_begun_with_is_not(error):
    stage = Stage(error, method=FAIL)
    await stage.fails()
    assert stage.target.attempts == [0]


@virtual
async def test_a_call_with_a_key_comes_again_when_it_is_told_that_an_earlier_attempt_runs():
    stage = Stage(failure(Code.ABORTED, pushback=0.1), method=FAIL)
    assert await stage.run(key="k") is ANSWER
    assert stage.target.times == [START, pytest.approx(START + 0.1)]
    for key, pushback in (("k", None), ("", 0.1)):
        stage = Stage(failure(Code.ABORTED, pushback=pushback), method=FAIL)
        assert (await stage.fails(key=key)).code is Code.ABORTED
        assert stage.target.attempts == [0]
