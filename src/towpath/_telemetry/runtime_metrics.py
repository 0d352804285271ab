"""What the process and its event loop are doing, as metrics: how late the loop is, garbage collections, tasks, memory, descriptors, CPU.

The loop's delay is that of a timer which is due four times a second, and so is how long anything that became due then had to wait. It has
the sense of OpenTelemetry's `nodejs.eventloop.delay`, as no convention names Python's. A pause for garbage is timed by `gc.callbacks`, at
two looks at the clock for each collection. Memory, descriptors, CPU and the counts of garbage have the names of prometheus-client, which
dashboards know.

These are facts of a process, so `towpath.run` registers them once, and an `App` in a test has none of them.
"""

import asyncio
import gc
import time
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry, GCCollector, Metric, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from towpath._telemetry.histogram import DurationHistogram, Series
from towpath._telemetry.metric_names import GC_PAUSE, LOOP_DELAY, TASKS
from towpath._telemetry.metrics import CallMetrics

DELAYS: Final = (1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds in seconds that scrapes see of delays and pauses."""

PERIOD: Final = 0.25
"""Seconds between two measurements of the loop's delay."""


class LoopDelay:
    """Measures how late `loop` is, from `start` to `stop`. Other measurements of the same loop are told to `observe`."""

    def __init__(self, registry: CollectorRegistry, loop: asyncio.AbstractEventLoop) -> None:
        """Make the histogram, and register it. Raises ValueError if `registry` has a metric of that name."""
        self._loop = loop
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._series: Series = DurationHistogram(LOOP_DELAY, bounds=DELAYS, registry=registry).series()

    def observe(self, seconds: float) -> None:
        """Count one delay."""
        self._series.observe(seconds)

    def start(self) -> None:
        """Begin to measure. This is called in the loop's thread."""
        self._due = self._loop.time() + PERIOD
        self._timer = self._loop.call_at(self._due, self._measure)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _measure(self) -> None:
        self.observe(max(0.0, self._loop.time() - self._due))
        self.start()


class _Pauses:
    """Times each collection of garbage. A collection runs in whichever thread made the last object, while no other thread runs Python, so
    there is never a second one at the same time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        pauses = DurationHistogram(GC_PAUSE, bounds=DELAYS, registry=registry)
        self._series: list[Series] = [pauses.series(str(generation)) for generation in range(3)]
        self._began = 0.0

    def __call__(self, phase: Literal["start", "stop"], info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        elif self._began:  # else it began before this was registered
            generation: int = min(info["generation"], 2)
            self._series[generation].observe(time.perf_counter() - self._began)


class _Counted(Collector):
    """Tasks and the facts of the process, which take milliseconds to count where there are thousands of tasks or descriptors."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, process: bool) -> None:
        self._loop = loop
        self._process = ProcessCollector(registry=None) if process else None
        self._ready: list[Metric] | None = None
        self._thread = ThreadPoolExecutor(1, "towpath-metrics")

    def _count(self) -> list[Metric]:
        tasks = GaugeMetricFamily(TASKS.name, TASKS.help)
        tasks.add_metric((), len(asyncio.all_tasks(self._loop)))
        return [tasks, *(() if self._process is None else self._process.collect())]

    async def prepare(self) -> None:
        """Count in a thread, so that the next `collect` need not do it in the loop's."""
        self._ready = await self._loop.run_in_executor(self._thread, self._count)

    def collect(self) -> Iterable[Metric]:
        """The gauges: those that were prepared, if any were since this was last asked."""
        ready, self._ready = self._ready, None
        return self._count() if ready is None else ready

    def close(self) -> None:
        """Prepare nothing more."""
        self._thread.shutdown(wait=False)


@contextmanager
def runtime_metrics(metrics: CallMetrics, loop: asyncio.AbstractEventLoop) -> Generator[LoopDelay]:
    """Add the metrics of this process, whose calls run in `loop`, to the registry of `metrics`, and keep them going until the `with` block
    ends. Those of prometheus-client that the registry has already stay as they are. Raises ValueError if it has the others."""
    registry = metrics.registry
    there = {family.name for family in registry.collect()}
    if "python_gc_collections" not in there:
        GCCollector(registry=registry)
    counted = _Counted(loop, process="process_cpu_seconds" not in there)
    registry.register(counted)
    delay, pauses = LoopDelay(registry, loop), _Pauses(registry)
    gc.callbacks.append(pauses)
    metrics.before_scrape.append(counted.prepare)
    delay.start()
    try:
        yield delay
    finally:
        delay.stop()
        metrics.before_scrape.remove(counted.prepare)
        counted.close()
        gc.callbacks.remove(pauses)
