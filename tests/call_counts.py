"""How many calls the metrics have counted, for tests that care for method and code alone."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry


def call_samples(registry: CollectorRegistry, side: str, suffix: str, **labels: str) -> Mapping[str, float]:
    """The samples of the calls on `side` with these labels, by the rest of their labels."""
    name = f"rpc_{side}_call_duration_seconds{suffix}"
    return {
        ",".join(f"{label}={value}" for label, value in sample.labels.items() if label not in labels): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name and all(sample.labels[label] == value for label, value in labels.items())
    }


def counted_calls(registry: CollectorRegistry, side: str, method: str, code: str) -> float | None:
    """The calls of `method` on `side` that ended with `code`; None if there is no series of them."""
    found = call_samples(registry, side, "_count", rpc_method=method, rpc_status_code=code)
    return sum(found.values()) if found else None
