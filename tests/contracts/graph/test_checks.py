"""All rules together."""

import pytest

from tests.contracts.graph.drawing import call, graph
from towpath._contracts.graph import RULES, Graph, GraphLimits, Owned, Served, Told, check
from towpath._core.context import Criticality
from towpath._core.errors import SetupError


def test_a_sound_graph_has_no_findings():
    assert check(graph(call("a > b"), call("b > c"))) == ()


def test_every_rule_is_run_in_a_fixed_order():
    calls = [
        call("a > b", attempts=5, hedged=True, repeatable=False, timeout=9.0, criticality=Criticality.SHEDDABLE),
        call("b > c", attempts=5),
        call("m > m"),
        call("p/One > q/One"),
        call("q/Two > p/Two"),
    ]
    lost = Served(
        timeout=2.0, criticality=Criticality.CRITICAL, keys_lost="the service keeps no answers", integer_keyed_maps=("a.B.counts",)
    )
    drawn = graph(*calls, q=lost)
    owned = [Owned(datum="x", service="a", where="a.toml"), Owned(datum="x", service="b", where="b.toml")]
    told = [Told(service="a", callee="m", where="system.toml: services.a.calls")]
    found = check(Graph(served=drawn.served, calls=calls, owned=owned, told=told), GraphLimits(depth=1))
    assert list(dict.fromkeys(finding.rule for finding in found)) == list(RULES)


def test_limits_are_the_callers():
    assert [finding.rule for finding in check(graph(call("a > b", attempts=3), call("b > c")), GraphLimits(depth=1, attempts=2))] == [
        "retry-amplification",
        "depth",
    ]


@pytest.mark.parametrize("name", ["depth", "attempts"])
def test_a_limit_of_nothing_is_refused(name):
    with pytest.raises(SetupError, match=f"{name} is 0; give 1 or more"):
        GraphLimits(**{name: 0})


def test_a_finding_reads_as_rule_way_fault_and_remedy():
    (finding,) = check(graph(call("m > m")))
    lines = str(finding).splitlines()
    assert lines[0] == "error: cycle: m S/M -> m S/M"
    assert lines[2].startswith("  change: ")
    assert lines[3] == "  see m.toml: m > m"
