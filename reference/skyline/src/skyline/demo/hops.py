"""How long each hop took, from the metrics that the services leave behind when they stop.

Every process counts the calls that it serves and the calls that it makes in a histogram for each method and code. Server side and client
side of one hop are both worth seeing: what lies between them is the wire and the waiting on both ends.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from prometheus_client.parser import text_string_to_metric_families

from skyline.demo.quantiles import Bucket, estimated
from towpath import SetupError

_SIDES: Final[Mapping[str, Literal["made", "served"]]] = {
    "rpc_client_call_duration_seconds": "made",
    "rpc_server_call_duration_seconds": "served",
}


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One method as one process saw it: `side` says whether that process made the calls or served them."""

    process: str
    method: str
    side: Literal["made", "served"]
    calls: int
    errors: int
    buckets: tuple[Bucket, ...]

    def quantile(self, share: float) -> float:
        """Estimated seconds, errors included."""
        return estimated(self.buckets, share)


def read_hops(dumps: Mapping[str, Path]) -> list[Hop]:
    """The hops in the metric dumps of `dumps` (process name to file). Raises SetupError for a dump that is missing or is none."""
    hops: list[Hop] = []
    for process, path in dumps.items():
        try:
            hops += hops_of(process, path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SetupError(
                f"the metrics of {process} cannot be read from {path}: {error}; did the service stop in good order?"
            ) from error
    return hops


def since(hops: Iterable[Hop], before: Iterable[Hop]) -> list[Hop]:
    """What `hops` have counted since `before`. A process that was started anew since then has counted from nothing."""
    known = {(hop.process, hop.method, hop.side): hop for hop in before}
    left: list[Hop] = []
    for hop in hops:
        old = known.get((hop.process, hop.method, hop.side))
        if old is None or old.calls > hop.calls:
            left.append(hop)
        elif hop.calls > old.calls:
            below = {bucket.bound: bucket.below for bucket in old.buckets}
            buckets = tuple(Bucket(bucket.bound, bucket.below - below.get(bucket.bound, 0)) for bucket in hop.buckets)
            left.append(replace(hop, calls=hop.calls - old.calls, errors=hop.errors - old.errors, buckets=buckets))
    return left


def hops_of(process: str, exposition: str) -> Iterable[Hop]:
    """The hops in one exposition in Prometheus' text format. Raises ValueError if it is none."""
    for family in text_string_to_metric_families(exposition):
        side = _SIDES.get(family.name)
        if side is None:
            continue
        counts: defaultdict[str, defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
        calls: defaultdict[str, int] = defaultdict(int)
        errors: defaultdict[str, int] = defaultdict(int)
        for sample in family.samples:
            method = sample.labels.get("rpc_method", "")
            if sample.name.endswith("_bucket"):
                counts[method][float(sample.labels["le"])] += sample.value
            elif sample.name.endswith("_count"):
                calls[method] += int(sample.value)
                if sample.labels["rpc_status_code"] != "OK":
                    errors[method] += int(sample.value)
        for method in sorted(calls):
            if calls[method]:
                buckets = tuple(Bucket(bound, counts[method][bound]) for bound in sorted(counts[method]))
                yield Hop(process=process, method=method, side=side, calls=calls[method], errors=errors[method], buckets=buckets)
