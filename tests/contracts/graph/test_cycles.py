"""Cycles of methods and of services, found on graphs that are drawn and on random ones."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.graph.drawing import call, graph
from towpath._contracts.graph import Severity
from towpath._contracts.graph.cycles import components, find_cycles, shortest_cycle

EDGES = st.integers(1, 9).flatmap(
    lambda size: st.fixed_dictionaries({node: st.lists(st.integers(0, size - 1), max_size=4) for node in range(size)})
)


def reachable(edges: dict[int, list[int]]) -> dict[int, set[int]]:
    """The oracle: what can be reached from each node in one step or more, by steps until nothing is new."""
    found = {node: set(others) for node, others in edges.items()}
    while True:
        wider = {node: others.union(*(found[other] for other in others)) for node, others in found.items()}
        if wider == found:
            return found
        found = wider


@given(EDGES)
def test_components_are_the_sets_of_nodes_that_reach_each_other(edges):
    reach = reachable(edges)
    expected = {frozenset({node} | {other for other in reach[node] if node in reach[other]}) for node in edges}
    found = components(edges)
    assert {frozenset(component) for component in found} == expected
    assert sum(map(len, found)) == len(edges)


@given(EDGES)
def test_components_come_after_everything_that_they_call(edges):
    place = {node: index for index, component in enumerate(components(edges)) for node in component}
    assert all(place[other] <= place[node] for node, others in edges.items() for other in others)


@given(EDGES)
def test_a_shortest_cycle_is_one_and_is_there_exactly_if_a_node_reaches_itself(edges):
    reach = reachable(edges)
    for node in edges:
        cycle = shortest_cycle(edges, node)
        assert bool(cycle) == (node in reach[node])
        if cycle:
            assert cycle[0] == cycle[-1] == node
            assert len(set(cycle)) == len(cycle) - 1
            assert all(callee in edges[caller] for caller, callee in pairwise(cycle))


@given(EDGES)
def test_a_graph_has_findings_exactly_if_a_method_can_call_itself(edges):
    calls = [call(f"s{node} > s{other}") for node, others in edges.items() for other in others]
    reach = reachable(edges)
    assert bool(list(find_cycles(graph(*calls)))) == any(node in reach[node] for node in edges)


def test_a_chain_deeper_than_the_stack_of_python_is_no_trouble():
    edges = {node: [node + 1] for node in range(5000)} | {5000: [0]}
    assert len(components(edges)) == 1


def test_a_cycle_of_methods_is_an_error_that_shows_the_way_and_its_entries():
    (finding,) = find_cycles(graph(call("a > b"), call("b > c"), call("c > a"), call("c > d")))
    assert (finding.rule, finding.severity) == ("cycle", Severity.ERROR)
    assert set(finding.path) == {"a S/M", "b S/M", "c S/M"}
    assert finding.path[0] == finding.path[-1]
    assert set(finding.where) == {"a.toml: a > b", "b.toml: b > c", "c.toml: c > a"}


def test_a_method_that_calls_itself_is_a_cycle():
    (finding,) = find_cycles(graph(call("a > a")))
    assert finding.way == "a S/M -> a S/M"


def test_services_that_need_each_other_by_different_methods_are_a_warning():
    (finding,) = find_cycles(graph(call("a/One > b/Two"), call("b/Three > a/Four")))
    assert (finding.rule, finding.severity) == ("service-cycle", Severity.WARNING)
    assert set(finding.path) == {"a", "b"}


def test_a_service_may_call_its_own_other_method():
    assert list(find_cycles(graph(call("a/One > a/Two")))) == []


def test_two_ways_to_one_place_are_no_cycle():
    assert list(find_cycles(graph(call("a > b"), call("a > c"), call("b > d"), call("c > d")))) == []
