"""`towpath check` on systems that are sound and on one for each rule that is not."""

import json
from pathlib import Path

import pytest

from towpath._cli.check import check
from towpath._cli.main import main

SKYLINE = Path(__file__).parents[2] / "reference/skyline/system.toml"
ECHO = "contracts = ['echo.v1.echo_towpath']\n"
BOTH = "contracts = ['library.v1.library_towpath', 'echo.v1.echo_towpath']\n"
SAY = "[[calls]]\nfrom = 'LibraryService/GetBook'\nto = 'EchoService/Say'\n"
SLEEP = "[[calls]]\nfrom = 'LibraryService/GetBook'\nto = 'EchoService/Sleep'\n"


@pytest.fixture
def files(tmp_path):
    def write(**services: str) -> list[Path]:
        paths = []
        for name, text in services.items():
            paths.append(tmp_path / f"{name}.toml")
            paths[-1].write_text(f"[service]\nname = '{name}'\n{text}", encoding="utf-8")
        return paths

    return write


def rules(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [finding["rule"] for finding in json.loads(capsys.readouterr().out)["findings"]]


BROKEN = [
    ("cycle", {"a": ECHO + "[[calls]]\nfrom = 'EchoService/Say'\nto = 'EchoService/Say'\n"}, {"a": ECHO}),
    (
        "service-cycle",
        {"a": BOTH + SAY, "b": BOTH + "[[calls]]\nfrom = 'EchoService/Inspect'\nto = 'LibraryService/ListBooks'\n"},
        {"a": BOTH + SAY, "b": ECHO},
    ),
    ("deadline-inversion", {"a": BOTH + SAY + "times = 2\n"}, {"a": BOTH + SAY + "times = 2\nparallel = true\n"}),
    ("criticality-inversion", {"a": BOTH + SLEEP}, {"a": BOTH + SLEEP + "optional = true\n"}),
    ("two-owners", {"a": "owns = ['x']\n", "b": "owns = ['x']\n"}, {"a": "owns = ['x']\n", "b": "owns = ['y']\n"}),
]


@pytest.mark.parametrize(("rule", "broken", "sound"), BROKEN)
def test_a_broken_system_and_the_same_one_mended(files, capsys, rule, broken, sound):
    assert check(files(**broken), format="json") == 1
    assert rules(capsys) == [rule]
    assert check(files(**sound), format="json") == 0
    assert rules(capsys) == []


@pytest.mark.parametrize(("option", "rule"), [({"attempts": 2}, "retry-amplification"), ({"depth": 1}, "depth")])
def test_a_chain_is_held_against_the_limits_that_are_given(files, capsys, option, rule):
    relay = "contracts = ['echo.v1.echo_towpath', 'stream.v1.stream_towpath']\n"
    paths = files(a=BOTH + SAY, b=relay + "[[calls]]\nfrom = 'EchoService/Say'\nto = 'StreamService/Collect'\noptional = true\n")
    assert check(paths, format="json", **option) == 1
    assert rule in rules(capsys)
    check(paths, format="json")
    assert rule not in rules(capsys)


def test_a_finding_is_printed_for_a_person(files, capsys):
    (path,) = files(a=BOTH + SLEEP)
    assert main(["check", str(path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "error: criticality-inversion: a LibraryService/GetBook -> (outside) EchoService/Sleep",
        "  the caller is CRITICAL and fails whenever this call is refused, which as SHEDDABLE is soon",
        "  change: raise the callee's criticality, or give the caller a fallback and declare the call optional = true",
        f"  see {path}: calls[0]",
    ]


def test_a_sound_system_is_summed_up(capsys):
    assert main(["check", str(SKYLINE)]) == 0
    assert capsys.readouterr().out == "8 services, 31 methods, 19 calls: nothing found\n"


def test_json_is_the_format_of_that_name(capsys):
    assert main(["check", str(SKYLINE), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"findings": []}


def test_what_cannot_be_read_is_no_finding(tmp_path, capsys):
    assert main(["check", str(tmp_path / "no.toml")]) == 2
    assert "no.toml: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(("until", "told"), [("9999-12-31", []), ("2020-01-01", ["criticality-inversion", "waiver-expired"])])
def test_a_waiver_excuses_until_its_day(files, capsys, until, told):
    waiver = f"[[waivers]]\nrule = 'criticality-inversion'\npath = 'a *'\nuntil = {until}\nowner = 'us'\nwhy = 'soon'\n"
    assert check(files(a=BOTH + SLEEP + waiver), format="json") == bool(told)
    assert rules(capsys) == told


def test_notes_are_printed_and_are_no_fault(files, capsys):
    paths = files(a="contracts = ['tests.everything_service']\n")
    assert check(paths) == 0
    printed = capsys.readouterr().out
    assert "note: integer-keys: a Service/Give -> everything.v1.Everything.numbers_by_int32" in printed
    assert check(paths, format="json") == 0
    assert set(rules(capsys)) == {"integer-keys"}
