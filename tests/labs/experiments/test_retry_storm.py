"""A stall of ten seconds, and what becomes of the service after it."""

import pytest

from labs.experiments import retry_storm


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_service_recovers_within_two_seconds_by_default(seed):
    outcome = retry_storm.default(seed)
    assert outcome.recovered >= 0.95
    assert min(outcome.goodput[: retry_storm.STALL[0]]) >= 0.95


def test_the_same_seed_gives_the_same_figures(monkeypatch):
    monkeypatch.setattr(retry_storm, "STALL", (1, 4))
    monkeypatch.setattr(retry_storm, "UNTIL", 8)
    assert retry_storm.default(3) == retry_storm.default(3)


def test_a_service_whose_clients_know_no_budget_never_does():
    outcome = retry_storm.naive(0)
    assert min(outcome.goodput[: retry_storm.STALL[0]]) >= 0.95
    assert max(outcome.goodput[retry_storm.STALL[1] :]) < 0.5
