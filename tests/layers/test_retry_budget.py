"""Retries and hedges stay a small share of the load, whatever happens."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.layers.virtual_time import Hand
from towpath._core import clock
from towpath._core.errors import SetupError
from towpath._core.outcome import Outcome
from towpath._layers.retry_budget import SECONDS, BudgetOptions, RetryBudget, RetryTokenBucket

EARNING = [Outcome.SUCCESS, Outcome.CLIENT_FAULT, Outcome.FATAL]


@pytest.fixture
def hand():
    hand = Hand()
    with clock.using(hand):
        yield hand


def withdrawals(allowance: RetryTokenBucket | RetryBudget) -> int:
    count = 0
    while allowance.withdraw():
        count += 1
    return count


@pytest.mark.parametrize(("ratio", "expected"), [(0.1, 100), (0.2, 200), (0.3, 300), (0.7, 700), (1.0, 1000), (1.5, 1500)])
def test_no_ratio_is_rounded(hand, ratio, expected):
    allowance = RetryTokenBucket(ratio)
    for _ in range(1000):
        allowance.deposit()
    assert withdrawals(allowance) == expected


def test_the_reserve_needs_no_calls_and_is_there_again_after_ten_seconds(hand):
    allowance = RetryTokenBucket(0.2, reserve=100)
    assert withdrawals(allowance) == 100
    hand.now += SECONDS - 1
    assert withdrawals(allowance) == 0
    hand.now += 1
    assert withdrawals(allowance) == 100


def test_deposits_go_after_ten_seconds(hand):
    allowance = RetryTokenBucket(1.0)
    allowance.deposit()
    hand.now += 5
    allowance.deposit()
    assert allowance.balance() == 2
    hand.now += 5
    assert allowance.balance() == 1
    hand.now += 1000
    assert allowance.balance() == 0
    assert not allowance.withdraw()


def test_the_oldest_deposit_is_spent_first(hand):
    allowance = RetryTokenBucket(1.0)
    allowance.deposit()
    hand.now += 9
    allowance.deposit()
    assert allowance.withdraw()
    hand.now += 1
    assert allowance.withdraw()


@pytest.mark.parametrize("outcome", Outcome)
def test_only_a_call_that_asks_for_no_other_attempt_earns_one(hand, outcome):
    budget = RetryBudget(BudgetOptions(ratio=1.0, per_second=0))
    budget.began()
    budget.ended(outcome)
    assert budget.balance() == (1 if outcome in EARNING else 0)
    assert budget.strained() is (outcome not in EARNING)


def test_three_retries_may_be_under_way_or_a_fifth_of_the_calls(hand):
    budget = RetryBudget()
    assert withdrawals(budget) == 3
    for _ in range(100):
        budget.began()
    assert withdrawals(budget) == 17
    assert budget.balance() == 80
    budget.returned()
    assert withdrawals(budget) == 1
    assert budget.balance() == 79


def test_a_refused_retry_takes_nothing(hand):
    budget = RetryBudget(BudgetOptions(per_second=0.1))
    assert budget.withdraw()
    assert not budget.withdraw()
    assert (budget.retrying, budget.balance()) == (1, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": -0.1}, r"ratio of the retry budget is -0.1; give 0 to 10"),
        ({"ratio": float("nan")}, r"ratio of the retry budget is nan"),
        ({"concurrent_ratio": 11}, r"concurrent_ratio of the retry budget is 11; give 0 to 10"),
        ({"per_second": float("inf")}, r"per_second of the retry budget is inf; give 0 or more"),
        ({"per_second": -1}, r"per_second of the retry budget is -1"),
        ({"min_concurrent": -1}, r"min_concurrent of the retry budget is -1; give 0 or more"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(SetupError, match=message):
        BudgetOptions(**options)


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["began", "withdraw", "returned"]),
        st.sampled_from(list(Outcome)),
        st.floats(0, 15, allow_nan=False),
    ),
    max_size=150,
)


@given(STEPS, st.floats(0, 2), st.integers(0, 2), st.integers(0, 4))
def test_the_balance_and_the_retries_under_way_keep_their_bounds(steps, ratio, per_second, least):
    hand = Hand()
    with clock.using(hand):
        budget = RetryBudget(BudgetOptions(ratio=ratio, per_second=per_second, min_concurrent=least))
        earned: deque[int] = deque()
        for step in steps:
            if isinstance(step, float):
                hand.now += step
            elif isinstance(step, Outcome):
                if budget.active:
                    budget.ended(step)
                    if step in EARNING:
                        earned.append(int(hand.now))
            elif step == "began":
                budget.began()
            elif step == "returned":
                if budget.retrying:
                    budget.returned()
            else:
                before, retrying = budget.balance(), budget.retrying
                if getattr(budget, step)():
                    assert budget.retrying == retrying + 1 <= max(least, 0.2 * budget.active)
                    assert budget.balance() == pytest.approx(before - (step == "withdraw"))
                else:
                    assert (budget.balance(), budget.retrying) == (before, retrying)
            while earned and earned[0] <= int(hand.now) - SECONDS:
                earned.popleft()
            assert 0 <= budget.balance() <= per_second * SECONDS + len(earned) * (ratio + 1e-6)
