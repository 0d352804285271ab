"""Entries of `[[calls]]` and `[[waivers]]`, each checked with its place."""

from datetime import date
from pathlib import Path

import msgspec
import pytest

from towpath._app.settings.declarations import CallTable, WaiverTable
from towpath._app.system.declared_calls import calls_of, waivers_of
from towpath._core.errors import SetupError

SOURCE = Path("a.toml")
WAIVER = WaiverTable(rule="cycle", path="a *", until=date(2027, 3, 31), owner="us", why="soon")


def test_a_call_keeps_what_is_written_and_its_place():
    tables = [CallTable(to="S/M"), CallTable(to="S/N", caller="T/M", optional=True, parallel=True, times=2)]
    first, second = calls_of(tables, SOURCE)
    assert (first.where, first.to, first.caller, first.times) == ("a.toml: calls[0]", "S/M", None, 1)
    assert (second.where, second.caller, second.optional, second.parallel, second.times) == ("a.toml: calls[1]", "T/M", True, True, 2)


def test_a_waiver_keeps_what_is_written_and_its_place():
    (waiver,) = waivers_of([WAIVER], SOURCE)
    assert (waiver.rule, waiver.owner, waiver.where) == ("cycle", "us", "a.toml: waivers[0]")


@pytest.mark.parametrize("field", ["path", "owner", "why"])
def test_a_waiver_says_everything(field):
    with pytest.raises(SetupError, match=rf"a\.toml: waivers\[0\]\.{field}: is empty"):
        waivers_of([msgspec.structs.replace(WAIVER, **{field: " "})], SOURCE)


def test_a_rule_that_does_not_exist_is_named_with_what_is_near():
    with pytest.raises(SetupError, match=r"a\.toml: waivers\[0\]\.rule: unknown rule 'cycl'; did you mean 'cycle'"):
        waivers_of([msgspec.structs.replace(WAIVER, rule="cycl")], SOURCE)
