"""Too little time, too little weight, harmful repeats, and data of two owners."""

import pytest

from tests.contracts.graph.drawing import call, graph
from towpath._contracts.graph import Graph, Owned, Served, Severity, Step, Told
from towpath._contracts.graph.edges import (
    find_criticality_inversions,
    find_deadline_inversions,
    find_integer_keys,
    find_lost_keys,
    find_shared_data,
    find_undeclared_calls,
    find_unsafe_repeats,
)
from towpath._core.context import Criticality


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        ([{"timeout": 2.0}], None),
        ([{"timeout": 2.5}], "waits 2 s, its calls may take 2.5 s:"),
        ([{"timeout": 1.0}, {"timeout": 1.0}], None),
        ([{"timeout": 1.5}, {"timeout": 1.0}], "1.5 s + 1 s = 2.5 s"),
        ([{"timeout": 1.0, "times": 3}], "3 x 1 s = 3 s"),
        ([{"timeout": 2.0, "parallel": True}, {"timeout": 1.5, "parallel": True}], None),
        ([{"timeout": 1.5, "parallel": True}, {"timeout": 1.0, "parallel": True}, {"timeout": 1.0}], "1 s + 1.5 s in parallel = 2.5 s"),
        ([{"timeout": 0.5, "parallel": True, "times": 9}], None),
        ([{"timeout": None}], "take forever, since one of them has no timeout"),
        ([{"timeout": 1.0, "attempts": 5}], None),
        ([{"timeout": 0.7}, {"timeout": 0.7}, {"timeout": 0.6}], None),
    ],
)
def test_calls_must_fit_into_the_time_of_their_caller(calls, told):
    found = list(find_deadline_inversions(graph(*(call(f"a > b{index}", **given) for index, given in enumerate(calls)))))
    assert len(found) == (told is not None)
    assert all(told in finding.message and finding.rule == "deadline-inversion" for finding in found)


def test_the_shortest_time_that_a_caller_gives_is_what_counts():
    (finding,) = find_deadline_inversions(graph(call("x > a", timeout=0.5), call("y > a", timeout=1.5), call("a > b", timeout=1.0)))
    assert "waits 0.5 s, its calls may take 1 s:" in finding.message
    assert finding.way == "a S/M -> b S/M"


def test_a_caller_that_gives_more_time_than_the_contract_does():
    served = Served(timeout=0.5, criticality=Criticality.CRITICAL)
    assert list(find_deadline_inversions(graph(call("x > a", timeout=2.0), call("a > b", timeout=1.0), a=served))) == []


def test_a_method_without_end_has_time_for_everything():
    served = Served(timeout=None, criticality=Criticality.CRITICAL)
    assert list(find_deadline_inversions(graph(call("a > b", timeout=None), a=served))) == []


def test_a_method_that_two_services_serve_is_called_at_one_of_them():
    calls = [call("a > b", timeout=1.5, where="x"), call("a > c", timeout=1.5, where="x")]
    assert list(find_deadline_inversions(graph(*calls))) == []


@pytest.mark.parametrize(
    ("caller", "callee", "optional", "found"),
    [
        (Criticality.CRITICAL, Criticality.CRITICAL, False, 0),
        (Criticality.CRITICAL_PLUS, Criticality.CRITICAL, False, 0),
        (Criticality.CRITICAL, Criticality.SHEDDABLE_PLUS, False, 1),
        (Criticality.CRITICAL_PLUS, Criticality.SHEDDABLE, False, 1),
        (Criticality.CRITICAL, Criticality.SHEDDABLE, True, 0),
        (Criticality.SHEDDABLE_PLUS, Criticality.SHEDDABLE, False, 0),
    ],
)
def test_a_critical_method_needs_a_fallback_for_what_is_refused_first(caller, callee, optional, found):
    whole = graph(call("a > b", criticality=callee, optional=optional), a=Served(timeout=2.0, criticality=caller))
    findings = list(find_criticality_inversions(whole))
    assert [finding.rule for finding in findings] == ["criticality-inversion"] * found
    assert all(caller.name in finding.message and callee.name in finding.message for finding in findings)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"repeatable": False}, None),
        ({"repeatable": False, "attempts": 3}, None),
        ({"repeatable": False, "hedged": True}, "is hedged"),
        ({"repeatable": False, "repeated_codes": ("ABORTED", "INTERNAL")}, "tried again after ABORTED, INTERNAL"),
        ({"repeatable": True, "hedged": True, "repeated_codes": ("INTERNAL",)}, None),
    ],
)
def test_what_may_be_done_twice_must_be_idempotent(given, told):
    findings = list(find_unsafe_repeats(graph(call("a > b", **given))))
    assert len(findings) == (told is not None)
    assert all(told in finding.message and finding.rule == "unsafe-repeat" for finding in findings)


def test_where_keys_are_promised_their_answers_are_kept():
    lost = Served(timeout=2.0, criticality=Criticality.CRITICAL, keys_lost="the service keeps no answers", where="b.toml: here")
    (finding,) = find_lost_keys(graph(call("a > b"), b=lost))
    assert (finding.rule, finding.path, finding.where) == ("keys-lost", ("b S/M",), ("b.toml: here",))
    assert "the service keeps no answers: a repeated call" in finding.message


def test_a_datum_has_one_owner():
    owned = [Owned(datum=datum, service=service, where=f"{service}.toml") for datum, service in [("x", "a"), ("y", "a"), ("x", "b")]]
    (finding,) = find_shared_data(Graph(served={}, owned=owned))
    assert (finding.rule, finding.path, finding.where) == ("two-owners", ("a", "b"), ("a.toml", "b.toml"))
    assert "'x'" in finding.message


def test_a_service_may_say_twice_what_it_owns():
    owned = [Owned(datum="x", service="a", where="a.toml")] * 2
    assert list(find_shared_data(Graph(served={}, owned=owned))) == []


def told(way: str) -> Told:
    service, callee = way.split(" > ")
    return Told(service=service, callee=callee, where=f"system.toml: services.{service}.calls")


def test_a_service_that_is_told_of_another_declares_what_it_calls_there():
    drawn = graph(call("a > b"), call("b > c"))
    whole = Graph(served=drawn.served, calls=drawn.calls, told=[told("a > b"), told("a > c")])
    (finding,) = find_undeclared_calls(whole)
    assert (finding.rule, finding.path, finding.where) == ("undeclared-call", ("a", "c"), ("system.toml: services.a.calls",))


def test_a_callee_that_serves_nothing_known_cannot_be_declared():
    drawn = graph(call("a > b"))
    assert list(find_undeclared_calls(Graph(served=drawn.served, calls=drawn.calls, told=[told("a > bare")]))) == []


def test_a_map_with_integers_for_keys_is_a_note_at_the_first_method_that_takes_it():
    served = Served(timeout=None, criticality=Criticality.CRITICAL, integer_keyed_maps=("a.B.counts",))
    steps = Step("one", "a.S/M"), Step("two", "a.S/N")
    (finding,) = find_integer_keys(Graph(served=dict.fromkeys(steps, served)))
    assert (finding.rule, finding.severity, finding.path) == ("integer-keys", Severity.NOTE, ("one S/M", "a.B.counts"))
