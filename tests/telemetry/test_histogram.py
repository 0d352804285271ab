"""The histogram that every call is observed into: what Prometheus reads of it is what was put in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from towpath._telemetry.histogram import DurationHistogram
from towpath._telemetry.metric_names import MetricName

BOUNDS = (0.001, 0.01, 0.1, 1.0)
NAMED = MetricName("x_seconds", "histogram", ("code",), "seconds", "What it is.", "")


def samples(registry: CollectorRegistry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.tuples(st.sampled_from(["OK", "NOT_FOUND"]), st.one_of(st.sampled_from(BOUNDS), st.floats(0, 20)))))
def test_it_reads_like_prometheus_clients_own(observed):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    mine = DurationHistogram(NAMED, bounds=BOUNDS, registry=ours)
    reference = Histogram("x_seconds", "What it is.", ("code",), buckets=BOUNDS, registry=theirs)
    for code, seconds in observed:
        mine.series(code).observe(seconds)
        reference.labels(code).observe(seconds)
    assert samples(ours) == pytest.approx(samples(theirs))


def test_a_series_is_the_same_each_time():
    histogram = DurationHistogram(NAMED, bounds=BOUNDS, registry=CollectorRegistry())
    assert histogram.series("OK") is histogram.series("OK")


def test_a_registry_refuses_the_same_name_twice():
    registry = CollectorRegistry()
    DurationHistogram(NAMED, bounds=BOUNDS, registry=registry)
    with pytest.raises(ValueError, match="x_seconds"):
        DurationHistogram(NAMED, bounds=BOUNDS, registry=registry)
