"""Ratios and bars."""

import pytest

from bench.measuring.histogram import Histogram
from bench.measuring.load import Window
from bench.measuring.rounds import Round
from bench.reporting.bars import Bar, bars, ratios
from bench.reporting.figures import Figures


def by_name(*figures):
    return {each.name: each for each in figures}


def test_ratios_divide_by_the_baseline(measured):
    peer = measured("peer", 1_000, p50=300, p99=4_000, idle_bytes=3_000.0, import_seconds=0.3)
    base = measured("base", 4_000, p50=100, p99=1_000, idle_bytes=1_000.0, import_seconds=0.1)
    ratio = ratios(peer, base)
    assert ratio.throughput == pytest.approx(0.25)
    assert ratio.advantage == pytest.approx(4)
    assert ratio.p50_at_1 == pytest.approx(3, rel=0.01)
    assert ratio.p99_at_64 == pytest.approx(4, rel=0.01)
    assert ratio.idle_bytes == pytest.approx(3)
    assert ratio.import_seconds == pytest.approx(3)


def test_what_was_not_measured_has_no_ratio(measured):
    ratio = ratios(Figures(name="peer", failure="gone"), measured("base", 1_000))
    assert (ratio.throughput, ratio.advantage, ratio.p50_at_1, ratio.idle_bytes, ratio.import_seconds) == (None,) * 5


def test_bars_compare_towpath_with_its_peers(measured):
    checked = bars(
        by_name(
            measured("grpcio.aio", 1_000, p50=500),
            measured("grpc-go", 10_000, p50=100),
            measured("towpath bare", 9_500, p50=120, idle_bytes=21 * 1024.0, import_seconds=0.1),
            measured("towpath stack", 7_000),
        )
    )
    found = {bar.name: bar for bar in checked if bar.status != "not measured"}
    assert [bar.status for bar in found.values()] == ["met", "met", "missed", "missed", "met", "met", "missed"]
    assert found["bare calls/s at 64 / grpcio.aio"].measured == pytest.approx(9.5)
    assert found["stack calls/s at 64 / bare"].measured == pytest.approx(7_000 / 9_500)
    assert found["stack calls/s at 64 / grpcio.aio"].measured == pytest.approx(7)
    assert found["import of towpath"].measured == pytest.approx(100)
    assert found["memory per idle connection"].measured == pytest.approx(21)


def rated(name, rates):
    """A peer of another suite: calls per second by calls in flight."""
    windows = {level: Window(in_flight=level, seconds=1.0, latency=Histogram.of([1_000] * rate)) for level, rate in rates.items()}
    return Figures(name=name, unary=False, rounds=[Round(version="1.0", windows=windows)])


def test_bars_of_other_suites_hold_at_every_level_that_both_have(measured):
    checked = bars(
        by_name(
            rated("grpcio.aio, stream", {1: 100, 8: 200}),
            rated("towpath bare, stream", {1: 790, 8: 2_000}),
            rated("towpath bare, bidi", {1: 790, 8: 2_000}),
            rated("FastAPI, json", {64: 100}),
            rated("towpath stack, json", {64: 310}),
            rated("towpath bare, tls", {64: 700}),
            measured("towpath bare", 1_000, transcoder={"reading": 8.5, "writing": 4.0}),
        )
    )
    found = {bar.name: (bar.measured, bar.status) for bar in checked}
    assert found["server streaming messages/s / grpcio.aio"] == (pytest.approx(7.9), "missed")
    assert found["bidi streaming messages/s / grpcio.aio"] == (None, "not measured")
    assert found["REST JSON GET calls/s / FastAPI"] == (pytest.approx(3.1), "met")
    assert found["bare over TLS calls/s / plaintext"] == (pytest.approx(0.7), "met")
    assert found["JSON reading / json_format"] == (8.5, "met")
    assert found["JSON writing / json_format"] == (4.0, "missed")


def test_a_bar_without_its_peer_is_neither_met_nor_missed(measured):
    checked = bars(by_name(measured("towpath bare", 9_500)))
    assert {bar.status for bar in checked} == {"not measured"}


@pytest.mark.parametrize(
    ("at_most", "measured", "status"), [(False, 2.0, "met"), (False, 1.9, "missed"), (True, 2.0, "met"), (True, 2.1, "missed")]
)
def test_a_bound_itself_is_met(at_most, measured, status):
    assert Bar(name="bar", measured=measured, bound=2, at_most=at_most).status == status
