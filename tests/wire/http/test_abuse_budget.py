"""A token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.http.abuse_budget import AbuseBudget


def test_a_burst_is_free_and_then_as_many_as_come_with_time() -> None:
    budget = AbuseBudget(3, 2.0)
    assert [budget.spend(1000.0) for _ in range(4)] == [True, True, True, False]
    budget = AbuseBudget(3, 2.0)
    assert all(budget.spend(1000.0) for _ in range(3))
    assert budget.spend(1000.5)
    assert not budget.spend(1000.5)


def test_tokens_that_nobody_needed_do_not_gather_beyond_the_burst() -> None:
    budget = AbuseBudget(2, 1.0)
    assert budget.spend(10.0)
    assert [budget.spend(1e6) for _ in range(3)] == [True, True, False]


@given(st.integers(1, 20), st.floats(0, 50), st.lists(st.floats(0, 1), max_size=60))
def test_no_more_are_spent_than_burst_and_rate_allow(burst: int, rate: float, steps: list[float]) -> None:
    budget, now, began = AbuseBudget(burst, rate), 1000.0, 1000.0
    for spent, step in enumerate(steps, 1):
        now += step
        if not budget.spend(now):
            break
        assert spent <= burst + rate * (now - began) + 1e-6
