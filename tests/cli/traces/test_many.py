"""`towpath trace --many`: contributions to quantiles, and what grew."""

import json
import re
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from tests.recordings import System, once, plain
from towpath._cli.main import main
from towpath._core import clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two hundred traces an hour ago, and as many now, in which a tenth of the calls of rank takes 20 ms more."""
    system, random = System({"rank": -3600.0}, folder=tmp_path, rows=1024), Random(4)
    now = clock.now()
    for number in range(400):
        late = 20_000 if number >= 200 and number % 10 == 3 else 0
        took = random.randint(1800, 2200) + late
        root = plain(
            "front", took + random.randint(900, 1100), once(100, plain("rank", took, method="shop.Rank/Score")), method="shop.Front/Get"
        )
        system.add(number + 1, root, at=now - (3600 if number < 200 else 60))
    return tmp_path


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    status = main(["trace", "--many", *arguments])
    captured = capsys.readouterr()
    return captured.err if status else captured.out


def before() -> str:
    """The half hour around an hour ago, as it is typed."""
    now = datetime.now().astimezone().timestamp()
    start, end = (datetime.fromtimestamp(now - seconds).astimezone().strftime("%H:%M:%S") for seconds in (4500, 2700))
    return f"{start}-{end}"


def test_what_hops_and_phases_contribute(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ran(capsys, "Front/Get", "--last", "10m", "--file", str(folder)).splitlines()
    assert re.match(r"Front/Get  200 traces  p50 3\.\d ms  p95 2\d\.\d ms  p99 2\d\.\d ms", lines[0])
    assert lines[2].split() == ["of", "it,", "in", "ms", "p50", "p95", "p99"]
    assert re.match(r"rank Rank/Score  handler +2\.\d +2\d\.\d +2\d\.\d", lines[3])
    assert re.match(r"front Front/Get  handler +(1\.\d|0\.9\d) ", lines[4])


def test_what_makes_p95_alone_has_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of 400 traces the slowest 3 % spend a little more in each of 15 services, and the 4 % before them all in one."""
    system = System(folder=tmp_path, rows=1 << 13)
    for number in range(400):
        each = 3000 if number >= 388 else 10
        calls = [once(number * 3010, plain(f"s{number}", each), branch=1) for number in range(15)]
        late = once(50_000, plain("late", 20_000 if 370 <= number < 388 else 0), branch=1)
        took = 100_000 if number >= 388 else 75_000 if number >= 370 else 55_000
        system.add(number + 1, plain("front", took, *calls, late, method="shop.Front/Get"))
    lines = ran(capsys, "Front/Get", "--file", str(tmp_path)).splitlines()
    assert any(line.startswith("late Cart/Get  handler") for line in lines)


def test_what_grew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = ran(capsys, "shop.Front/Get", "--last", "10m", "--versus", before(), "--file", str(folder))
    lines = text.splitlines()
    assert lines[0] == "Front/Get  200 traces before, 200 traces after; +- holds in 95 of 100 cases"
    assert re.match(r"p99  3\.\d -> 2\d\.\d ms  \(\+(19|20)\.\d \+-\d\.\d+\)", next(line for line in lines if line.startswith("p99")))
    assert re.search(r"rank Rank/Score  handler  2\.\d -> 2\d\.\d ms  \(\+(19|2\d)\.\d", text)
    assert "all else below" in text


def test_the_same_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(ran(capsys, "Front/Get", "--last", "10m", "--versus", before(), "--json", "--file", str(folder)))
    assert (found["method"], found["traces"], found["traces_before"]) == ("shop.Front/Get", 200, 200)
    p99 = found["growth"][2]
    assert p99["quantile"] == 0.99
    assert 18 < p99["whole"]["difference"] < 22
    assert (p99["parts"][0]["service"], p99["parts"][0]["phase"], p99["parts"][0]["sure"]) == ("rank", "handler", True)
    for quantile in found["quantiles"]:
        assert sum(part["ms"] for part in quantile["contributions"]) == pytest.approx(quantile["ms"])


@pytest.mark.parametrize("columns", [40, 80])
def test_on_a_narrow_terminal(folder: Path, capsys: pytest.CaptureFixture[str], columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("towpath._cli.screen.width", lambda: columns)
    monkeypatch.setenv("NO_COLOR", "1")
    for more in ([], ["--versus", before()]):
        text = ran(capsys, "Front/Get", "--last", "10m", *more, "--file", str(folder))
        assert max(map(len, text.splitlines())) <= columns
        assert "Rank/Score" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["Cart/Get"], r"no call of Cart/Get is recorded; there are calls of shop\.Front/Get, shop\.Rank/Score$"),
        (["Front/Get", "--last", "1s", "--versus", "01:00-01:01"], r"0 traces begin with shop\.Front/Get in the time to compare with, and"),
        (["Rank/Score"], r"0 traces begin with shop\.Rank/Score in the time asked for, and quantiles need 20; ask for a longer time, or"),
        (["Front/Get", "--versus", "yesterday"], r"--versus is 'yesterday'; give two times of day, such as 10:20-10:30"),
    ],
)
def test_one_clear_sentence(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    said = ran(capsys, *arguments, "--file", str(folder))
    assert re.search(says, said.rstrip()), said


def test_a_method_of_two_packages(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    system = System(folder=tmp_path)
    system.add(1, plain("a", 5, method="one.Front/Get"))
    system.add(2, plain("a", 5, method="two.Front/Get"))
    assert "Front/Get may be one.Front/Get or two.Front/Get; give the whole name" in ran(capsys, "Front/Get", "--file", str(tmp_path))
    system.add(3, plain("a", 5, method="Front/Get"))
    assert "1 traces begin with Front/Get" in ran(capsys, "Front/Get", "--file", str(tmp_path))


def test_no_call_at_all(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    System(folder=tmp_path).writer("a")
    assert "no call of Front/Get is recorded; there are no calls at all" in ran(capsys, "Front/Get", "--file", str(tmp_path))
