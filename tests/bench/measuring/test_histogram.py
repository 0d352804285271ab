"""The benchmark's histogram against a sorted list, which cannot be wrong."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measuring.histogram import Histogram, bounds_of, bucket_of

LATENCIES = st.integers(min_value=0, max_value=10**12)
PERCENTS = st.sampled_from([0, 1, 25, 50, 90, 99, 99.9, 100])


def exact(values: list[int], percent: float) -> int:
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


@given(LATENCIES)
def test_a_value_lies_in_its_bucket_and_the_bucket_is_narrow(value):
    low, high = bounds_of(bucket_of(value))
    assert low <= value <= high
    assert high - low <= low / 128


@given(st.integers(min_value=0, max_value=20_000))
def test_buckets_leave_no_gap(bucket):
    _, high = bounds_of(bucket)
    assert bucket_of(high) == bucket
    assert bucket_of(high + 1) == bucket + 1


@given(st.lists(LATENCIES, min_size=1), PERCENTS)
def test_a_percentile_is_within_half_a_percent_of_the_sorted_value(values, percent):
    assert Histogram.of(values).percentile(percent) == pytest.approx(exact(values, percent), rel=0.005)


@given(st.lists(LATENCIES), st.lists(LATENCIES))
def test_merging_is_the_same_as_counting_both_at_once(left, right):
    assert Histogram.of(left).merged(Histogram.of(right)) == Histogram.of(left + right)


@given(st.lists(LATENCIES))
def test_json_brings_it_back(values):
    histogram = Histogram.of(values)
    assert Histogram.from_json(json.loads(json.dumps(histogram.to_json()))) == histogram
    assert histogram.total == len(values)


def test_small_values_are_exact():
    assert Histogram.of(range(256)).percentile(100) == 255


def test_nothing_counted_has_no_percentile():
    with pytest.raises(ValueError, match="empty"):
        Histogram().percentile(50)


@pytest.mark.parametrize("percent", [-1, 100.1, math.nan])
def test_a_percentile_outside_its_range_is_refused(percent):
    with pytest.raises(ValueError, match="0-100"):
        Histogram.of([1]).percentile(percent)


def test_a_negative_latency_is_refused():
    with pytest.raises(ValueError, match="negative"):
        bucket_of(-1)
