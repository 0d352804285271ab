"""How long chains of calls get, and what retries make of one request."""

from itertools import pairwise
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.graph.drawing import call, graph
from towpath._contracts.graph import Call, Graph
from towpath._contracts.graph.chains import find_amplification, find_deep_chains


def line(*attempts: int) -> Graph:
    """s0 calls s1, which calls s2 and so on, with that many attempts each."""
    return graph(*(call(f"s{index} > s{index + 1}", attempts=number) for index, number in enumerate(attempts)))


@pytest.mark.parametrize(("calls", "depth", "found"), [(5, 5, 0), (6, 5, 1), (1, 1, 0), (2, 1, 1)])
def test_a_chain_is_too_deep_above_the_limit(calls, depth, found):
    assert len(list(find_deep_chains(line(*[1] * calls), depth))) == found


def test_the_longest_of_several_ways_is_told_with_its_entries():
    (finding,) = find_deep_chains(graph(call("a > c"), call("a > b"), call("b > c"), call("c > d")), 2)
    assert finding.way == "a S/M -> b S/M -> c S/M -> d S/M"
    assert "3 calls wait for each other, more than 2" in finding.message
    assert finding.where == ("a.toml: a > b", "b.toml: b > c", "c.toml: c > d")


@pytest.mark.parametrize(("attempts", "found"), [((3, 3), 0), ((3, 3, 1), 0), ((3, 3, 3), 1), ((5, 2), 1), ((1, 5), 0)])
def test_attempts_multiply_along_a_way(attempts, found):
    assert len(list(find_amplification(line(*attempts), 9))) == found


def test_the_product_is_told():
    (finding,) = find_amplification(line(3, 1, 4), 9)
    assert "3 x 1 x 4 = 12 attempts at the end, more than 9" in finding.message
    assert finding.way == "s0 S/M -> s1 S/M -> s2 S/M -> s3 S/M"


def test_each_entry_of_the_system_is_told_and_no_step_in_between():
    found = list(find_amplification(graph(call("a > m", attempts=4), call("b > m", attempts=4), call("m > z", attempts=4)), 9))
    assert sorted(finding.path[0] for finding in found) == ["a S/M", "b S/M"]


def test_a_cycle_ends_the_ways_that_lead_to_it_and_begins_those_that_leave_it():
    calls = [call("a > b", attempts=5), call("b > c", attempts=5), call("c > b", attempts=5), call("c > d", attempts=5)]
    assert sorted(finding.way for finding in find_amplification(graph(*calls), 4)) == ["a S/M -> b S/M", "c S/M -> d S/M"]


LAYERED = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 5)), max_size=12).map(
    lambda edges: [call(f"s{min(a, b)} > s{max(a, b)}", attempts=times) for a, b, times in edges if a != b]
)


def ways(calls: list[Call]) -> list[tuple[Call, ...]]:
    """The oracle: every way through `calls`, which has no cycle."""
    found = [(one,) for one in calls]
    for way in found:
        found += [(*way, one) for one in calls if one.caller == way[-1].callee]
    return found


@given(LAYERED, st.integers(1, 30))
def test_there_is_a_finding_exactly_if_some_way_is_too_heavy(calls, bound):
    whole = graph(*calls)
    assert bool(list(find_amplification(whole, bound))) == any(prod(one.attempts for one in way) > bound for way in ways(calls))
    assert bool(list(find_deep_chains(whole, bound))) == any(len(way) > bound for way in ways(calls))


@given(LAYERED)
def test_what_is_told_is_a_way_of_the_graph(calls):
    edges = {(str(one.caller), str(one.callee)) for one in calls}
    for finding in find_deep_chains(graph(*calls), 1):
        assert set(pairwise(finding.path)) <= edges
