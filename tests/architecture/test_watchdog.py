"""What ends a run of tests that does not end by itself, seen at runs that do not."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import without_leaks

CONFTEST = """
from tests import watchdog

watchdog.limit_of = lambda item: 0.3
watchdog.WORDS = 0.3

def pytest_configure(config):
    config.pluginmanager.register(watchdog.Watchdog())
"""

WAITS = """
import subprocess, sys, threading

def test_is_fine():
    pass

def test_never_ends():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    threading.Event().wait()
"""

HOLDS_THE_INTERPRETER = """
import re

def test_never_ends():
    re.match("(a*)*b", "a" * 100)
"""


def run(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    """Returns once nothing holds its output any more, a child of the test neither."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_hang.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_test_that_never_ends_is_named_and_shown_and_leaves_no_child(tmp_path: Path) -> None:
    ended = run(tmp_path, WAITS)
    assert ended.returncode == 1
    assert "watchdog: no end to test_hang.py::test_never_ends" in ended.stderr
    assert "in test_never_ends" in ended.stderr


def test_a_test_that_lets_no_other_thread_run_is_shown(tmp_path: Path) -> None:
    ended = run(tmp_path, HOLDS_THE_INTERPRETER)
    assert ended.returncode == 1
    assert "in test_never_ends" in ended.stderr


async def test_a_coroutine_that_waits_for_ever_fails_alone() -> None:
    async def test() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await without_leaks(test, {}, 0.01)
