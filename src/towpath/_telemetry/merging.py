"""The metrics of several workers as those of one service.

Nothing is added up: each sample keeps its own series, with the label `worker`. A restarted worker begins at zero. Prometheus recognises a
restart within a series, so that `rate` counts on, but not in a sum.
"""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

LABEL = "worker"


class _Merged(Collector):
    def __init__(self, expositions: Callable[[], Mapping[str, str]]) -> None:
        self._expositions = expositions

    def describe(self) -> Iterable[Metric]:
        """No names: the families are known only once they are collected."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Every family once, with the samples of all workers."""
        families: dict[str, Metric] = {}
        for worker, text in self._expositions().items():
            for family in text_string_to_metric_families(text):
                whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                whole.samples.extend(sample._replace(labels={**sample.labels, LABEL: worker}) for sample in family.samples)
        return families.values()


def merged(expositions: Callable[[], Mapping[str, str]]) -> CollectorRegistry:
    """A registry of the metrics of all workers. At each scrape `expositions` returns the workers' metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Merged(expositions))
    return registry
