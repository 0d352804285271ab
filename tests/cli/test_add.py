"""`towpath add` as a person meets it."""

import json

import pytest

from towpath._cli.main import main
from towpath._scaffold.answers import checked
from towpath._scaffold.project import make_service


def test_it_says_what_it_wrote_and_what_to_do_next(tmp_path, capsys):
    folder = make_service(checked("shop"), tmp_path).folder
    assert main(["add", "store", "redis", "--address", "redis://cache:6379/0", "--folder", str(folder)]) == 0
    assert capsys.readouterr().out == (
        f"wrote {folder}/towpath.toml\nwrote {folder}/pyproject.toml\n"
        "next: run make setup; in production set TOWPATH_IDEMPOTENCY, since an address may hold a password\n"
    )
    assert main(["add", "method", "GetThing", "--reads", "--folder", str(folder)]) == 0
    assert "NO_SIDE_EFFECTS;\n    option (towpath.v1.method) = {timeout: {seconds: 1}}" in (folder / "proto/shop/v1/shop.proto").read_text()


def test_a_program_is_told_in_one_document(tmp_path, capsys):
    folder = make_service(checked("shop"), tmp_path).folder
    assert main(["add", "store", "sqlite", "--folder", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["written"] == [f"{folder}/towpath.toml"]
    assert set(told) == {"written", "next"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "method", "Get", "--port", "1"], "--port: means nothing for a method; leave it out"),
        (["add", "store", "redis", "--reads"], "--reads: means nothing for a store; leave it out"),
        (["add", "client", "a", "--address", "b"], "--address: means nothing for a client; leave it out"),
        (["add", "service", "a", "--contract", "b"], "--contract: means nothing for a service; leave it out"),
        (["add", "method", "Get"], ". was not made by towpath new: it has no .towpath/template.json"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
