"""Several rounds become one figure."""

import json

import pytest

from bench.reporting.figures import Figures


def test_figures_are_medians_over_rounds(measured):
    figures = measured("peer", 1_000, 9_000, 2_000, p50=100)
    assert figures.throughput(64) == 2_000
    assert figures.latency(1, 50) == pytest.approx(100_000, rel=0.005)


def test_spread_is_the_range_over_the_median(measured):
    assert measured("peer", 900, 1_000, 1_100).spread(64) == pytest.approx(0.2)


def test_merged_holds_the_calls_of_every_round(measured):
    assert measured("peer", 1_000, 2_000).merged(64).total == 3_000


def test_a_peer_that_failed_in_a_later_round_is_not_measured(measured):
    figures = measured("peer", 1_000)
    assert figures.measured
    figures.failure = "ended before it was ready"
    assert not figures.measured


def test_raw_figures_are_json_with_or_without_rounds(measured):
    assert json.loads(json.dumps(measured("peer", 1_000).to_json()))["medians"][1]["calls_per_second"] == 1_000
    assert json.loads(json.dumps(Figures(name="peer", failure="gone").to_json()))["medians"] == []
