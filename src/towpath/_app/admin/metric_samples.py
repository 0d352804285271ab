"""The metrics of a registry as messages of the admin contract."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from prometheus_client import CollectorRegistry, Metric

from towpath._admin.gen.towpath.admin.v1 import admin_pb2 as pb
from towpath._telemetry.histogram import DurationFamily

_KINDS: Final = {"counter": pb.Metric.KIND_COUNTER, "histogram": pb.Metric.KIND_HISTOGRAM}
_BUCKET: Final = "_bucket"
_NOT_A_VALUE: Final = "_created"


def metrics_of(registry: CollectorRegistry, prefixes: Sequence[str] = ()) -> Iterator[pb.Metric]:
    """Every metric of `registry` whose name begins with one of `prefixes`, or every one, by name."""
    chosen = tuple(prefixes)
    for family in sorted(registry.collect(), key=lambda family: family.name):
        if not chosen or family.name.startswith(chosen):
            kind = _KINDS.get(family.type, pb.Metric.KIND_GAUGE)
            samples = _values(family)
            if isinstance(family, DurationFamily):
                samples = _durations(family)
            elif kind == pb.Metric.KIND_HISTOGRAM:
                samples = _histograms(family)
            yield pb.Metric(name=family.name, kind=kind, samples=samples)


def _values(family: Metric) -> Iterator[pb.Sample]:
    for sample in family.samples:
        if not sample.name.endswith(_NOT_A_VALUE):
            yield pb.Sample(labels=sample.labels, value=sample.value)


def _durations(family: DurationFamily) -> Iterator[pb.Sample]:
    """The samples of a histogram of towpath's, with more buckets than the text format shows."""
    for labels, series in family.counts():
        yield pb.Sample(labels=labels, value=series.total, bounds=series.bounds, counts=series.counts)


def _histograms(family: Metric) -> Iterable[pb.Sample]:
    """One sample for each set of labels, from the cumulative samples of the text format."""
    found: dict[tuple[tuple[str, str], ...], pb.Sample] = {}
    cumulative: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        key = tuple(sorted(labels.items()))
        of = found.setdefault(key, pb.Sample(labels=labels))
        if sample.name.endswith(_BUCKET):
            if sample.labels["le"] != "+Inf":
                of.bounds.append(float(sample.labels["le"]))
            cumulative.setdefault(key, [0]).append(int(sample.value))
        elif sample.name.endswith("_sum"):
            of.value = sample.value
    for key, counts in cumulative.items():
        found[key].counts.extend(after - before for before, after in pairwise(counts))
    return found.values()
