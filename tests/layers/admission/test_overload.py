"""An overload ends with its cause, and not with those who come again because they were refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._layers.admission.overload import RecoveryProbe


def spared(probe, now, seconds, share):
    """Turns of 10 ms, in each of which those who came last wait for `share` of what they can: those in which nobody is refused."""
    return [now + n / 100 for n in range(int(seconds * 100)) if probe.update(now + n / 100, share)]


def test_after_a_second_of_an_overload_nobody_is_refused_as_long_as_few_gather():
    probe = RecoveryProbe()
    probe.overload_began(100.0)
    turns = spared(probe, 100.0, 5.0, 0.2)
    assert turns[0] == pytest.approx(101.0)
    assert len(turns) == 400


def test_the_first_probe_ends_at_a_quarter_and_a_later_one_at_a_half_of_what_calls_can_wait():
    probe = RecoveryProbe()
    probe.overload_began(100.0)
    turns = spared(probe, 100.0, 5.0, 0.4)
    assert turns[0] == pytest.approx(101.0)
    assert turns[1] == pytest.approx(103.01)
    assert len(turns) == 1 + 199


def test_a_probe_ends_as_soon_as_many_gather_and_the_next_one_is_twice_as_far_away():
    probe = RecoveryProbe()
    probe.overload_began(100.0)
    began = []
    for n in range(20_000):
        before = probe.running
        probe.update(100.0 + n / 100, 0.6 if before else 0.0)
        if probe.running and not before:
            began.append(100.0 + n / 100)
    assert [round(later - earlier) for earlier, later in pairwise(began)] == [2, 4, 8, 16, 32, 64, 64]


def test_another_overload_much_later_is_tried_as_soon_as_the_first():
    probe = RecoveryProbe()
    probe.overload_began(100.0)
    spared(probe, 100.0, 30.0, 0.9)
    probe.overload_began(500.0)
    assert not probe.running
    assert spared(probe, 500.0, 3.0, 0.1)[0] == pytest.approx(501.0)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1), st.booleans()), max_size=100))
def test_nobody_is_spared_while_many_have_gathered_nor_within_a_second(steps):
    probe, now, began = RecoveryProbe(), 100.0, 100.0
    probe.overload_began(now)
    for pause, share, anew in steps:
        now += pause
        if anew:
            probe.overload_began(now)
            began = now
        before = probe.running
        spares = probe.update(now, share)
        assert spares is probe.running
        assert not (before and share > 0.5 and spares)
        assert not (spares and now - began < 1.0)
