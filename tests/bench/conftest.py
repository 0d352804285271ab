"""Figures of runs that never were, with numbers that a person can divide."""

from collections.abc import Callable

import pytest

from bench.measuring.histogram import Histogram
from bench.measuring.load import Window
from bench.measuring.rounds import Round
from bench.reporting.figures import Figures

Measured = Callable[..., Figures]


def one_round(rate: int, p50: int, p99: int, others: float | None) -> Round:
    """A second at each level: `rate` calls at 64 in flight whose 99th percentile is `p99`, and calls of `p50` microseconds at 1."""
    slow = rate // 50  # two in a hundred, so that the 99th percentile is one of them
    at_64 = Histogram.of([1_000] * (rate - slow) + [p99 * 1_000] * slow)
    at_1 = Histogram.of([p50 * 1_000] * 100)
    return Round(
        version="1.0",
        others=others,
        windows={1: Window(in_flight=1, seconds=1.0, latency=at_1), 64: Window(in_flight=64, seconds=1.0, latency=at_64)},
    )


@pytest.fixture
def measured() -> Measured:
    def make(name: str, *rates: int, p50: int = 100, p99: int = 1_000, others: float | None = None, **more: float) -> Figures:
        return Figures(name=name, rounds=[one_round(rate, p50, p99, others) for rate in rates], **more)

    return make
