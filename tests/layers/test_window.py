"""What a window counts is what happened in its ten seconds."""

from hypothesis import given
from hypothesis import strategies as st

from tests.layers.virtual_time import Hand
from towpath._core import clock
from towpath._layers.window import SECONDS, Window


@given(st.lists(st.one_of(st.booleans(), st.sampled_from(["clear"]), st.floats(0, 14)), max_size=80))
def test_it_counts_the_last_ten_seconds(steps):
    hand = Hand()
    with clock.using(hand):
        window = Window()
        happened: list[tuple[int, bool]] = []
        for step in steps:
            if isinstance(step, bool):
                window.add(marked=step)
                happened.append((int(hand.now), step))
            elif step == "clear":
                window.clear()
                happened.clear()
            else:
                hand.now += step
            window.roll()
            recent = [marked for second, marked in happened if second > int(hand.now) - SECONDS]
            assert (window.total, window.marked) == (len(recent), sum(recent))
