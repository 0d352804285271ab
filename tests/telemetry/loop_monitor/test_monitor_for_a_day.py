"""A day of load in virtual time: what the monitor keeps does not grow."""

import asyncio
import gc
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from towpath._core.calls.activity import activity_of
from towpath._telemetry.loop_monitor.block_report import BlockReport
from towpath._telemetry.loop_monitor.measures import NOTHING, Figures
from towpath._telemetry.loop_monitor.monitor import LoopMonitor
from towpath.testing import simulate

HOUR = 3600


class Still:
    """A system of which nothing is known."""

    def raw_figures(self) -> bytes:
        return b""

    def figures(self, raw: bytes) -> Figures:
        return NOTHING

    def cpu(self) -> float:
        return 0.0

    process_cpu = own_wait = throttled = cpu

    def state(self) -> str:
        return "S"


def test_nothing_grows_in_a_day() -> None:
    report = BlockReport(CollectorRegistry())

    async def day() -> list[int]:
        loop = asyncio.get_running_loop()
        activity = activity_of(loop)
        monitor = LoopMonitor(report, system=Still)
        monitor.start(thread=False)
        objects: list[int] = []
        beats = 0
        for hour in range(24):
            for _ in range(60):  # a burst of calls in each minute, then silence
                activity.stir()
                while monitor.armed:
                    monitor.look()
                    await asyncio.sleep(0.02)
                assert monitor.look() is None
                await asyncio.sleep(59)
                assert not monitor.armed
            assert monitor.beats > beats
            beats = monitor.beats
            if hour in (1, 23):
                gc.collect()
                objects.append(len(gc.get_objects()))
        monitor.close()
        return objects

    begin, end = simulate(lambda _: day(), seed=1)
    assert end - begin < 500
    assert report.blocks.last() == ()  # virtual time never makes a loop late


def test_no_block_is_reported_that_nobody_looked_for_twice() -> None:
    """A monitor whose thread came late finds what the loop has noted, once."""
    report = BlockReport(CollectorRegistry())

    async def main(elapsed: Callable[[], float]) -> None:
        activity = activity_of(asyncio.get_running_loop())
        monitor = LoopMonitor(report, system=Still)
        monitor.start(thread=False)
        activity.stir()
        for _ in range(50):
            await asyncio.sleep(0.02)
            activity.stir()
        monitor.look()
        monitor.look()
        monitor.close()
        assert elapsed() > 0

    simulate(lambda run: main(lambda: run.elapsed), seed=1)
    assert report.blocks.count == 0
