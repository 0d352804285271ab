"""The wheel over a loop whose time only moves when told, so that nothing here sleeps."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from towpath._core.deadline import DeadlineWheel, wheel_of

SLOT = 0.01
"""The promise: never early, and at most this late."""


class Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualLoop:
    """What the wheel needs of a loop. A timer runs at its exact time, as on a loop whose clock only moves from timer to timer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.armed = 0
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        self.armed += 1
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def run_until(self, end: float) -> None:
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            assert self.armed < 10_000, "the wheel arms for the same instant again and again"
            if not timer.cancelled:
                timer.callback()
        self.now = end

    def pending(self) -> int:
        return sum(not timer.cancelled for _, _, timer in self._timers)


class Item:
    """Notes when it expires, and does then what it is told."""

    def __init__(self, loop: VirtualLoop, then: Callable[[], None] = lambda: None) -> None:
        self._loop = loop
        self._then = then
        self.expired: list[float] = []

    def expire(self) -> None:
        self.expired.append(self._loop.now)
        self._then()


def fresh() -> tuple[VirtualLoop, DeadlineWheel]:
    loop = VirtualLoop()
    return loop, DeadlineWheel(cast("asyncio.AbstractEventLoop", loop))


@given(st.lists(st.floats(0, 5) | st.integers(0, 500).map(lambda slot: slot / 100), max_size=30))
def test_everything_expires_once_never_early_and_at_most_a_slot_late(deadlines: list[float]) -> None:
    loop, wheel = fresh()
    items = [(deadline, Item(loop)) for deadline in deadlines]
    for deadline, item in items:
        wheel.add(deadline, item)
    loop.run_until(6.0)
    for deadline, item in items:
        (expired,) = item.expired
        assert deadline <= expired <= deadline + SLOT + 1e-9
    assert loop.pending() == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.001, 1), st.booleans()), max_size=30))
def test_what_is_added_and_discarded_while_time_passes_keeps_its_promise(calls: list[tuple[float, float, bool]]) -> None:
    loop, wheel = fresh()
    items: list[tuple[float, Item, bool]] = []
    for begin, timeout, discarded in sorted(calls):
        loop.run_until(max(begin, loop.now))
        item, deadline = Item(loop), loop.now + timeout
        slot = wheel.add(deadline, item)
        if discarded:
            slot.pop(item, None)
        items.append((deadline, item, discarded))
    loop.run_until(3.0)
    for deadline, item, discarded in items:
        assert len(item.expired) == (0 if discarded else 1)
        assert all(deadline <= expired <= deadline + SLOT + 1e-9 for expired in item.expired)


def test_a_thousand_calls_of_one_moment_cost_one_timer() -> None:
    loop, wheel = fresh()
    for _ in range(1000):
        wheel.add(2.0, Item(loop))
    assert loop.armed == 1


def test_an_earlier_deadline_takes_the_timer_over() -> None:
    loop, wheel = fresh()
    late, early = Item(loop), Item(loop)
    wheel.add(2.0, late)
    wheel.add(1.0, early)
    assert loop.pending() == 1
    loop.run_until(1.5)
    assert (len(early.expired), len(late.expired)) == (1, 0)
    loop.run_until(2.5)
    assert len(late.expired) == 1


def test_a_later_deadline_leaves_the_timer_alone() -> None:
    loop, wheel = fresh()
    wheel.add(1.0, Item(loop))
    wheel.add(2.0, Item(loop))
    assert loop.armed == 1


def test_slots_that_emptied_are_swept_away_with_the_first_that_is_due() -> None:
    loop, wheel = fresh()
    wheel.add(1.0, Item(loop))
    item = Item(loop)
    wheel.add(2.0, item).pop(item, None)
    loop.run_until(1.5)
    assert loop.pending() == 0
    loop.run_until(3.0)
    assert item.expired == []


def test_short_calls_with_far_deadlines_leave_no_slots_behind() -> None:
    loop, wheel = fresh()
    kept = [Item(loop) for _ in range(10)]
    for number, item in enumerate(kept):
        wheel.add(86_400.0 + number, item)
    for number in range(20_000):
        item = Item(loop)
        wheel.add(3_600.0 + number, item).pop(item, None)
    assert len(wheel.slots) < 2_000
    loop.run_until(90_000.0)
    assert [len(item.expired) for item in kept] == [1] * 10


def test_discarding_what_has_expired_or_was_never_added_does_nothing() -> None:
    loop, wheel = fresh()
    item = Item(loop)
    slot = wheel.add(1.0, item)
    slot.pop(Item(loop), None)
    loop.run_until(2.0)
    slot.pop(item, None)
    assert len(item.expired) == 1


def test_an_expiry_can_discard_what_expires_with_it() -> None:
    loop, wheel = fresh()
    second = Item(loop)
    first = Item(loop, lambda: slot.pop(second, None))
    wheel.add(1.0, first)
    slot = wheel.add(1.0, second)
    loop.run_until(2.0)
    assert (len(first.expired), second.expired) == (1, [])


def test_an_expiry_can_add_what_expires_later() -> None:
    loop, wheel = fresh()
    follower, last = Item(loop), Item(loop)
    wheel.add(1.0, Item(loop, lambda: wheel.add(1.5, follower)))
    wheel.add(3.0, last)
    loop.run_until(2.0)
    assert len(follower.expired) == 1
    assert loop.pending() == 1
    loop.run_until(4.0)
    assert len(last.expired) == 1


def test_an_expiry_can_add_to_a_slot_that_waits_already() -> None:
    loop, wheel = fresh()
    waiting, follower = Item(loop), Item(loop)
    wheel.add(1.0, Item(loop, lambda: wheel.add(2.0, follower)))
    wheel.add(2.0, waiting)
    loop.run_until(3.0)
    assert len(waiting.expired) == len(follower.expired) == 1


def test_a_deadline_that_has_passed_already_expires_at_the_next_turn() -> None:
    loop, wheel = fresh()
    loop.now = 100.0
    item = Item(loop)
    wheel.add(1.0, item)
    loop.run_until(100.0)
    assert item.expired == [100.0]


async def test_a_loop_has_one_wheel() -> None:
    loop = asyncio.get_running_loop()
    wheel = wheel_of(loop)
    assert wheel_of(loop) is wheel
    other = asyncio.new_event_loop()
    try:
        assert wheel_of(other) is not wheel
    finally:
        other.close()


async def test_the_wheel_runs_on_a_real_loop() -> None:
    loop = asyncio.get_running_loop()
    expired = asyncio.Event()

    class Waiting:
        def expire(self) -> None:
            expired.set()

    wheel_of(loop).add(loop.time(), Waiting())
    await expired.wait()
