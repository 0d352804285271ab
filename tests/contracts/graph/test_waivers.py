"""What a waiver excuses, and until when."""

from datetime import date, timedelta

from tests.contracts.graph.drawing import call, graph
from towpath._contracts.graph import Waiver, apply, check

FINDINGS = check(graph(call("m > m"), call("n > n")))
LAST = date(2027, 3, 31)


def waiver(path: str, rule: str = "cycle") -> Waiver:
    return Waiver(rule=rule, path=path, until=LAST, owner="m team", why="it ends soon", where="m.toml: waivers[0]")


def test_a_waiver_excuses_what_its_path_matches_up_to_its_last_day():
    assert [finding.way for finding in apply([waiver("m *")], FINDINGS, LAST)] == ["n S/M -> n S/M"]


def test_a_waiver_that_ran_out_excuses_nothing_and_is_told():
    left = apply([waiver("m *")], FINDINGS, LAST + timedelta(days=1))
    assert [finding.rule for finding in left] == ["cycle", "cycle", "waiver-expired"]
    assert "ran out on 2027-03-31; m team gave it because: it ends soon" in left[-1].message
    assert left[-1].where == ("m.toml: waivers[0]",)


def test_a_waiver_is_for_its_rule_alone_and_is_told_if_it_excuses_nothing():
    left = apply([waiver("m *", rule="depth")], FINDINGS, LAST)
    assert [finding.rule for finding in left] == ["cycle", "cycle", "waiver-unused"]
    assert "the rule depth" in left[-1].message


def test_without_waivers_every_finding_is_left():
    assert apply([], FINDINGS, LAST) == FINDINGS
