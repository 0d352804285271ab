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

WAITS_FOR_A_DAY = """
import time

from tests import watchdog

class Later:
    monotonic = staticmethod(lambda: time.monotonic() + 86_400)

class Watchdog(watchdog.Watchdog):
    def pytest_runtest_logreport(self, report):
        if hasattr(report, "node"):  # of a process of tests, so that this is the one that hands them out
            watchdog.time = Later
            with self._moved:
                self._moved.notify()

def pytest_configure(config):
    config.pluginmanager.register(Watchdog())
"""

FINE = """
def test_is_fine():
    pass
"""

PARALLEL = ("-n", "2", "--dist", "load", "--maxschedchunk", "1", "--max-worker-restart", "0")

HOLDS_THE_INTERPRETER = """
import re

def test_never_ends():
    re.match("(a*)*b", "a" * 100)
"""


def run(folder: Path, test: str, *options: str, conftest: str = CONFTEST) -> subprocess.CompletedProcess[str]:
    """Returns once nothing holds its output any more, a child of the test neither."""
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_hang.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", ".", *options]
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


@pytest.mark.parametrize("test", [WAITS, HOLDS_THE_INTERPRETER], ids=["waits", "holds the interpreter"])
def test_one_process_of_several_that_never_ends_fails_the_run_and_its_test_is_named(tmp_path: Path, test: str) -> None:
    ended = run(tmp_path, test + FINE, *PARALLEL)
    assert ended.returncode == 1
    assert "in test_never_ends" in ended.stderr
    assert "FAILED test_hang.py::test_never_ends - worker 'gw" in ended.stdout


def test_who_hands_out_the_tests_waits_for_them_as_long_as_they_take(tmp_path: Path) -> None:
    ended = run(tmp_path, FINE, *PARALLEL, conftest=WAITS_FOR_A_DAY)
    assert ended.returncode == 0, ended.stderr
    assert "1 passed" in ended.stdout


async def test_a_coroutine_that_waits_for_ever_fails_alone() -> None:
    async def test() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await without_leaks(test, {}, 0.01)
