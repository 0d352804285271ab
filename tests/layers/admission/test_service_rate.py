"""How fast a queue is served is learnt while there is one, and at no other time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._layers.admission.service_rate import ServiceRate


def serve(rate, now, turns, *, gap, calls):
    for _ in range(turns):
        now += gap * calls
        rate.record_starts(now, calls)
    return now


def test_the_gap_is_the_time_between_two_calls_that_begin():
    rate = ServiceRate()
    serve(rate, 10.0, 20, gap=0.001, calls=8)
    assert rate.interval == pytest.approx(0.001)


def test_time_without_a_queue_does_not_count():
    rate = ServiceRate()
    now = serve(rate, 10.0, 20, gap=0.001, calls=8)
    rate.queue_emptied(now)
    serve(rate, now + 3.0, 20, gap=0.001, calls=8)
    assert rate.interval == pytest.approx(0.001)


def test_one_long_turn_is_soon_made_up_for():
    rate = ServiceRate()
    now = serve(rate, 10.0, 2, gap=0.1, calls=1)
    serve(rate, now, 30, gap=0.00002, calls=64)
    assert rate.interval < 0.0001


@pytest.mark.parametrize(("rest", "resets"), [(0.5, False), (2.0, True)])
def test_a_rate_is_reset_after_a_second_without_a_queue(rest, resets):
    rate = ServiceRate()
    now = serve(rate, 10.0, 5, gap=0.01, calls=1)
    rate.queue_emptied(now)
    assert rate.reset_if_stale(now + rest) is resets
    assert (rate.interval == 0) is resets


def test_a_rate_that_is_not_known_needs_no_resetting():
    assert not ServiceRate().reset_if_stale(10.0)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 1000), st.booleans()), max_size=50))
def test_whatever_comes_the_gap_is_no_longer_than_the_longest_turn(steps):
    rate, now, longest = ServiceRate(), 10.0, 0.0
    for pause, calls, empties in steps:
        now += pause
        rate.record_starts(now, calls)
        longest = max(longest, pause)
        if empties:
            rate.queue_emptied(now)
        assert 0 <= rate.interval <= longest + 1e-9
