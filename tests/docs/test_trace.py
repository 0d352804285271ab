"""The page about `towpath trace`: its commands are run over rings of a made-up system, and print what the page shows."""

import json
import re
import shlex
from datetime import datetime
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.recordings import System, shop
from tests.telemetry.traces.foreign.test_spans_to_trace import TRACE, span
from towpath._cli.main import main
from towpath._cli.traces import files
from towpath._core import clock
from towpath._telemetry.traces.critical_path import Phase

PAGE = ROOT / "docs" / "howto" / "trace.md"
BLOCKS = blocks("docs/howto/trace.md", PAGE.read_text())
COMMANDS = [part for block in BLOCKS if block.kind == "console" for part in block.parts]
SHOWN = [block.body.splitlines() for block in BLOCKS if block.kind == "text"]


@pytest.fixture
def rings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An hour ago 120 traces; in the last minutes as many, of which a tenth is slow."""
    folder = tmp_path / "rings"
    folder.mkdir()
    system = System({"s7": 3600.0, "s3": -7200.0}, folder=folder, rows=1024)
    now = clock.now()
    for number in range(240):
        late = number >= 120 and number % 10 == 1
        at = now - (3600 if number < 120 else (240 - number) / 10)
        root = shop(19_200 if number == 231 else 19_000 if late else 300)
        root.code = 14 if number == 239 else 0
        system.add(0x8F3A91D2 << 96 | 1 if number == 231 else number + 1, root, at=at)
    spans = [span("Get", 0, 90_000, kind="server")]
    document = {"data": [{"traceID": TRACE, "spans": spans, "processes": {"p1": {"serviceName": "front"}}}]}
    (tmp_path / "jaeger.json").write_text(json.dumps(document))
    (tmp_path / "spans.jsonl").write_text(json.dumps(document).replace(TRACE, f"{0x8F3A91D2 << 96:032x}"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "ring_files", lambda: sorted(folder.iterdir()))
    return folder


def typed(command: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    now = datetime.now().astimezone().timestamp()
    start, end = (datetime.fromtimestamp(now - seconds).astimezone().strftime("%H:%M:%S") for seconds in (4500, 2700))
    program, *arguments = shlex.split(command.replace("10:20-10:30", f"{start}-{end}"))
    assert program == "towpath"
    assert main(arguments) == 0
    return capsys.readouterr().out.splitlines()


def as_shown(line: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d\.\d{3}", "10:41:07.318", line)


def test_the_commands_print_what_the_page_shows(rings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = {command: typed(command, capsys) for command in COMMANDS}
    (slowest, many, versus) = SHOWN
    found = {command: [as_shown(line) for line in lines] for command, lines in printed.items()}
    of_slowest = found["towpath trace --slowest --last 5m"]
    of_many, of_versus = (lines for command, lines in found.items() if "--many" in command)
    assert of_slowest[: len(slowest)] == slowest
    assert of_many[: len(many)] == many
    assert [of_versus[0], *of_versus[of_versus.index(versus[1]) :]] == versus
    assert Path("slow.html").read_text().startswith("<!DOCTYPE html>")
    assert "UNAVAILABLE" in found["towpath trace --failed --last 1h"][0]


def test_each_phase_is_in_the_table() -> None:
    table = PAGE.read_text().partition("## The phases")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) == [str(phase) for phase in Phase]
