"""What the layers decided: one counter for every refusal, retry, hedge and fallback, by the role that decided and its reason.

`towpath_decisions_total{rpc_method, role, reason, shadow}`: `shadow="true"` counts what a role would have done had it not been watched
only. Roles and reasons are fixed words of towpath, so the number of series is bounded by methods x reasons. Quiet as long as nothing
happens: a series exists once it was counted, and a call that nobody interfered with counts none.
"""

from prometheus_client import CollectorRegistry, Counter


class Decisions:
    """A `towpath.core.signals.Signal` that counts. Use one instance from one event loop."""

    __slots__ = ("_counter", "_series")

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            "towpath_decisions",
            "Decisions of the resilience layers, by role and reason.",
            ("rpc_method", "role", "reason", "shadow"),
            registry=registry,
        )
        # An overloaded server counts a refusal per call, and `labels` takes longer than all the rest of it.
        self._series: dict[tuple[str, str, str, bool], Counter] = {}

    def __call__(self, method: str, role: str, reason: str, shadow: bool) -> None:
        """Count one decision."""
        key = (method, role, reason, shadow)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = self._counter.labels(method, role, reason, "true" if shadow else "false")
        series.inc()
