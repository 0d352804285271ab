"""How fast a queue is served is learnt while there is one, and at no other time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath.layers.admission.service_rate import Pace


def serve(pace, now, turns, *, gap, calls):
    for _ in range(turns):
        now += gap * calls
        pace.began(now, calls)
    return now


def test_the_gap_is_the_time_between_two_calls_that_begin():
    pace = Pace()
    serve(pace, 10.0, 20, gap=0.001, calls=8)
    assert pace.gap == pytest.approx(0.001)


def test_time_without_a_queue_does_not_count():
    pace = Pace()
    now = serve(pace, 10.0, 20, gap=0.001, calls=8)
    pace.emptied(now)
    serve(pace, now + 3.0, 20, gap=0.001, calls=8)
    assert pace.gap == pytest.approx(0.001)


def test_one_long_turn_is_soon_made_up_for():
    pace = Pace()
    now = serve(pace, 10.0, 2, gap=0.1, calls=1)
    serve(pace, now, 30, gap=0.00002, calls=64)
    assert pace.gap < 0.0001


@pytest.mark.parametrize(("rest", "forgets"), [(0.5, False), (2.0, True)])
def test_a_pace_is_forgotten_after_a_second_without_a_queue(rest, forgets):
    pace = Pace()
    now = serve(pace, 10.0, 5, gap=0.01, calls=1)
    pace.emptied(now)
    assert pace.forget(now + rest) is forgets
    assert (pace.gap == 0) is forgets


def test_a_pace_that_is_not_known_needs_no_forgetting():
    assert not Pace().forget(10.0)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 1000), st.booleans()), max_size=50))
def test_whatever_comes_the_gap_is_no_longer_than_the_longest_turn(steps):
    pace, now, longest = Pace(), 10.0, 0.0
    for pause, calls, empties in steps:
        now += pause
        pace.began(now, calls)
        longest = max(longest, pause)
        if empties:
            pace.emptied(now)
        assert 0 <= pace.gap <= longest + 1e-9
