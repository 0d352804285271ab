"""Rates that a reader takes from two scrapes of all workers are those of the calls that were made, over a restarted worker too."""

import random

from towpath._telemetry.exposition import exposition
from towpath._telemetry.merging import merged
from towpath._telemetry.metrics import CallMetrics

CALLS = "rpc_server_call_duration_seconds_count"


def counts(workers: dict[str, CallMetrics]) -> dict[str, float]:
    """The calls of each series in one scrape of the service."""
    text = "".join(merged({name: exposition(metrics.registry) for name, metrics in workers.items()}))
    lines = (line.rpartition(" ") for line in text.split("\n") if line.startswith(CALLS))
    return {series: float(value) for series, _, value in lines}


def increase(before: dict[str, float], after: dict[str, float]) -> float:
    """As Prometheus' `increase` has it: a series that has become smaller began anew."""
    return sum(value - before.get(series, 0.0) if value >= before.get(series, 0.0) else value for series, value in after.items())


def test_the_increase_is_that_of_the_calls_made_and_a_restart_loses_what_was_not_scraped_alone() -> None:
    chance = random.Random(18)
    workers = {str(index): CallMetrics() for index in range(4)}
    made = seen = 0.0
    before = counts(workers)
    for second in range(20):
        for _ in range(500):
            worker = workers[str(chance.randrange(4))]
            worker.histograms[0].observe(("grpc", f"a.B/M{chance.randrange(3)}", "OK", "", "", ""), 0.001)
            made += 1
        after = counts(workers)
        seen += increase(before, after)
        if second == 10:
            workers["2"] = CallMetrics()  # another process took its place
        before = after
    assert abs(seen - made) <= 0.01 * made
