"""Who gets through when not everybody can."""

import pytest

from labs.experiments import priority_spike


@pytest.mark.parametrize("seed", [0, 1])
def test_critical_calls_do_not_notice_a_spike_of_sheddable_ones(seed):
    outcome = priority_spike.spike(seed)
    assert outcome.critical_in_spike >= 0.994
    assert min(outcome.sheddable[slice(*priority_spike.SPIKE)]) < 0.5


@pytest.mark.parametrize("seed", [0, 1])
def test_a_page_of_four_calls_gets_all_of_them_or_none(seed):
    assert priority_spike.pages(seed) >= 0.9 / priority_spike.LOAD
