"""The page about new services is followed: its commands run in their order, each in the folder where the one before it left the reader."""

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from tests.scaffold.projects import git, make
from tests.scaffold.test_project_from_a_clone import FROM_A_CLONE
from towpath._cli.main import main
from towpath._scaffold.answers import checked
from towpath._scaffold.template import read_template
from towpath._scaffold.upgrade import What

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "new-service.md").read_text()
NEW, CLONE, SYSTEM, ADD, UPGRADE = (block.replace("$ ", "").splitlines() for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))


def follow(commands: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run `commands` from `folder`, and return the folder that they end in. `make` does a part of what it is asked for, since
    tests/scaffold does all of it."""
    for command in commands:
        program, *arguments = shlex.split(command)
        monkeypatch.chdir(folder)
        if program == "cd":
            folder /= arguments[0]
        elif program == "towpath":
            assert main(arguments) == 0, command
        elif program == "git":
            git(folder, *arguments)
        else:
            assert program == "make"
            ran = make(folder, *("check-lint" if one in ("check", "test") else one for one in arguments))
            assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


@pytest.mark.timeout(1800)
def test_the_page_is_followed_from_a_new_service_to_an_upgrade(tmp_path, monkeypatch, capsys):
    service = follow(NEW, tmp_path, monkeypatch)
    assert service == tmp_path / "order-book"
    shop = follow(SYSTEM, tmp_path, monkeypatch)
    cart = shop / "cart"
    follow(ADD, cart, monkeypatch)
    assert make(cart, "check-format", "check-lint").returncode == 0
    capsys.readouterr()
    follow(UPGRADE, service, monkeypatch)
    assert capsys.readouterr().out.count("nothing to do") == 2


def test_the_way_from_a_clone_is_the_one_that_is_tested():
    assert CLONE[:2] == [" ".join(command) for command in FROM_A_CLONE]


def test_the_words_of_a_template_are_those_that_there_are():
    assert set(re.findall(r"`@@(\w+)@@`", PAGE)) == set(checked("shop").words())
    assert read_template("service").files


def test_each_kind_of_change_is_in_the_table():
    table = PAGE.partition("| word |")[2].partition("\n\n")[0]
    assert {word for row in table.splitlines() for word in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")} == set(
        get_args(What)
    )
