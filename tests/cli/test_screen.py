"""What a person sees: no line is longer than the terminal, colour is only where it is wanted, and other programs get values whole."""

import re
import sys
from pathlib import Path

import pytest

from towpath._cli import screen
from towpath._cli.main import main

FILE = """
[service]
name = "shop"
contracts = ["echo.v1.echo_towpath", "stream.v1.stream_towpath"]
owns = ["a-thing-with-a-name-of-some-length", "another-thing-with-a-name-of-some-length"]

[targets.stock]
address = "dns:///stock.shop.svc.cluster.local:8082"
outlier_detection = { max_ejected_share = 0.2 }

[[methodConfig]]
name = [{ service = "echo.v1.EchoService", method = "Say" }]
timeout = "9s"
criticality = "SHEDDABLE"
"""
CALLS = """
[[calls]]
from = "StreamService/Repeat"
to = "EchoService/Say"
"""


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "TOWPATH_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "towpath.toml").write_text(FILE)


COMMANDS = [["config"], ["doctor"], ["check", "towpath.toml"], ["explain", "EchoService/Say"]]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) in (0, 1)
    return capsys.readouterr().out


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_it_fits_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str], columns: int, *, colour: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    if command[0] == "check":
        Path("towpath.toml").write_text(FILE + CALLS)
    text = shown(capsys, *command)
    plain = re.sub(r"\x1b\[\d+m", "", text)
    assert plain.strip()
    assert ("\x1b[" in text) is (colour and plain != text)
    assert [line for line in plain.splitlines() if len(line) > columns] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_another_program_gets_values_whole_and_without_colour(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    text = shown(capsys, *command)
    assert "\x1b[" not in text
    if command == ["config"]:
        assert "dns:///stock.shop.svc.cluster.local:8082" in text


def test_a_cell_is_wrapped_to_its_column_and_a_long_word_is_broken() -> None:
    assert list(screen.cells(("key", "a value of three", "file"), (4, 8, 4))) == [
        ["key ", "a value ", "file"],
        ["    ", "of three", "    "],
    ]
    assert [line[0] for line in screen.cells(("abcdefgh", ""), (3, 1))] == ["abc", "def", "gh "]


def test_a_long_value_is_broken_between_its_parts() -> None:
    for value, lines in {
        "dns:///stock.shop.svc.cluster.local:8082": ["dns:///", "stock.shop.", "svc.cluster.", "local:8082  "],
        "at redis://127.0.0.1:6379/0": ["at redis://", "127.0.0.1:", "6379/0"],
        "a.b abcdefghijklmnop.q": ["a.b", "abcdefghijkl", "mnop.q"],
        "": [""],
    }.items():
        assert [line[0].rstrip() for line in screen.cells((value, ""), (12, 1))] == [line.rstrip() for line in lines]


def test_a_path_stays_whole() -> None:
    assert screen.wrapped("see /a/long/path/to/a/file.toml: calls", 12, indent="  ", then="    ") == [
        "  see",
        "    /a/long/path/to/a/file.toml:",
        "    calls",
    ]
    assert screen.wrapped("", 10, indent="  ") == ["  "]


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_terminal_of_hardly_a_column_gets_something(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str], columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert shown(capsys, *command)
