"""What is on by default fails no call on an ordinary day that would have succeeded without it, and does nothing twice."""

import pytest

from labs.experiments.do_no_harm.experiment import SITUATIONS, compare, holds


@pytest.mark.parametrize("name", SITUATIONS)
def test_no_situation_is_made_worse(name):
    comparison = compare(0, name)
    assert holds(SITUATIONS[name], [comparison]), (comparison.stack.failed, comparison.bare.failed, comparison.stack.attempts)
    assert comparison.stack.calls == comparison.bare.calls > 100


def test_there_are_twenty_situations():
    assert len(SITUATIONS) == 20


def test_effects_that_are_repeated_without_keys_are_seen():
    comparison = compare(0, "store failover")
    assert (comparison.stack.doubled, comparison.bare.doubled > 0) == (0, True)


def test_the_same_seed_gives_the_same_figures():
    assert compare(3, "slow replica") == compare(3, "slow replica")
