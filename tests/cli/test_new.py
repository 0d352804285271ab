"""`towpath new` as a person meets it."""

import json

import pytest

from towpath._cli.main import main


def test_it_says_what_it_made_and_what_to_do_next(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "shop", "--port", "9000", "--description", "Sells."]) == 0
    out = capsys.readouterr().out
    assert out.startswith("made shop, ")
    assert out.splitlines()[2:] == [
        "  cd shop",
        "  make smoke    # serves, calls it once, and stops",
        "  make dev      # serves, and starts anew after each change",
        "  make call     # in another terminal: calls it",
        "  make check test",
    ]
    assert "Sells." in (tmp_path / "shop/README.md").read_text()
    assert 'listen = "127.0.0.1:9000"' in (tmp_path / "shop/towpath.toml").read_text()


def test_a_system_is_made_of_the_names_behind_it(tmp_path, capsys):
    assert main(["new", "--system", "shop", "cart", "catalogue", "--into", str(tmp_path)]) == 0
    assert {"cart", "catalogue", "system.toml"} <= {path.name for path in (tmp_path / "shop").iterdir()}
    assert "make call" not in capsys.readouterr().out


def test_a_program_is_told_in_one_document(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "pay", "--port", "9000", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("files") == len([path for path in (tmp_path / "pay").rglob("*") if path.is_file() and ".git" not in path.parts])
    assert told.pop("repository") in (True, False)
    commands = ["cd pay", "make smoke", "make dev", "make call", "make check test"]
    assert told == {"folder": "pay", "services": [{"name": "pay", "folder": "pay", "port": 9000}], "next": commands}
    assert main(["new", "--system", "shop", "cart", "catalogue", "--json"]) == 0
    services = json.loads(capsys.readouterr().out)["services"]
    assert services[1] == {"name": "catalogue", "folder": "shop/catalogue", "port": 8081}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new", "Shop"], "'Shop' is no name for a service"),
        (["new", "shop", "--port", "0"], "--port: is 0; give 1 to 65535"),
        (["new", "shop", "cart"], "cart: only a system has several services; add --system, or leave all but one name out"),
        (["new", "--system", "shop"], "--system: name its services too, such as: towpath new --system shop catalogue cart"),
        (["new", "shop", "--into", "nowhere"], "--into: nowhere is not a folder; create it first"),
        (["new", "shop", "--template", "nowhere"], "nowhere/service is no template, since it has no template.toml"),
        (["new", "taken"], "taken exists already; choose another name, or another folder with --into"),
    ],
)
def test_a_mistake_is_one_sentence_and_makes_nothing(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
