"""No metric is made of a name that is not in the table, and the metrics of a service are those of the table."""

import ast

import pytest

from tests.architecture.repository import ROOT, tracked, written_by_hand
from tests.echo_service import Echo
from towpath import App
from towpath._telemetry.metric_names import LEAKED_TASKS, LOOP_BLOCKS, METRICS, OF_EXPORTERS, RUNTIME, WORKER_RESTARTS

MAKERS = {
    "Counter",
    "CounterMetricFamily",
    "DurationHistogram",
    "Enum",
    "Gauge",
    "GaugeMetricFamily",
    "Histogram",
    "HistogramMetricFamily",
    "Info",
    "InfoMetricFamily",
    "Metric",
    "Summary",
    "SummaryMetricFamily",
}
"""What makes a metric of a name, of prometheus-client and here."""


def spelt_out(source: str) -> list[str]:
    """The metrics of a module whose names are spelt out where they are made."""
    if "prometheus_client" not in source and "DurationHistogram" not in source:
        return []
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args]
    made = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id in MAKERS]
    return [name.value for name in made if isinstance(name, ast.Constant)]


def test_each_metric_is_made_of_a_name_of_the_table() -> None:
    assert [name for path in written_by_hand(tracked(), under=("src/",)) for name in spelt_out((ROOT / path).read_text())] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('from prometheus_client import Gauge\nGauge("towpath_new", "New.")', ["towpath_new"]),
        ("from prometheus_client import Gauge\nGauge(READY.name, READY.help)", []),
    ],
)
def test_a_name_that_is_spelt_out_is_found(source: str, found: list[str]) -> None:
    assert spelt_out(source) == found


async def test_a_service_has_the_metrics_of_the_table() -> None:
    async def ready() -> bool:
        return True

    async def work() -> None:
        pass

    async with App() as app:
        app.add(Echo())
        app.ready("db", ready)
        await app.background(work, on_end="log", restart="on_failure")
        await app.start("127.0.0.1", 0)
        families = {family.name: family for family in app.metrics.registry.collect()}
    known = {metric.name: metric for metric in METRICS}
    assert set(families) <= set(known)
    of_processes = {WORKER_RESTARTS, LOOP_BLOCKS, LEAKED_TASKS, *OF_EXPORTERS, *RUNTIME}
    assert set(known) - set(families) == {metric.name for metric in of_processes}
    for name, family in families.items():
        assert (family.type, family.documentation) == (known[name].kind, known[name].help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(known[name].labels)
