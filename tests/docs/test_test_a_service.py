"""The guide to tests of services is run as a reader would: its files are written down, its contract is compiled, and its tests pass."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "test-a-service.md"
FILES = dict(re.findall(r"```(?:python|proto)\n(?:#|//) (\S+)\n(.*?)```", GUIDE.read_text(), re.DOTALL))
COMMANDS = re.findall(r"```console\n\$ (.*?)\n```", GUIDE.read_text())

PATIENT = "\nfrom towpath._core import service\n\nservice.DEFAULT_TIMEOUT = 120.0\n"
"""What the guide says of a machine that may stand still, for all calls at once."""


def test_every_block_is_a_file() -> None:
    assert set(FILES) == {
        "proto/shop/v1/shop.proto",
        "orders.py",
        "conftest.py",
        "test_fakes_of_the_catalog.py",
        "test_orders.py",
        "test_orders_async.py",
        "test_faults.py",
        "test_bad_days.py",
    }
    assert GUIDE.read_text().count("```") == 2 * len([*FILES, *COMMANDS])


@pytest.mark.timeout(1200)
def test_the_tests_of_the_guide_pass(tmp_path: Path) -> None:
    for name, text in {**FILES, "conftest.py": FILES["conftest.py"] + PATIENT}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for line in COMMANDS:
        subprocess.run([sys.executable, "-m", *shlex.split(line)], cwd=tmp_path, check=True)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "."]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    tests = sum(text.count("\ndef test_") + text.count("\nasync def test_") for text in FILES.values())
    assert f"{tests} passed" in ran.stdout
