"""What hops and phases contribute to the quantiles of many traces, and what has grown from one time to another.

A quantile of the whole is no sum of the quantiles of its parts. So a part's contribution to p99 is what it took, on average, in the traces
around p99; the contributions of all parts are the quantile. How sure a difference is, is found by drawing the traces anew many times
(the bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from towpath._telemetry.traces.model import Root
from towpath._telemetry.traces.report import HopPhase, hop_phases

QUANTILES: Final = (0.5, 0.95, 0.99)
FEWEST: Final = 20
"""Traces below which nothing is said of quantiles."""
_NORMAL_95: Final = 1.96


class Sample:
    """The traces of one time, each as the microseconds of its hops and phases."""

    def __init__(self, roots: Iterable[Root]) -> None:
        parts = [(root.duration, hop_phases(root)) for root in roots]
        parts.sort(key=lambda part: part[0])
        self.durations: Final = [duration for duration, _ in parts]
        """In order, microseconds."""
        self.parts: Final = [phases for _, phases in parts]
        """Of each trace, in the same order."""

    def __len__(self) -> int:
        return len(self.durations)

    def quantile(self, quantile: float) -> "Contributions":
        """What the traces around a quantile consist of."""
        return self._at(quantile, range(len(self)))

    def drawn(self, random: Random, quantiles: Sequence[float]) -> list["Contributions"]:
        """The same of as many traces that were drawn from these, some of them several times."""
        every = range(len(self))
        indices = sorted(random.choices(every, k=len(self)))
        return [self._at(quantile, indices) for quantile in quantiles]

    def _at(self, quantile: float, indices: Sequence[int]) -> "Contributions":
        last = len(indices) - 1
        around = min(0.05, (1 - quantile) / 2)
        band = indices[max(0, math.floor((quantile - around) * last)) : math.ceil((quantile + around) * last) + 1]
        total = self.durations[indices[round(quantile * last)]]
        sums: dict[HopPhase, float] = {}
        for index in band:
            for key, took in self.parts[index].items():
                sums[key] = sums.get(key, 0) + took
        whole = sum(sums.values())
        scale = total / whole if whole else 0.0
        return Contributions(total, {key: took * scale for key, took in sums.items()})


@dataclass(slots=True, frozen=True)
class Contributions:
    """A quantile, and of what it is the sum."""

    total: float
    """Microseconds."""
    parts: Mapping[HopPhase, float]


@dataclass(slots=True, frozen=True)
class Growth:
    """How much one quantile, or one part of it, has grown."""

    key: HopPhase | None
    """The hop and phase; None for the whole."""
    before: float
    """Microseconds."""
    after: float
    error: float
    """Half of the interval that holds the difference in 95 of 100 cases."""

    @property
    def difference(self) -> float:
        """Microseconds; less than 0 for what has shrunk."""
        return self.after - self.before

    @property
    def sure(self) -> bool:
        """Whether it is more than chance."""
        return abs(self.difference) > self.error


def growths(before: Sample, after: Sample, quantiles: Sequence[float] = QUANTILES, *, draws: int | None = None) -> list[list[Growth]]:
    """Of each quantile the growth of the whole, and behind it those of the parts, the largest difference first."""
    if draws is None:
        draws = 200 if len(before) + len(after) <= 4000 else 100
    random = Random(len(before) * 31 + len(after))
    redrawn = [(before.drawn(random, quantiles), after.drawn(random, quantiles)) for _ in range(draws)]
    result = list[list[Growth]]()
    for index, quantile in enumerate(quantiles):
        old, new = before.quantile(quantile), after.quantile(quantile)
        pairs = [(one[index], other[index]) for one, other in redrawn]
        error = _error([other.total - one.total for one, other in pairs])
        parts = [
            Growth(
                key,
                old.parts.get(key, 0.0),
                new.parts.get(key, 0.0),
                _error([other.parts.get(key, 0.0) - one.parts.get(key, 0.0) for one, other in pairs]),
            )
            for key in {**old.parts, **new.parts}
        ]
        parts.sort(key=lambda growth: abs(growth.difference), reverse=True)
        result.append([Growth(None, old.total, new.total, error), *parts])
    return result


def usual(roots: Iterable[Root]) -> tuple[dict[HopPhase, float], int]:
    """The median of each hop and phase over these traces, and how many there are. A trace without one counts as 0."""
    values: dict[HopPhase, list[int]] = {}
    count = 0
    for root in roots:
        count += 1
        for key, took in hop_phases(root).items():
            values.setdefault(key, []).append(took)
    return {key: _median(took, count) for key, took in values.items()}, count


def _median(took: list[int], count: int) -> float:
    """Of `count` values, of which those that are not given are 0."""
    took.sort()
    missing = count - len(took)
    low, high = (count - 1) // 2 - missing, count // 2 - missing
    return ((took[low] if low >= 0 else 0) + (took[high] if high >= 0 else 0)) / 2


def _error(differences: Sequence[float]) -> float:
    mean = sum(differences) / max(1, len(differences))
    return _NORMAL_95 * math.sqrt(sum((difference - mean) ** 2 for difference in differences) / max(1, len(differences)))
