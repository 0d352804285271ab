"""The tutorial of the shop shows the files of `reference/shop` as they are, and its first commands are run. The shop's own tests run those
that call it."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.programs import needed
from towpath._cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial" / "a-shop.md").read_text()
QUOTES = re.findall(r"```(?:python|proto|toml|js)\n(?:#|//) (\S+)\n(.*?)```", PAGE, re.DOTALL)
MAKING, *CALLING = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
"""The commands that make the services, and those that `reference/shop/tests/test_tutorial.py` takes from the page, too, and runs."""


@pytest.mark.parametrize(("name", "quote"), QUOTES, ids=[name for name, _ in QUOTES])
def test_what_it_shows_is_in_the_files(name: str, quote: str) -> None:
    assert quote in (ROOT / "reference" / "shop" / name).read_text()


def test_it_shows_nothing_else() -> None:
    assert len(re.findall(r"^```(?:python|proto|toml|js)$", PAGE, re.MULTILINE)) == len(QUOTES)


def test_its_services_are_made_by_its_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path
    for command in MAKING.replace("$ ", "").splitlines():
        program, *arguments = shlex.split(command)
        monkeypatch.chdir(folder)
        if program == "cd":
            folder /= arguments[0]
        else:
            assert (program, main(arguments)) == ("towpath", 0)
    clients = (tmp_path / "shop" / "checkout" / "src" / "checkout" / "clients.py").read_text()
    assert "CatalogueServiceClient" in clients
    assert "CartServiceClient" in clients


@pytest.mark.parametrize("folder", ["", "catalogue", "cart", "checkout"])
def test_its_environment_has_the_towpath_of_this_repository(folder: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TOWPATH", "MAKE"))}
    command = [needed("make"), "--dry-run", "setup", f"VENV={tmp_path}"]
    ran = subprocess.run(command, cwd=ROOT / "reference/shop" / folder, env=environment, capture_output=True, text=True, check=True)
    assert f"'{ROOT}[cli,gen,speed,testing]'" in ran.stdout
