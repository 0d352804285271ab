"""The probe knows how late its loop is, and sleeps with it."""

import asyncio

from tests.layers.admission.busy_loop import BusyLoop
from towpath._layers.admission.loop_lag import PERIOD, LagProbe, simulated_lag


def test_a_loop_that_computes_is_late_and_one_that_waits_is_not():
    loop = BusyLoop()

    async def main():
        probe = LagProbe()
        probe.watch(lambda: True)
        probe.start()
        probe.start()
        await asyncio.sleep(10 * PERIOD)
        idle = probe.seconds
        for _ in range(20):
            loop.burn(0.1)
            await asyncio.sleep(0)
        return idle, probe.seconds

    idle, busy = loop.drive(main())
    assert idle < 1e-6
    assert 0.05 < busy < 0.2


def test_it_stops_when_no_call_is_under_way_and_can_begin_again():
    loop = BusyLoop()

    async def main():
        busy = True
        probe = LagProbe()
        probe.watch(lambda: busy)
        probe.start()
        loop.burn(1.0)
        await asyncio.sleep(PERIOD)
        assert probe.seconds > 0
        busy = False
        await asyncio.sleep(2 * PERIOD)
        assert probe.idle
        assert probe.seconds == 0
        probe.start()
        assert not probe.idle
        await asyncio.sleep(2 * PERIOD)

    loop.drive(main())


def test_a_late_loop_is_in_time_again_only_well_below_what_made_it_late():
    loop, seen = BusyLoop(), []

    async def main():
        simulated_lag.set(lambda: lag)
        probe = LagProbe()
        probe.watch(lambda: True, lambda: seen.append(probe.late))
        probe.start()
        for lag_now, late in ((0.004, False), (0.006, True), (0.003, True), (0.001, False), (0.004, False)):
            nonlocal lag
            lag = lag_now
            await asyncio.sleep(20 * PERIOD)
            assert probe.late is late
            assert seen[-1] is late

    lag = 0.0
    loop.drive(main())


def test_a_probe_that_nobody_watches_stops_after_one_look():
    loop = BusyLoop()

    async def main():
        probe = LagProbe()
        probe.start()
        assert not probe.idle
        await asyncio.sleep(2 * PERIOD)
        return probe.idle

    assert loop.drive(main())
