"""The metrics of several workers as those of one service.

Nothing is added up: each sample keeps its own series, told apart by the label `worker`. A worker that is restarted begins at zero, which
Prometheus understands of a series (`rate` counts on), and would misread in a sum.
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
        """Nothing beforehand: what there is shows when it is collected."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Every family once, with the samples of all."""
        families: dict[str, Metric] = {}
        for worker, text in self._expositions().items():
            for family in text_string_to_metric_families(text):
                whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                whole.samples.extend(sample._replace(labels={**sample.labels, LABEL: worker}) for sample in family.samples)
        return families.values()


def merged(expositions: Callable[[], Mapping[str, str]]) -> CollectorRegistry:
    """A registry of what `expositions` gives whenever it is asked: texts in Prometheus' format, by worker."""
    registry = CollectorRegistry()
    registry.register(_Merged(expositions))
    return registry
