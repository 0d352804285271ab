"""The frame of the command line: statuses, messages, and no traceback."""

import importlib
import importlib.util
import subprocess
import sys

import pytest

from towpath._cli.main import COMMANDS, main
from towpath._core.errors import SetupError


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("towpath")


def test_help_names_the_commands(capsys):
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    assert all(command in output for command in ("explain", "gen", "up"))


def test_help_says_what_each_command_does(capsys):
    assert main(["--help"]) == 0
    output = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for where, line in COMMANDS.values():
        assert line in output
        module, _, name = where.partition(":")
        assert getattr(importlib.import_module(module), name).__doc__.partition("\n")[0] == line


def test_the_help_of_a_command_is_its_own(capsys):
    assert main(["gen", "--help"]) == 0
    assert "--proto-root" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["explane"], ["up", "--metrcs", "x"], ["explain"], ["explain", "a/b", "--side", "middle"]])
def test_wrong_arguments_are_status_2(arguments, capsys):
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert "Traceback" not in output.out + output.err


def test_what_a_person_can_mend_is_one_line_and_status_2(capsys, tmp_path):
    assert main(["up", str(tmp_path / "no.toml")]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'no.toml'}: no such file; check the path\n"


def test_without_its_packages_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cyclopts" else object())
    assert main(["--version"]) == 2
    assert capsys.readouterr().err == "error: the command line needs cyclopts; install with: pip install 'towpath[cli]'\n"


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "towpath", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("towpath")


def test_help_loads_neither_compiler_nor_server():
    script = (
        "import sys; from towpath._cli.main import main; main(['--help'])\n"
        "assert not {'towpath._transport', 'grpc_tools'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_a_reader_that_has_gone_ends_it_without_a_word():
    script = "import sys; import towpath._cli.main as m; m._dispatch = lambda _: print('x' * 100_000, flush=True); sys.exit(m.main([]))"
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate()
    assert (process.returncode, err) == (141, b"")


def test_an_interrupt_is_status_130(monkeypatch):
    def interrupted(_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("towpath._cli.main._dispatch", interrupted)
    assert main([]) == 130


def test_a_setup_error_of_a_command_is_told(monkeypatch, capsys):
    def wrong(_arguments):
        raise SetupError("x is wrong")

    monkeypatch.setattr("towpath._cli.main._dispatch", wrong)
    assert main([]) == 2
    assert capsys.readouterr().err == "error: x is wrong\n"
