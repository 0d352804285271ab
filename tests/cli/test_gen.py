"""`towpath gen` as a command."""

import json
from pathlib import Path

import pytest
from cyclopts import App

from towpath._cli.gen import gen

CONTRACT = 'syntax = "proto3";\npackage till.v1;\nmessage M {}\nservice TillService {\n  rpc Say(M) returns (M);\n}\n'


@pytest.fixture(autouse=True)
def contract(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = Path("proto/till/v1/till.proto")
    file.parent.mkdir(parents=True)
    file.write_text(CONTRACT, "utf-8")
    return file


def test_it_says_what_it_wrote(capsys):
    assert gen([Path("proto")], out=Path("out")) == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote out/till/v1/till_fakes.py",
        "wrote out/till/v1/till_pb2.py",
        "wrote out/till/v1/till_pb2.pyi",
        "wrote out/till/v1/till_towpath.py",
    ]
    assert gen([Path("proto")], out=Path("out"), check=True) == 0
    assert capsys.readouterr().out == "4 files are up to date in out\n"


def test_check_lists_what_differs_and_exits_with_1(capsys, contract):
    gen([Path("proto")], out=Path("out"))
    contract.write_text(CONTRACT.partition("service")[0], "utf-8")
    capsys.readouterr()
    assert gen([Path("proto")], out=Path("out"), check=True) == 1
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        "differs out/till/v1/till_pb2.py",
        "left over out/till/v1/till_fakes.py",
        "left over out/till/v1/till_towpath.py",
    ]
    assert "without --check" in output.err
    assert gen([Path("proto")], out=Path("out")) == 0
    assert "removed out/till/v1/till_towpath.py" in capsys.readouterr().out


def test_fakes_may_be_left_out(capsys):
    gen([Path("proto")], out=Path("out"))
    assert gen([Path("proto")], out=Path("out"), no_fakes=True) == 0
    assert capsys.readouterr().out.endswith("removed out/till/v1/till_fakes.py\n")
    assert gen([Path("proto")], out=Path("out"), no_fakes=True, check=True) == 0
    assert gen([Path("proto")], out=Path("out"), check=True) == 1


def test_warnings_go_to_standard_error(capsys, contract):
    contract.write_text(CONTRACT.replace("message M", 'import "google/protobuf/empty.proto";\nmessage M'), "utf-8")
    gen([Path("proto")], out=Path("out"))
    assert "proto/till/v1/till.proto:3:1: warning: " in capsys.readouterr().err


def test_the_command_line_takes_several_roots_and_paths():
    app = App(result_action="return_value")
    app.default(gen)
    Path("more").mkdir()
    arguments = ["proto/till/v1/till.proto", "--proto-root", "more", "--proto-root", "proto", "--out", "out", "--ship-protos"]
    assert app(arguments) == 0
    assert Path("out/till/v1/till.proto").read_text("utf-8") == CONTRACT
    assert app([*arguments, "--check"]) == 0


def test_bindings_are_skipped_and_imports_prefixed_by_flags(capsys, contract):
    binding = 'import "google/api/annotations.proto";\n'
    bound = CONTRACT.replace("message M", binding + "message M").replace(
        "returns (M);", 'returns (M) { option (google.api.http) = { get: "v1" }; }'
    )
    contract.write_text(bound, "utf-8")
    app = App(result_action="return_value")
    app.default(gen)
    assert app(["proto", "--out", "src/a/gen", "--import-prefix", "a.gen", "--skip-bindings"]) == 0
    output = capsys.readouterr()
    assert "warning: till.v1.TillService/Say: path 'v1' does not begin with /; the binding is left out" in output.err
    assert "from a.gen.till.v1 import till_pb2" in Path("src/a/gen/till/v1/till_towpath.py").read_text("utf-8")


def test_a_package_is_made_with_its_version(capsys):
    from towpath._cli.main import main

    command = ["gen", "--package", "till-contracts", "--version", "1.4.0", "--out", "dist/till", "proto"]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "build it with: uv build dist/till, or: python -m build dist/till"
    assert 'version = "1.4.0"' in Path("dist/till/pyproject.toml").read_text("utf-8")
    assert main([*command, "--check"]) == 0
    assert capsys.readouterr().out == "11 files are up to date in dist/till\n"


def test_a_program_is_told_in_one_document(capsys, contract):
    files = [f"out/till/v1/till_{name}" for name in ("fakes.py", "pb2.py", "pb2.pyi", "towpath.py")]
    assert gen([Path("proto")], out=Path("out"), json=True) == 0
    told = {"written": files, "removed": [], "unchanged": [], "warnings": [], "up_to_date": False}
    assert json.loads(capsys.readouterr().out) == told
    contract.write_text(CONTRACT.replace("Say", "Tell"), "utf-8")
    assert gen([Path("proto")], out=Path("out"), check=True, json=True) == 1
    assert "out/till/v1/till_towpath.py" in json.loads(capsys.readouterr().out)["written"]
