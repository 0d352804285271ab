"""What the layers decided, read from the metrics that services leave behind."""

from skyline.demo.trouble import decisions
from towpath.telemetry.metrics import CallMetrics, write_exposition


def test_decisions_are_summed_over_processes_and_methods_without_those_in_shadow(tmp_path):
    paths = [tmp_path / "a.prom", tmp_path / "b.prom"]
    for path in paths:
        metrics = CallMetrics()
        metrics.decisions("x.X/A", "retry", "ATTEMPT", False)
        metrics.decisions("x.X/B", "retry", "ATTEMPT", False)
        metrics.decisions("x.X/A", "breaker", "BREAKER_OPEN", True)
        write_exposition(metrics.registry, path)
    assert decisions(paths) == {("retry", "ATTEMPT"): 4}
