"""A chain of five whose last service is dead."""

import pytest

from labs.experiments import cascading_failure


@pytest.mark.parametrize("rate", cascading_failure.RATES)
def test_what_users_ask_for_does_not_multiply_on_its_way_down(rate):
    outcome = cascading_failure.default(0, rate)
    assert outcome.users > 0
    assert outcome.amplification <= 1.1


def test_the_same_seed_gives_the_same_figures():
    assert cascading_failure.default(1, 20) == cascading_failure.default(1, 20)


def test_with_retries_on_every_hop_it_does(monkeypatch):
    monkeypatch.setattr(cascading_failure, "SECONDS", cascading_failure.HEALTHY + 1)
    assert cascading_failure.naive(0, 5).amplification > 100
