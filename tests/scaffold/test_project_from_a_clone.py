"""The whole way of a newcomer: from a clone of towpath to the answered call of a new service, with Python, make and git alone.

pip installs for real, from wheels that are made of what this environment has. Only the two sets of packages that are locked are not
installed again: the environment of the clone, which `make test` made from such a lock, and the tools that check code.
"""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import needed

ROOT = Path(__file__).parents[2]

FROM_A_CLONE = [["make", "-C", "towpath", "new", "NAME=order-book"], ["make", "-C", "order-book", "smoke"]]
"""The two commands of docs/howto/new-service.md."""

needs_ensurepip = pytest.mark.skipif(importlib.util.find_spec("ensurepip") is None, reason="this Python makes no environment with pip")


def run(folder: Path, environ: dict[str, str], *command: str) -> str:
    ran = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=1200)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@needs_ensurepip
@pytest.mark.timeout(1800)
def test_two_commands_after_the_clone_a_new_service_answers(tmp_path, newcomer, port):
    for program in ("git", "make"):
        needed(program)
    clone = tmp_path / "towpath"
    clone.mkdir()
    shutil.copy(ROOT / "Makefile", clone)  # `git clone` would leave out what is not committed yet
    new, smoke = FROM_A_CLONE
    printed = run(tmp_path, newcomer, *new, "NEW=", f"PY={sys.executable}")
    assert "made ../order-book, " in printed
    assert "make smoke " in printed
    service = tmp_path / "order-book"
    assert f"PYTHON := {sys.base_prefix}" in (service / "local.mk").read_text()
    answer = run(tmp_path, newcomer, *smoke, "--silent", "TOWPATH=towpath", f"ADDRESS=127.0.0.1:{port}")
    assert '{"text":"Hello, Ada!"}' in answer.splitlines()
    assert not (service / ".venv/.checkers").exists()
