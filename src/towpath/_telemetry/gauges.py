"""The state of the stack as metrics: limits, queues, budgets, breakers. It is read from the living objects at each scrape, so that it costs
no call anything.

An object that has something to tell is watched weakly: a channel that is gone is in the next scrape no more.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol
from weakref import WeakSet

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from towpath._telemetry.metric_names import STACK_STATE, MetricName

_MERGED_BY_MAX: Final = ("seconds", "share")
"""The units of which several readings with the same labels are one by their maximum. All others are added up."""


class Reading(NamedTuple):
    """The value of one gauge now."""

    metric: MetricName
    labels: tuple[str, ...]
    value: float


class HasReadings(Protocol):
    """An object of the stack that tells how it is."""

    def readings(self) -> Iterable[Reading]:
        """Its gauges now. This is called in the loop to which the object belongs, and must be quick."""
        ...


class StackState(Collector):
    """The gauges of `STACK_STATE`. Two objects with the same labels, such as two channels to one target, are one reading."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Make the gauges, and register them. Raises ValueError if `registry` has a metric of one of their names."""
        self._sources: Final[WeakSet[HasReadings]] = WeakSet()
        registry.register(self)

    def watch(self, source: HasReadings) -> None:
        """Ask `source` at each scrape for as long as it lives."""
        self._sources.add(source)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """The names, without samples. The registry refuses a second metric of such a name."""
        return [GaugeMetricFamily(metric.name, metric.help, labels=metric.labels) for metric in STACK_STATE]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The samples now."""
        found: dict[MetricName, dict[tuple[str, ...], float]] = {metric: {} for metric in STACK_STATE}
        for source in list(self._sources):
            for metric, labels, value in source.readings():
                values = found[metric]
                before = values.get(labels, 0.0)  # no reading is negative
                values[labels] = max(before, value) if metric.unit in _MERGED_BY_MAX else before + value
        for metric, values in found.items():
            family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, value in values.items():
                family.add_metric(labels, value)
            yield family
