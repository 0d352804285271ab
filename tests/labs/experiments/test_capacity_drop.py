"""A server makes the most of what it can do within a second, however much that is."""

import pytest

from labs.experiments import capacity_drop as lab


@pytest.fixture(autouse=True)
def _in_half_the_time(monkeypatch):
    monkeypatch.setattr(lab, "CHANGE", 5)
    monkeypatch.setattr(lab, "BACK", 11)
    monkeypatch.setattr(lab, "UNTIL", 17)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_after_a_step_a_server_is_at_its_peak_within_a_second(seed):
    outcome = lab.step(seed, "on")
    assert lab.soon_after_step(outcome) >= 0.95
    assert lab.after_step(outcome) >= 0.95


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_server_that_loses_half_of_its_capacity_makes_use_of_the_rest_and_of_all_of_it_once_it_is_back(seed):
    outcome = lab.drop(seed, "on")
    assert lab.during_drop(outcome) >= 0.9
    assert lab.after_drop(outcome) >= 0.95


def test_a_server_that_rejects_no_call_answers_too_late():
    assert lab.after_step(lab.step(0, "off")) < 0.9
    assert lab.during_drop(lab.drop(0, "off")) < 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_a_pool_needs_a_bulkhead(seed):
    assert lab.after_step(lab.pool(seed, bulkhead=True)) >= 0.95
    assert lab.after_step(lab.pool(seed, bulkhead=False)) < 0.7


def test_the_same_seed_gives_the_same_figures(monkeypatch):
    monkeypatch.setattr(lab, "CHANGE", 2)
    monkeypatch.setattr(lab, "UNTIL", 5)
    assert lab.step(3, "on") == lab.step(3, "on")
