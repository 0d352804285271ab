"""A burst is let through, a queue that stands is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._layers.admission.codel import CoDel

TARGET, INTERVAL = 0.005, 0.1


def feed(codel, waits, step=0.01, start=0.0):
    return [codel.should_drop(start + n * step, wait) for n, wait in enumerate(waits)]


def test_a_burst_shorter_than_an_interval_is_never_dropped():
    assert not any(feed(CoDel(), [0.05] * 10))


def test_a_queue_that_stands_drops_what_waited_twice_the_target():
    codel = CoDel()
    feed(codel, [0.02] * 11)
    assert codel.overloaded
    assert feed(codel, [0.011, 0.009], start=0.12) == [True, False]


def test_one_short_wait_ends_the_overload_at_once():
    codel = CoDel()
    feed(codel, [0.02] * 12)
    assert not codel.should_drop(0.125, 0.004)
    assert not codel.overloaded
    assert not codel.should_drop(0.126, 0.02)


def test_an_interval_with_short_waits_does_not_begin_one():
    codel = CoDel()
    assert not any(feed(codel, [0.02, 0.004, *[0.02] * 9]))
    assert not codel.overloaded


def test_a_shorter_wait_above_the_target_changes_nothing():
    codel = CoDel()
    feed(codel, [0.02] * 11)
    assert codel.should_drop(0.12, 0.015)


def test_silence_ends_an_overload():
    codel = CoDel()
    feed(codel, [0.02] * 11)
    assert not codel.should_drop(10.0, 0.02)


@pytest.mark.parametrize("options", [{"target": 0.0}, {"interval": -1.0}])
def test_what_cannot_be_meant_is_refused(options):
    with pytest.raises(ValueError, match="more than 0"):
        CoDel(**options)


@given(st.lists(st.tuples(st.floats(0, 0.3), st.floats(0, 0.05)), max_size=200))
def test_whoever_waited_no_longer_than_twice_the_target_is_never_dropped(steps):
    codel, now = CoDel(target=TARGET, interval=INTERVAL), 0.0
    for pause, wait in steps:
        now += pause
        dropped = codel.should_drop(now, wait)
        assert not (dropped and wait <= codel.max_wait)
        assert not (dropped and not codel.overloaded)
