"""The least important calls go first, retries before first attempts, and a tree of calls stands or falls as one."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.context import Context, Criticality
from towpath._core.propagation.trace import TraceContext
from towpath._layers.admission.priority import COHORTS, Prioritizer, level_of

classes = st.sampled_from(Criticality)


def call(criticality, attempt=0, trace=None):
    return Context("a/b", criticality=criticality, attempt=attempt, trace=trace or TraceContext.root())


@given(classes, st.integers(1, 4))
def test_a_retry_stands_below_every_first_attempt_of_its_class_and_above_the_class_below(criticality, attempt):
    retry, first = level_of(call(criticality, attempt)), level_of(call(criticality))
    assert retry < first
    assert retry // (2 * COHORTS) == first // (2 * COHORTS) == criticality - 1


@given(classes)
def test_every_call_of_a_tree_has_the_same_level(criticality):
    root = call(criticality)
    assert level_of(root.child("c/d", None)) == level_of(root)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_about_the_share_that_is_asked_for_is_shed_and_it_is_the_lower_one(rate):
    rng = random.Random(7)
    prioritizer = Prioritizer()
    prioritizer.shed(rate)
    verdicts = [(level, prioritizer.admits(level)) for level in (rng.randrange(1024) for _ in range(5000))][1000:]
    refused = [level for level, admitted in verdicts if not admitted]
    assert len(refused) / len(verdicts) == pytest.approx(rate, abs=0.05)
    assert max(refused) < min(level for level, admitted in verdicts if admitted) + 100


def test_nobody_is_admitted_at_a_rate_of_one_nor_refused_at_a_rate_of_none():
    prioritizer = Prioritizer()
    prioritizer.shed(0.5)
    assert prioritizer.threshold == 0  # nobody was seen
    prioritizer.shed(1.0)
    assert not prioritizer.admits(1023)
    prioritizer.shed(0.0)
    assert prioritizer.admits(0)


@given(st.lists(st.tuples(st.integers(0, 1023), st.floats(0, 1)), max_size=300))
def test_a_verdict_is_the_threshold_s(steps):
    prioritizer = Prioritizer()
    for level, rate in steps:
        prioritizer.shed(rate)
        admitted = prioritizer.admits(level)
        assert admitted == (level >= prioritizer.threshold)
