"""What an experiment's report promises, and what becomes of it on disk."""

import json

import pytest

from labs.report import Claim, Finding, Panel, Report, Series
from labs.writing import text, write


def report(*findings: Finding, **figures: object) -> Report:
    return Report(
        title="Naps",
        question="Do naps help?",
        claim=Claim(text="They do.", source="Cat, On Naps, 2020"),
        setup="Two cats, one nap each.",
        findings=findings,
        panels=[Panel(title="t", x_label="x", y_label="y", series=[Series(name="s", x=[1, 2], y=[3, 4])])],
        figures=figures,
    )


HELD = Finding(what="purring", expected=">= 1", measured="2", holds=True)
MISSED = Finding(what="mice", expected=">= 1", measured="0", holds=False)


def test_a_report_holds_if_all_of_it_does():
    assert report(HELD).holds
    assert not report(HELD, MISSED).holds


def test_the_text_says_what_was_asked_claimed_and_found():
    written = text(report(HELD, MISSED))
    for part in ("# Naps", "Do naps help?", "> They do.", "Cat, On Naps, 2020", "Two cats", "| purring | >= 1 | 2 | holds |", "MISSED"):
        assert part in written


def test_figures_are_kept_for_programs(tmp_path):
    write(report(HELD, naps=2), tmp_path / "deep" / "naps")
    kept = json.loads((tmp_path / "deep" / "naps" / "figures.json").read_text())
    assert kept["figures"] == {"naps": 2}
    assert kept["findings"] == [{"what": "purring", "expected": ">= 1", "measured": "2", "holds": True}]


def test_a_figure_that_json_does_not_know_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nan"):
        write(report(HELD, naps=float("nan")), tmp_path)


def test_a_curve_has_as_many_x_as_y():
    with pytest.raises(ValueError, match="'s' has 1 x and 2 y"):
        Series(name="s", x=[1], y=[1, 2])
