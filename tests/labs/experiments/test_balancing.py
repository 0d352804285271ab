"""Uneven replicas at nine tenths of what they can do."""

import pytest

from labs.experiments import balancing


@pytest.mark.timeout(1800)  # a quarter of a minute of computing, and many where others compute too
def test_choosing_by_load_beats_taking_turns_and_counting_calls(monkeypatch):
    monkeypatch.setattr(balancing, "REPLICAS", 8)
    monkeypatch.setattr(balancing, "SECONDS", 7)
    p99 = {policy: balancing.balanced(0, policy).percentile(0.99) for policy in balancing.POLICIES}
    assert p99["peak_ewma"] <= 0.5 * p99["round_robin"]
    assert p99["peak_ewma"] <= p99["least_request"]
