"""What the tracer sees of a run: the tests that count, wherever they stand, and nothing of the others."""

import json
import os
import subprocess
import sys
from pathlib import Path

CONFTEST = """
from pathlib import Path

from tests import tracing

tracing.TRACED = (Path(__file__).parent / "counts",)

def pytest_configure(config):
    config.pluginmanager.register(tracing.Tracing())
"""

SOURCE = """
import sys

def of_those_that_count():
    return sys.gettrace()

def of_the_others():
    return sys.gettrace()
"""

COUNTS = """
import source

def test_is_traced():
    assert source.of_those_that_count() is not None
"""

OTHER = """
import source

def test_is_not_traced():
    assert source.of_the_others() is None
"""


def test_only_tests_that_count_are_traced(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "source.py").write_text(SOURCE)
    for room, test in (("also", OTHER), ("counts", COUNTS), ("other", OTHER)):
        (tmp_path / room).mkdir()
        (tmp_path / room / f"test_{room}.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"}
    command += ["--import-mode=importlib", "--cov", "source", "--cov-branch", "--cov-report", "json:found.json", "-n", "1"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout
    lines = SOURCE.splitlines()
    missed = json.loads((tmp_path / "found.json").read_text())["files"]["source.py"]["missing_lines"]
    assert missed == [len(lines)], "the body of the last function, which only the others call"
