"""What `towpath top` shows of a service: computed from two looks at the metrics of each of its processes."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from towpath._admin.gen.towpath.admin.v1 import admin_pb2 as pb
from towpath._telemetry.metric_names import ADMISSION_IN_FLIGHT, DECISIONS, LOOP_DELAY, SERVER_DURATION

REJECTING: Final = frozenset({"admission", "quota", "bulkhead"})
"""Roles of a server whose decisions reject calls."""

MEMORY: Final = "process_resident_memory_bytes"
"""What prometheus-client calls the resident memory of a process."""

_OK: Final = "OK"
_STATUS: Final = "rpc_status_code"


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What one process said of itself at one time."""

    at: float
    """Seconds of the looker's clock."""
    process: pb.GetProcessResponse
    metrics: Mapping[str, pb.Metric]


@dataclass(kw_only=True, slots=True)
class Durations:
    """How many calls took how long, between two looks."""

    bounds: tuple[float, ...] = ()
    counts: list[int] = field(default_factory=list[int])

    def add(self, bounds: Sequence[float], counts: Sequence[int]) -> None:
        """Take in the calls of one more series. Series with other bounds, of another version of towpath, are left out."""
        if not self.counts:
            self.bounds, self.counts = tuple(bounds), [0] * len(counts)
        if tuple(bounds) == self.bounds:
            self.counts = [mine + theirs for mine, theirs in zip(self.counts, counts, strict=True)]

    def quantile(self, part: float) -> float | None:
        """The duration in seconds that `part` of all calls did not exceed, interpolated within its bucket; None without a call."""
        sums = list(accumulate(self.counts))
        if not sums or not sums[-1]:
            return None
        rank = part * sums[-1]
        index = bisect_left(sums, rank)
        if index >= len(self.bounds):
            return self.bounds[-1] if self.bounds else None
        below = sums[index - 1] if index else 0
        lower, upper = (self.bounds[index - 1] if index else 0.0), self.bounds[index]
        return lower + (upper - lower) * (rank - below) / (sums[index] - below)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceFigures:
    """One line of `towpath top`."""

    name: str
    state: str
    """The worst state of its processes, in lower case."""
    processes: int
    rate: float
    """Calls a second."""
    errors: float
    """Of these, the part that failed, 0 to 1."""
    p50: float | None
    """Seconds; None without a call."""
    p99: float | None
    """Seconds; None without a call."""
    shed: float
    """Rejections a second."""
    in_flight: float
    """Calls under way, of methods that admission bounds."""
    lag: float | None
    """How late its event loop came to a timer, in seconds: the p99; None if nothing was measured."""
    memory: float | None
    """Resident memory of all processes, in bytes; None if they do not say."""


def figures(pairs: Iterable[tuple[Look, Look]]) -> list[ServiceFigures]:
    """The figures of each service, by name, from an earlier and a later look at each of its processes."""
    by_service: dict[str, list[tuple[Look, Look]]] = {}
    for earlier, later in pairs:
        by_service.setdefault(later.process.service, []).append((earlier, later))
    return [_service(name, looks) for name, looks in sorted(by_service.items())]


def _service(name: str, looks: Sequence[tuple[Look, Look]]) -> ServiceFigures:
    durations, lag = Durations(), Durations()
    rate = failed = shed = in_flight = memory = 0.0
    for earlier, later in looks:
        seconds = max(later.at - earlier.at, 1e-9)
        for sample, counts in _grown(earlier, later, SERVER_DURATION.name):
            durations.add(sample.bounds, counts)
            rate += sum(counts) / seconds
            failed += sum(counts) / seconds if sample.labels.get(_STATUS) != _OK else 0.0
        for sample, counts in _grown(earlier, later, LOOP_DELAY.name):
            lag.add(sample.bounds, counts)
        shed += _rejections(earlier, later) / seconds
        in_flight += sum(sample.value for sample in _samples(later, ADMISSION_IN_FLIGHT.name))
        memory += sum(sample.value for sample in _samples(later, MEMORY))
    return ServiceFigures(
        name=name,
        state=_state(later.process.state for _, later in looks),
        processes=len(looks),
        rate=rate,
        errors=failed / rate if rate else 0.0,
        p50=durations.quantile(0.5),
        p99=durations.quantile(0.99),
        shed=shed,
        in_flight=in_flight,
        lag=lag.quantile(0.99),
        memory=memory or None,
    )


def _grown(earlier: Look, later: Look, name: str) -> Iterable[tuple[pb.Sample, list[int]]]:
    """Each series of a histogram with what came to each of its buckets. A process that was restarted has begun at zero."""
    before = {_key(sample): sample for sample in _samples(earlier, name)}
    for sample in _samples(later, name):
        counts = list(sample.counts)
        known = before.get(_key(sample))
        if known is not None and earlier.process.pid == later.process.pid and len(known.counts) == len(counts):
            counts = [max(0, now - then) for now, then in zip(counts, known.counts, strict=True)]
        yield sample, counts


def _rejections(earlier: Look, later: Look) -> float:
    before = {_key(sample): sample.value for sample in _samples(earlier, DECISIONS.name)}
    same = earlier.process.pid == later.process.pid
    return sum(
        max(0.0, sample.value - (before.get(_key(sample), 0.0) if same else 0.0))
        for sample in _samples(later, DECISIONS.name)
        if sample.labels.get("role") in REJECTING and sample.labels.get("shadow") != "true"
    )


def _samples(look: Look, name: str) -> Iterable[pb.Sample]:
    metric = look.metrics.get(name)
    return () if metric is None else metric.samples


def _key(sample: pb.Sample) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(sample.labels.items()))


_WORST: Final = (pb.STATE_STOPPING, pb.STATE_UNREADY, pb.STATE_STARTING, pb.STATE_SERVING)


def _state(states: Iterable[pb.State]) -> str:
    found = set(states)
    worst = next((state for state in _WORST if state in found), pb.STATE_UNSPECIFIED)
    return pb.State.Name(worst).removeprefix("STATE_").lower()
