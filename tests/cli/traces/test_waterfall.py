"""A trace as text: the same words on each terminal, and bars where there is room."""

import re

import pytest

from tests.recordings import MS, Received, System, marks, once, plain, shop
from towpath._cli.traces.waterfall import Style, hop_name, milliseconds, time_of_day, waterfall
from towpath._telemetry.traces.assembly import assembled
from towpath._telemetry.traces.report import HopPhase, Report, report

ESCAPE = re.compile("\x1b\\[[0-9]*m")
RANK: HopPhase = ("s7", "rank.v1.Rank/Score", "handler")


def reported(root: Received, usual: dict[HopPhase, float] | None = None, compared: int = 0) -> Report:
    system = System(rows=1 << 12)
    system.add(0x8F3A, root)
    (trace,) = assembled(system.recordings())
    return report(trace, usual, compared)


def words(text: str) -> list[str]:
    """The words, without bars, the scale of bars, and indentation."""
    lines = [ESCAPE.sub("", line) for line in text.splitlines()]
    return re.sub(r"\|[^|]*\|", " ", "\n".join(lines)).split()


def test_the_waterfall_of_a_trace() -> None:
    text = waterfall(reported(shop(), {RANK: 100.0}, 12), Style())
    lines = text.splitlines()
    assert re.fullmatch(r"31\.3 ms  s1 Front/Get  OK  \d\d:\d\d:\d\d\.\d{3}  trace 0{28}8f3a  not kept, not sampled  5 of 5 hops", lines[0])
    assert lines[2] == "GUILTY  s7 Rank/Score: handler 19.2 ms (61 %); usual here 0.10 ms, the median of 12 other traces"
    assert lines[4].split() == ["hop", "on", "the", "path", "ms", "%", "usual", "0", "31.3", "ms"]
    (guilty,) = [line for line in lines if line.endswith("<-")]
    assert re.fullmatch(r" +handler +19\.2 +61 +0\.10  \| +▓+ +\|  <-", guilty)
    assert "      #1 UNAVAILABLE at 10.0.0.7:8080" in lines
    assert lines[-1] == "* wire: its two directions cannot be told apart, so each is shown as half of it"
    assert max(map(len, lines)) <= 120


def test_bars_are_drawn_by_eighths() -> None:
    root = plain("a", 8 * 60, once(0, plain("b", 3)), once(8 * 30, plain("c", 8 * 10 + 5)))
    drawn = [re.findall(r"\|(.*)\|", line)[0] for line in waterfall(reported(root), Style(columns=111)).splitlines() if "|" in line]
    assert {len(bar) for bar in drawn} == {len(drawn[0])}
    scale = len(drawn[0]) / (8 * 60)
    (of_b,) = [bar for bar in drawn if bar.strip() in "▏▎▍▌▋▊▉"]
    assert of_b.startswith("▍")
    of_c = drawn[-1]
    assert abs(of_c.index("█") - 8 * 30 * scale) <= 1
    assert abs(of_c.count("█") - 85 * scale) <= 1


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("blocks", [False, True])
def test_the_words_are_the_same_on_each_terminal(columns: int, colour: bool, blocks: bool) -> None:
    found = reported(shop(), {RANK: 100.0}, 12)
    text = waterfall(found, Style(columns=columns, colour=colour, blocks=blocks))
    plain_text = ESCAPE.sub("", text)
    assert (text == plain_text) is not colour
    assert blocks or plain_text.isascii()
    longest = max((len(line) for line in plain_text.splitlines()), default=0)
    assert longest <= max(columns, 34 if columns < 60 else 0)  # an id of 32 digits stays whole
    wide = set(words(waterfall(found, Style(columns=300))))
    figures = {"0", "."} | {word for word in wide if word.endswith("|")}
    assert {word.strip(",") for word in wide - figures} <= {word.strip(",") for word in words(text)} | {"#2"}


def test_a_name_cannot_steer_the_terminal() -> None:
    root = plain("a", 10 * MS, once(0, plain("b\x1b[2J", 5 * MS, method="x/\x1b]0;t\x07\n\u202eGet")))
    text = waterfall(reported(root), Style())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    assert "\\x1b[2J" in text


def test_a_long_name_is_cut() -> None:
    text = waterfall(reported(plain("a" * 60, 10, method="p.S/" + "m" * 250)), Style(columns=100))
    assert max(map(len, text.splitlines())) <= 100


def test_many_calls_are_one_line() -> None:
    calls = [once(number, plain("b", 900 + number), branch=5) for number in range(300)]
    text = waterfall(reported(plain("a", 11_000, *calls)), Style())
    assert re.search(r"\.\.\. x 2\d\d like this: b Cart/Get, 0\.0 ms \(0 %\)", text)
    assert len(text.splitlines()) < 40


def test_different_calls_are_folded_with_what_they_took() -> None:
    root = plain("leaf", 50)
    for depth in range(60):
        root = plain(f"m{depth}", root.marks[5] + 2, once(1, root))
    text = waterfall(reported(root), Style())
    assert re.search(r"\.\.\. \d\d hops, 0\.\d\d ms \(\d+ %\), each at most 0\.00 ms", text)


def test_small_phases_of_a_hop_are_one_line() -> None:
    root = Received("a", marks(1, 2, 3, 4, 1000, 1000))
    assert re.search(r"4 phases +0\.00", waterfall(reported(root), Style()))


def test_a_trace_that_took_no_time() -> None:
    text = waterfall(reported(plain("a", 0)), Style())
    assert "GUILTY" not in text
    assert text.splitlines()[-1].startswith("a Cart/Get")


def test_a_failure_has_a_line_of_its_own() -> None:
    root = plain("a", 5 * MS, once(0, plain("b", MS, code=14, method="x.Rank/Score"), code=14), code=14)
    lines = waterfall(reported(root), Style(columns=200, colour=True)).splitlines()
    assert lines[1] == "\x1b[31mFAILED\x1b[0m  UNAVAILABLE came from b Rank/Score"
    assert "FAILED" not in waterfall(reported(plain("a", 5)), Style())


def test_what_took_no_longer_than_usual_is_not_guilty() -> None:
    text = waterfall(reported(plain("a", 5 * MS), {("a", "shop.Cart/Get", "handler"): 5100.0}, 12), Style(columns=200, colour=True))
    said = (
        "AS USUAL  no phase took much longer than usual. "
        "The longest is a Cart/Get: handler 5.0 ms (100 %); usual here 5.1 ms, the median of 12 other traces"
    )
    assert ESCAPE.sub("", text).splitlines()[1] == said
    assert "GUILTY" not in text
    assert "▓" not in text
    assert "\x1b[31m" not in text
    (marked,) = [line for line in text.splitlines() if line.endswith("<-")]
    assert "handler" in marked


def test_a_trace_that_is_slower_in_many_phases() -> None:
    calls = [once(10 * number, plain(f"b{number}", 10)) for number in range(20)]
    usual = {(f"b{number}", "shop.Cart/Get", "handler"): 5.0 for number in range(20)}
    said = waterfall(reported(plain("a", 200, *calls), usual, 9), Style(columns=200)).splitlines()[1]
    assert said.startswith(
        "SLOWER  0.10 ms more than usual, over many phases. The most is in b0 Cart/Get: handler 0.01 ms (5 %); usual here"
    )


def test_a_phase_that_is_not_usual_at_all() -> None:
    text = waterfall(reported(plain("a", 5 * MS), {}, 12), Style(columns=200))
    assert text.splitlines()[1] == "GUILTY  a Cart/Get: handler 5.0 ms (100 %); usual here none, by the median of 12 other traces"


def test_without_other_traces_nothing_is_usual() -> None:
    assert waterfall(reported(plain("a", 5 * MS)), Style(columns=200)).splitlines()[1].startswith("LONGEST  a Cart/Get: handler")
    assert "; no other trace of this method to compare with" in waterfall(reported(plain("a", 5 * MS)), Style())
    assert "the median of 1 other trace" in " ".join(waterfall(reported(plain("a", 5 * MS), {}, 1), Style()).split())


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e300, -1e300])
def test_a_time_that_no_clock_says(seconds: float) -> None:
    assert time_of_day(seconds) == "no time"


def test_figures_and_names() -> None:
    assert [milliseconds(value) for value in (0, 3, 994, 995, 31_300, 4_000_000, -12)] == [
        "0.0", "0.00", "0.99", "1.0", "31.3", "4,000.0", "-0.01",
    ]  # fmt: skip
    assert hop_name("s", "a.b.Cart/Get") == "s Cart/Get"
    assert hop_name("", "Get") == "Get"
