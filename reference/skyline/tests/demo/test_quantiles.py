"""Percentiles against their definitions."""

from bisect import bisect_right
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyline.demo.quantiles import Bucket, estimated, exact

BOUNDS = (0.001, 0.01, 0.1, 1.0)


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0.01, 1))
def test_the_exact_one_is_the_smallest_sample_not_exceeded_by_its_share(samples: list[float], share: float) -> None:
    ordered = sorted(samples)
    value = exact(ordered, share)
    assert value in samples
    assert bisect_right(ordered, value) >= share * len(ordered)
    smaller = [sample for sample in ordered if sample < value]
    assert not smaller or bisect_right(ordered, smaller[-1]) < share * len(ordered)


@given(st.lists(st.floats(0, 0.999), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_the_estimate_is_in_the_bucket_of_the_exact_one(samples: list[float], share: float) -> None:
    ordered = sorted(samples)
    buckets = [Bucket(bound, bisect_right(ordered, bound)) for bound in (*BOUNDS, inf)]
    value = exact(ordered, share)
    upper = next(bound for bound in BOUNDS if value <= bound)
    lower = max((bound for bound in (0.0, *BOUNDS) if bound < upper), default=0.0)
    assert lower <= estimated(buckets, share) <= upper


def test_the_estimate_spreads_a_bucket_evenly() -> None:
    buckets = [Bucket(1.0, 0), Bucket(2.0, 10), Bucket(inf, 10)]
    assert estimated(buckets, 0.5) == pytest.approx(1.5)
    assert estimated(buckets, 1.0) == pytest.approx(2.0)


def test_beyond_the_last_bound_the_estimate_is_that_bound() -> None:
    assert estimated([Bucket(1.0, 1), Bucket(inf, 10)], 0.99) == 1.0


def test_without_observations_the_estimate_is_zero() -> None:
    assert estimated([Bucket(1.0, 0), Bucket(inf, 0)], 0.5) == 0.0
