"""A histogram of durations: cheap to observe into, exported by prometheus-client.

Every call is observed on both of its sides, so the histogram is on the hot path. Bisecting the bounds and adding to a list takes a fifth of
the time of `prometheus_client.Histogram.observe` on a bound child (measured). Most of the difference is a lock per sample, which is not
needed here: only the event loop's thread observes calls, and a scrape from another thread reads each count whole. Prometheus wants
cumulative counts, which are summed up when somebody scrapes.

A histogram counts in more buckets than it shows. Inside there are four an octave, from which a percentile is read with an error of a tenth.
Outside there are as few as its maker wants, unless a reader asks for all of them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample

from towpath._telemetry.metric_names import MetricName
from towpath._telemetry.series_cap import DEFAULT_CAP, SeriesCap

_STEPS: Final = ("1", "1.19", "1.41", "1.68", "2", "2.33", "2.71", "3.16", "3.68", "4.29", "5", "5.95", "7.07", "8.41")
"""The bounds of a decade: 1, 2 and 5, and between them as many as make each 1.17 to 1.19 times the one before."""

FINE: Final = tuple(float(f"{step}e{decade}") for decade in range(-5, 2) for step in _STEPS)
"""Upper bounds in seconds of the buckets inside a histogram, from 10 us to 84 s."""


class Series:
    """The counts under one set of label values."""

    __slots__ = ("bounds", "counts", "mark", "text", "total")

    def __init__(self, bounds: Sequence[float] = FINE) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.text = ""
        """The labels as the exposition has them; empty until they are first written."""
        self.mark = 0
        """The number of durations when it was last looked for series that are hardly used."""

    def observe(self, seconds: float) -> None:
        """Count one duration. A duration that equals a bound counts below the bound, as Prometheus' `le` says."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self.counts)


class KeptTrace(NamedTuple):
    """A trace that can be shown, as the example of a bucket."""

    trace_id: str
    """32 hex digits."""
    seconds: float
    """What the call took, between the bounds of the bucket."""
    time: float
    """When it was observed, in seconds since 1970."""


KeptTraces = Callable[[Sequence[str], float, float], KeptTrace | None]
"""A function that gives the kept trace of a call with these label values, in the order of the metric's labels, which took more than the
second and at most the third argument, in seconds; None if no such trace is kept. It is asked once for each bucket that a scrape shows
and that is not empty, and must be quick."""


def no_traces(_labels: Sequence[str], _above: float, _until: float, /) -> KeptTrace | None:
    """The answer where no traces are kept."""
    return None


def escaped(value: str) -> str:
    """A label's value as the exposition has it."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class DurationFamily(HistogramMetricFamily):
    """The state of a histogram at a scrape, which is written a few series at a time."""

    def __init__(self, histogram: "DurationHistogram") -> None:
        self._histogram = histogram
        super().__init__(histogram.named.name, histogram.named.help, labels=histogram.named.labels)

    @property
    def samples(self) -> list[Sample]:
        """The samples of all series, as prometheus-client and its users read them."""
        return [sample for values, series in self._histogram.all_series() for sample in self._samples(values, series)]

    @samples.setter
    def samples(self, value: list[Sample]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] - see above
        """The base class sets it to an empty list."""

    def _samples(self, values: tuple[str, ...], series: Series) -> Iterator[Sample]:
        name, labels = self.name, dict(zip(self._histogram.named.labels, values, strict=True))
        sums, above, before = list(accumulate(list(series.counts))), 0.0, 0
        for index, bound, le in self._histogram.shown:
            below = sums[index]
            kept = self._histogram.kept_trace(values, above, bound) if below > before else None
            example = None if kept is None else Exemplar({"trace_id": kept.trace_id}, kept.seconds, kept.time)
            yield Sample(f"{name}_bucket", {**labels, "le": le}, float(below), None, example)
            above, before = bound, below
        yield Sample(f"{name}_count", labels, float(sums[-1]))
        yield Sample(f"{name}_sum", labels, series.total)

    def counts(self) -> Iterator[tuple[dict[str, str], Series]]:
        """Each series, with all of its buckets, by its labels."""
        for values, series in self._histogram.all_series():
            yield dict(zip(self._histogram.named.labels, values, strict=True)), series

    def blocks(self, *, openmetrics: bool, fine: bool) -> Iterator[str]:
        """The lines of one series after the other."""
        histogram, name = self._histogram, self.name
        kept_trace = histogram.kept_trace if openmetrics and histogram.kept_trace is not no_traces else None
        bounds = histogram.fine if fine else histogram.shown
        for values, series in histogram.all_series():
            labels = series.text
            if not labels:
                pairs = zip(histogram.named.labels, values, strict=True)
                labels = series.text = ",".join(f'{label}="{escaped(value)}"' for label, value in pairs)
            sums = list(accumulate(list(series.counts)))
            start = f'{name}_bucket{{{labels}{"," if labels else ""}le="'
            alone = f"{{{labels}}}" if labels else ""
            if kept_trace is None:
                lines = [f'{start}{le}"}} {sums[index]}.0\n' for index, _, le in bounds]
            else:
                lines, above, before = list[str](), 0.0, 0
                for index, bound, le in bounds:
                    below = sums[index]
                    kept = kept_trace(values, above, bound) if below > before else None
                    lines.append(f'{start}{le}"}} {below}.0{"" if kept is None else _exemplar(kept)}\n')
                    above, before = bound, below
            lines.append(f"{name}_count{alone} {sums[-1]}.0\n{name}_sum{alone} {series.total!r}\n")
            yield "".join(lines)


def _exemplar(kept: KeptTrace) -> str:
    return f' # {{trace_id="{kept.trace_id}"}} {kept.seconds!r} {kept.time!r}'


class DurationHistogram(Collector):
    """One metric, with a series for each set of label values. `bounds` are the upper bounds in seconds that are shown, in ascending order
    and each one of `FINE`. There are never more than `cap` series (see `towpath._telemetry.series_cap`)."""

    def __init__(
        self, named: MetricName, *, bounds: Sequence[float], registry: CollectorRegistry, cap: int = DEFAULT_CAP, open_labels: int = 0
    ) -> None:
        """Make the metric, and register it. The last `open_labels` labels have values that callers choose. Raises ValueError if `registry`
        has a metric of that name."""
        self.named: Final = named
        """Name, labels and meaning."""
        infinity = (len(FINE), float("inf"), "+Inf")
        self.shown: Final = (*((FINE.index(bound), bound, str(bound)) for bound in bounds), infinity)
        """Of each bucket that is shown: the index of its bound among `FINE`, the bound, and the bound as text."""
        self.fine: Final = (*((index, bound, str(bound)) for index, bound in enumerate(FINE)), infinity)
        """All buckets in the form of `shown`."""
        self.kept_trace: KeptTraces = no_traces
        """Where the examples of buckets come from: traces that can be shown, and no others."""
        self.cap: Final = SeriesCap(Series, cap, len(named.labels), open_labels)
        """The series, and which of them there are."""
        registry.register(self)

    def series(self, *values: str) -> Series:
        """The series of these label values, made on first use, which stays. A caller should look it up once and keep it."""
        return self.cap.lasting(values)

    def observe(self, values: tuple[str, ...], seconds: float) -> None:
        """Count one duration in the series of these label values, or in that of `_OTHER` where there are too many."""
        self.cap.current(values).observe(seconds)

    def all_series(self) -> list[tuple[tuple[str, ...], Series]]:
        """All series by their label values."""
        return list(self.cap.series.items())

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """The name, without samples. The registry refuses a second metric of that name."""
        return [HistogramMetricFamily(self.named.name, self.named.help, labels=self.named.labels)]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The samples of all series now."""
        return [DurationFamily(self)]
