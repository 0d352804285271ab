"""How long calls can wait is what most callers say, not what one does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._layers.admission.caller_timeout import CallerTimeout


def of(*given_times):
    timeout = CallerTimeout()
    for seconds in given_times:
        timeout.record(seconds)
    return timeout


def test_half_of_the_time_beside_the_work_may_pass():
    assert of(2.0).max_wait(0.5) == pytest.approx(0.75)


def test_where_nobody_has_a_deadline_the_default_timeout_counts():
    assert CallerTimeout().max_wait(0.0) == 1.0


def test_work_that_takes_as_long_as_callers_give_leaves_no_time():
    assert of(1.0).max_wait(3.0) == 0.0


@pytest.mark.parametrize("odd", [0.001, 360_000.0])
def test_a_few_odd_callers_change_little(odd):
    times = [odd if n % 5 == 0 else 2.0 for n in range(1000)]
    assert of(*times).max_wait(0.0) == pytest.approx(1.0, rel=0.1)


def test_a_call_whose_time_is_over_says_nothing():
    assert of(2.0, 0.0, -3.0).max_wait(0.0) == 1.0


@given(st.lists(st.floats(1e-3, 1e6), min_size=1), st.floats(0, 100))
def test_it_stays_within_what_callers_give(times, work):
    assert 0 <= of(*times).max_wait(work) <= max(times) / 2
