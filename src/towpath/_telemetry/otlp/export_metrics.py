"""What became of the spans, as metrics by the names that OpenTelemetry gives its SDKs' own.

Nothing is dropped without being counted here.
"""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from towpath._telemetry.metric_names import SPANS_EXPORTED, SPANS_IN_FLIGHT, SPANS_PROCESSED, SPANS_QUEUED, SPANS_QUEUED_MOST, MetricName

QUEUE_FULL: Final = "queue_full"
MALFORMED: Final = "malformed"
OVERWRITTEN: Final = "overwritten"
SHUTDOWN: Final = "shutdown"
REJECTED: Final = "rejected"


class ExportMetrics(Collector):
    """The counters of one exporter. `queued` says how many spans wait, `capacity` how many may."""

    def __init__(self, registry: CollectorRegistry | None, capacity: int, queued: Callable[[], int]) -> None:
        self.processed: Final[dict[str, int]] = {"": 0}
        """Spans that were handed on to be sent, and, by a reason, those that were dropped before."""
        self.exported: Final[dict[str, int]] = {"": 0}
        """Spans that the collector took, and, by a reason, those that it did not."""
        self.in_flight = 0
        self._queued: Final = queued
        self._capacity: Final = capacity
        if registry is not None:
            registry.register(self)

    @property
    def dropped(self) -> int:
        """Spans that no collector has."""
        return sum(count for counts in (self.processed, self.exported) for reason, count in counts.items() if reason)

    def describe(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """The names, without samples."""
        return [
            *(CounterMetricFamily(metric.name, metric.help, labels=metric.labels) for metric in (SPANS_PROCESSED, SPANS_EXPORTED)),
            *(GaugeMetricFamily(metric.name, metric.help) for metric in (SPANS_QUEUED, SPANS_QUEUED_MOST, SPANS_IN_FLIGHT)),
        ]

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """The samples now."""
        return [
            _counter(SPANS_PROCESSED, self.processed),
            _counter(SPANS_EXPORTED, self.exported),
            GaugeMetricFamily(SPANS_QUEUED.name, SPANS_QUEUED.help, value=self._queued()),
            GaugeMetricFamily(SPANS_QUEUED_MOST.name, SPANS_QUEUED_MOST.help, value=self._capacity),
            GaugeMetricFamily(SPANS_IN_FLIGHT.name, SPANS_IN_FLIGHT.help, value=self.in_flight),
        ]


def add(counts: dict[str, int], reason: str, number: int) -> None:
    """Count so many more."""
    counts[reason] = counts.get(reason, 0) + number


def _counter(metric: MetricName, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for reason, count in list(counts.items()):
        family.add_metric((reason,), count)
    return family
