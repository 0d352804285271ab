"""The decisions of the layers: one counter for every rejection, retry, hedge and fallback, by the role that decided and its reason.

The metric is `towpath_decisions_total{rpc_method, role, reason, shadow}`. `shadow="true"` counts decisions that had no effect, because the
role was in shadow mode. A decision about a connection has an empty `rpc_method`. Roles and reasons are fixed words of towpath, so the
number of series is bounded by methods x reasons. A series exists from its first decision on. A call that no layer interfered with counts
nowhere.
"""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from towpath._core.decisions import Decision
from towpath._telemetry.metric_names import DECISIONS


class Decisions(Collector):
    """A `towpath._core.decisions.Signal` that counts. Use one instance from one event loop.

    A `prometheus_client.Counter` has a lock, which a single loop does not need. An overloaded server counts a rejection per call, and this
    class takes a fifth of the time for it (measured, as docs/adr/0005 did for durations).
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        """Make the counter, and register it. Raises ValueError if `registry` has a metric of that name."""
        self._counts: dict[tuple[str, str, str, bool], list[int]] = {}  # one number each, which `counter_of` shares
        registry.register(self)

    def __call__(self, decision: Decision) -> None:
        """Count one decision."""
        self._counts.setdefault(decision[:4], [0])[0] += 1

    def counter_of(self, decision: Decision) -> Callable[[], None]:
        """A function that counts one more such decision: a sixth of the instructions, since it has nothing to look up (counted)."""
        count = self._counts.setdefault(decision[:4], [0])

        def add() -> None:
            count[0] += 1

        return add

    def describe(self) -> Iterable[CounterMetricFamily]:
        """The name, without samples. The registry refuses a second metric of that name."""
        return [CounterMetricFamily(DECISIONS.name, DECISIONS.help, labels=DECISIONS.labels)]

    def collect(self) -> Iterable[CounterMetricFamily]:
        """The samples now."""
        family = CounterMetricFamily(DECISIONS.name, DECISIONS.help, labels=DECISIONS.labels)
        for (method, role, reason, shadow), (count,) in list(self._counts.items()):
            if count:  # not one that nothing was counted by yet
                family.add_metric((method, role, reason, "true" if shadow else "false"), count)
        return [family]
