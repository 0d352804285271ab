"""What a process tells of its loop and its memory."""

import asyncio
import gc

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector

from towpath._telemetry.exposition import exposition
from towpath._telemetry.metric_names import RUNTIME
from towpath._telemetry.metrics import CallMetrics
from towpath._telemetry.runtime_metrics import PERIOD, runtime_metrics


async def test_the_metrics_are_those_of_the_table() -> None:
    metrics = CallMetrics()
    registry = metrics.registry
    with runtime_metrics(metrics, asyncio.get_running_loop()):
        families = {family.name: family for family in registry.collect() if family.name in {metric.name for metric in RUNTIME}}
    known = {metric.name: metric for metric in RUNTIME}
    assert set(families) == set(known)
    for name, family in families.items():
        assert (family.type, family.documentation) == (known[name].kind, known[name].help)
        assert all(set(sample.labels) - {"le"} == set(known[name].labels) for sample in family.samples)


async def test_a_collection_of_garbage_is_timed_by_its_generation() -> None:
    metrics = CallMetrics()
    registry = metrics.registry
    with runtime_metrics(metrics, asyncio.get_running_loop()):
        gc.collect(1)
        assert (registry.get_sample_value("towpath_gc_pause_seconds_count", {"generation": "1"}) or 0) >= 1
        before = len(gc.callbacks)
    assert len(gc.callbacks) == before - 1


class Loop:
    """A loop's clock and timers, which a test holds in its hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, object]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when, callback, *args):
        self.timers.append((when, callback))
        return asyncio.TimerHandle(when, callback, args, asyncio.get_running_loop())


async def test_a_loop_that_comes_late_to_its_timer_is_seen() -> None:
    metrics, loop = CallMetrics(), Loop()
    with runtime_metrics(metrics, loop) as delay:
        for late in (0.0, 0.3):
            when, measure = loop.timers.pop()
            assert when == pytest.approx(loop.now + PERIOD)
            loop.now = when + late
            measure()
        delay.observe(0.4)
        text = exposition_of(metrics.registry)
    assert "towpath_eventloop_delay_seconds_count 3.0" in text
    assert 'towpath_eventloop_delay_seconds_bucket{le="0.001"} 1.0' in text
    assert 'towpath_eventloop_delay_seconds_bucket{le="0.2"} 1.0' in text
    assert 'towpath_eventloop_delay_seconds_bucket{le="0.5"} 3.0' in text


def exposition_of(registry: CollectorRegistry) -> str:
    """The exposition but for the tasks, which no loop of a test's has."""
    return exposition(registry.restricted_registry([f"towpath_eventloop_delay_seconds{end}" for end in ("_bucket", "_count", "_sum")]))


async def test_what_a_registry_has_already_stays() -> None:
    metrics = CallMetrics()
    registry = metrics.registry
    ProcessCollector(registry=registry)
    with runtime_metrics(metrics, asyncio.get_running_loop()):
        assert exposition(registry).count("# TYPE process_open_fds gauge") == 1


async def test_what_takes_long_to_count_is_counted_in_a_thread_before_a_scrape() -> None:
    metrics = CallMetrics()
    with runtime_metrics(metrics, asyncio.get_running_loop()):
        (prepare,) = metrics.before_scrape
        await prepare()
        waiting = asyncio.create_task(asyncio.Event().wait())
        assert metrics.registry.get_sample_value("towpath_tasks") == 1  # as prepared
        assert metrics.registry.get_sample_value("towpath_tasks") == 2
        waiting.cancel()
    assert metrics.before_scrape == []
