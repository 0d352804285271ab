"""A process looks for cycles more rarely while looks follow each other and find none, and else as often as Python does."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from towpath._app.process import garbage_collector
from towpath._app.process.garbage_collector import MAX_YOUNG, MIDDLE, OLD, PERIOD, GarbageCollector
from towpath.testing import simulate

OWN = (700, 10, 10)


class Time:
    """The time that the collector sees: half a millisecond passes with each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.0005
        return self.now


@pytest.fixture(autouse=True)
def passing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Time]:
    before, enabled, time = gc.get_threshold(), gc.isenabled(), Time()
    monkeypatch.setattr(garbage_collector, "time", time)
    gc.set_threshold(*OWN)
    gc.enable()
    gc.collect()
    yield time
    gc.set_threshold(*before)
    if not enabled:
        gc.disable()


def look(garbage: int = 0) -> None:
    """One look, which finds `garbage` objects in cycles."""
    gc.disable()
    for _ in range(garbage):
        cycle: list[object] = []
        cycle.append(cycle)
    gc.enable()
    gc.collect(0)


def test_looks_that_find_nothing_become_rarer_up_to_the_maximum():
    with GarbageCollector():
        seen: list[int] = []
        for _ in range(6):
            look()
            seen.append(gc.get_threshold()[0])
        assert seen == [700, 1_400, 2_800, 5_600, MAX_YOUNG, MAX_YOUNG]  # the first follows none
        assert gc.get_threshold() == (MAX_YOUNG, MIDDLE, OLD)
    assert gc.get_threshold() == OWN


def test_a_look_that_finds_garbage_brings_back_pythons_intervals():
    with GarbageCollector():
        for _ in range(6):
            look()
        look(garbage=500)
        assert gc.get_threshold() == OWN
        look(garbage=500)
        assert gc.get_threshold() == OWN
        look()
        assert gc.get_threshold()[0] == 1_400


def test_looks_that_are_far_apart_stay_as_they_are(passing: Time):
    with GarbageCollector():
        for _ in range(6):
            passing.now += 0.01
            look()
        assert gc.get_threshold() == OWN


def test_pythons_intervals_are_back_when_there_was_no_look_for_a_while(passing: Time):
    async def main(_: object) -> None:
        with GarbageCollector() as collector:
            for _ in range(6):
                look()
            collector.start()
            raised = gc.get_threshold()[0]
            await asyncio.sleep(PERIOD)
            assert gc.get_threshold()[0] == raised > OWN[0]
            passing.now += PERIOD
            await asyncio.sleep(PERIOD)
            assert gc.get_threshold() == OWN

    simulate(main)


def test_a_few_objects_are_no_garbage_to_speak_of():
    with GarbageCollector():
        for _ in range(6):
            look()
        look(garbage=15)
        assert gc.get_threshold()[0] == MAX_YOUNG


def test_what_lives_as_long_as_the_process_is_set_apart_until_the_end():
    async def main(_: object) -> None:
        with GarbageCollector() as collector:
            collector.start()
            assert gc.get_freeze_count() > 1_000
        assert gc.get_freeze_count() == 0

    simulate(main)


@pytest.mark.parametrize("own", [(5_000, 10, 10), (0, 10, 10)])
def test_intervals_that_somebody_has_chosen_stay(own):
    gc.set_threshold(*own)
    callbacks = list(gc.callbacks)
    with GarbageCollector() as collector:
        collector.start()
        look()
        look()
        assert gc.get_threshold() == own
        assert gc.callbacks == callbacks


def test_a_collector_that_is_off_stays_off():
    gc.disable()
    with GarbageCollector():
        assert not gc.isenabled()
    assert not gc.isenabled()


@pytest.mark.parametrize("own", [(2_000, 10, 0), (2_000, 10, 10)])
def test_later_pythons_begin_with_other_intervals(own):
    gc.set_threshold(*own)
    with GarbageCollector():
        look()
        look()
        assert gc.get_threshold() == (4_000, MIDDLE, OLD if own[2] else 0)
    assert gc.get_threshold() == own
