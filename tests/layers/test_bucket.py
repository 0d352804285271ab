"""A bucket lets in its rate on average and its burst at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._layers.bucket import Rate, TokenBucket


def test_a_burst_passes_at_once_and_the_next_is_told_when():
    bucket = TokenBucket(Rate(per_second=10, burst=3))
    assert [bucket.take(5.0) for _ in range(3)] == [0.0] * 3
    assert bucket.take(5.0) == pytest.approx(0.1)
    assert bucket.take(5.05) == pytest.approx(0.05)
    assert bucket.take(5.1) == 0.0


def test_a_pause_fills_it_and_no_more_than_that():
    bucket = TokenBucket(Rate(per_second=2))
    assert [bucket.take(1000.0) for _ in range(3)] == [0.0, 0.0, pytest.approx(0.5)]
    assert [bucket.take(5000.0) for _ in range(3)] == [0.0, 0.0, pytest.approx(0.5)]


def test_less_than_one_a_second_still_lets_one_in():
    bucket = TokenBucket(Rate(per_second=0.1))
    assert bucket.take(0.0) == 0.0
    assert bucket.take(1.0) == pytest.approx(9.0)


@given(st.lists(st.floats(0, 1), max_size=200), st.floats(0.5, 50), st.integers(1, 20))
def test_no_span_of_time_sees_more_than_the_burst_and_the_rate_allow(pauses, per_second, burst):
    bucket, now, passed = TokenBucket(Rate(per_second=per_second, burst=burst)), 0.0, []
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        assert wait >= 0
        if not wait:
            passed.append(now)
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + per_second * (passed[last] - begin) + 1e-6


@given(st.floats(0.5, 50), st.integers(1, 20))
def test_whoever_waits_as_long_as_told_passes(per_second, burst):
    bucket, now = TokenBucket(Rate(per_second=per_second, burst=burst)), 1000.0
    for _ in range(50):
        wait = bucket.take(now)
        if wait:
            now += wait
            assert bucket.take(now) == 0.0


@pytest.mark.parametrize("options", [{"per_second": 0}, {"per_second": float("nan")}, {"per_second": 1, "burst": 0.5}])
def test_what_lets_nobody_in_is_refused(options):
    with pytest.raises(ValueError, match="give"):
        Rate(**options)
