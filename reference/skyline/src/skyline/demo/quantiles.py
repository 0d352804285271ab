"""Percentiles, exact where every sample is at hand and estimated where only a histogram is; the report says which is which."""

from collections.abc import Sequence
from math import ceil, inf
from typing import NamedTuple


class Bucket(NamedTuple):
    """How many observations were at most `bound` seconds, as Prometheus counts them: each bucket includes those before it."""

    bound: float
    below: float


def exact(ordered: Sequence[float], share: float) -> float:
    """The smallest sample that `share` of all (0 to 1) do not exceed: the nearest-rank definition. `ordered` is ascending, not empty."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def estimated(buckets: Sequence[Bucket], share: float) -> float:
    """The quantile inside its bucket, on the assumption that observations spread evenly there: Prometheus' `histogram_quantile`.

    `buckets` ascend and end with infinity. A quantile beyond the last finite bound is that bound; without observations it is 0.
    """
    total = buckets[-1].below
    wanted = share * total
    lower = Bucket(0.0, 0.0)
    for bucket in buckets:
        if bucket.below >= wanted and bucket.below > lower.below:
            if bucket.bound == inf:
                return lower.bound
            inside = (wanted - lower.below) / (bucket.below - lower.below)
            return min(bucket.bound, lower.bound + (bucket.bound - lower.bound) * inside)  # rounding may step over the bound
        lower = bucket
    return 0.0
