"""A quantile of the last half minute, a tenth too high at the most, or none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.layers.virtual_time import START, Hand
from towpath._core import clock
from towpath._layers.latencies import RecentLatencies


def latencies(quantile: float) -> RecentLatencies:
    with clock.using(Hand()):
        return RecentLatencies(quantile)


@given(st.lists(st.floats(2e-4, 40), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_it_is_the_quantile_within_a_tenth(samples, quantile):
    recent = latencies(quantile)
    for seconds in samples:
        recent.observe(seconds, START)
    value = recent.value(START)
    if len(samples) * (1 - quantile) < 1:
        assert value is None
    else:
        assert value is not None
        exact = sorted(samples)[math.ceil(len(samples) * quantile - 1e-9) - 1]
        assert exact <= value * 1.0000001
        assert value <= exact * 1.1000001


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 1e-4), (1000.0, 56.7)])
def test_the_ends_hold_what_is_beyond_them(seconds, expected):
    recent = latencies(0.5)
    for _ in range(10):
        recent.observe(seconds, START)
    assert recent.value(START) == pytest.approx(expected, rel=0.01)


def test_it_is_worked_out_every_three_seconds():
    recent = latencies(0.5)
    assert recent.value(START) is None
    for _ in range(10):
        recent.observe(1.0, START)
    assert recent.value(START + 2.9) is None
    assert recent.value(START + 3) == pytest.approx(1, rel=0.1)


def test_what_is_half_a_minute_old_is_forgotten():
    recent = latencies(0.5)
    for _ in range(10):
        recent.observe(1.0, START)
    assert recent.value(START + 29.9) is not None
    assert recent.value(START + 33) is None
    recent.observe(2.0, START + 33)
    recent.observe(2.0, START + 33)
    assert recent.value(START + 36) == pytest.approx(2, rel=0.1)
