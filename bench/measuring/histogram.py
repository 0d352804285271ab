"""A mergeable log-linear histogram of latencies, because percentiles of several runs cannot be had from their percentiles.

Values are whole nanoseconds. Below 256 each value has its own bucket; above, every power of two is cut into 128 equal buckets, so that a
percentile is within 0.4 % of the exact one whatever its size (the bucket scheme of Gil Tene's HdrHistogram, http://hdrhistogram.org).
Buckets are kept sparsely: a run fills a few hundred. `go/client/main.go` fills the same buckets, so that both languages' runs merge.
It refuses negative values; it is filled after a run, not during it, so it need not be fast.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

_BITS: Final = 7
_SUB: Final = 1 << _BITS


def bucket_of(value: int) -> int:
    """The index of the bucket that holds `value` nanoseconds. Raises ValueError for a negative value."""
    if value < 0:
        raise ValueError(f"a latency of {value} ns is negative")
    shift = max(0, value.bit_length() - _BITS - 1)
    return (shift << _BITS) + (value >> shift)


def bounds_of(bucket: int) -> tuple[int, int]:
    """The smallest and the largest value of `bucket`."""
    shift = max(0, (bucket >> _BITS) - 1)
    low = (bucket - (shift << _BITS)) << shift
    return low, low + (1 << shift) - 1


class Histogram:
    """Counts by bucket. Two of them merge into what one would hold had it seen both sets of values, in any order."""

    __slots__ = ("_counts", "_total")

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self._counts = Counter(counts or {})
        self._total = self._counts.total()

    @staticmethod
    def of(values: Iterable[int]) -> "Histogram":
        """The histogram of `values`, in nanoseconds."""
        return Histogram(Counter(map(bucket_of, values)))

    @staticmethod
    def from_json(counts: Mapping[str, int]) -> "Histogram":
        """What `to_json` wrote: JSON's keys are strings."""
        return Histogram({int(bucket): count for bucket, count in counts.items()})

    def to_json(self) -> dict[str, int]:
        """Counts by bucket, lowest first."""
        return {str(bucket): self._counts[bucket] for bucket in sorted(self._counts)}

    @property
    def total(self) -> int:
        """How many values were counted."""
        return self._total

    def merged(self, other: "Histogram") -> "Histogram":
        """A new histogram of the values of both."""
        merged = Counter(self._counts)
        merged.update(other._counts)  # noqa: SLF001  # its own class
        return Histogram(merged)

    def percentile(self, percent: float) -> float:
        """The value, in nanoseconds, that `percent` (0-100) of the values do not exceed, as the middle of its bucket; nearest-rank.

        Raises ValueError when nothing was counted or `percent` is outside 0-100.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"percentile {percent} is not within 0-100")
        if not self._total:
            raise ValueError("an empty histogram has no percentiles")
        rank = max(1, math.ceil(self._total * percent / 100))
        bucket = 0
        for bucket in sorted(self._counts):
            rank -= self._counts[bucket]
            if rank <= 0:
                break
        low, high = bounds_of(bucket)
        return (low + high) / 2

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self._counts == other._counts

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # equal by content, and the content is not frozen
