"""The guide to the life cycle is run as a reader would: its programs are written down, started and stopped."""

import importlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.stage import PATIENCE, importable

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "life-cycle.md"
FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE.read_text(), re.DOTALL))


@pytest.fixture(autouse=True)
def _written_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    importable(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)


@contextmanager
def running(program: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    given = {**os.environ, **variables}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, program], env=given, stdout=pipe, stderr=pipe, encoding="utf-8") as process:
        try:
            yield process
        finally:
            process.kill()


def until_it_serves(process: subprocess.Popen[str], serves: str) -> None:
    assert process.stderr is not None
    assert any(serves in line for line in process.stderr), "the process ended before it served"


def stopped(program: str, serves: str = " serves ", **variables: str) -> list[str]:
    """What a program prints that is stopped once it serves."""
    with running(program, **variables) as process:
        until_it_serves(process, serves)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        return output.splitlines()


def test_every_program_of_the_guide_is_run() -> None:
    assert set(FILES) == {"service.py", "entered.py", "workers.py", "stops.py", "restarts.py", "test_service.py"}
    assert GUIDE.read_text().count("```python") == len(FILES)


def test_the_pool_is_closed_after_the_last_call() -> None:
    assert stopped("service.py") == ["the pool is open", "the last call has ended", "the pool is closed"]


def test_a_resource_that_was_entered_is_left() -> None:
    assert stopped("entered.py") == ["the pool is open", "the pool is closed"]


def test_what_is_done_once_surrounds_the_workers() -> None:
    printed = stopped("workers.py", "2 workers serve ", TOWPATH_WORKERS="2")
    assert (printed[0], printed[-1]) == ("migrated", "all workers have ended")
    # A print of an unbuffered process is two writes, the text and the end of its line, so two workers' lines may be one.
    between = re.findall(r"worker \d (?:begins|ends)", "\n".join(printed[1:-1]))
    assert sorted(between) == ["worker 0 begins", "worker 0 ends", "worker 1 begins", "worker 1 ends"]


def test_work_that_fails_is_begun_anew() -> None:
    with running("restarts.py") as process:
        until_it_serves(process, "background work read_queue failed: the queue is gone; it is started anew")
        assert process.stdout is not None
        assert process.stdout.readline() == "the queue is read\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_work_that_dies_stops_the_service() -> None:
    with running("stops.py") as process:
        errors = process.communicate(timeout=PATIENCE)[1]
    last = "error: background work lease failed: the lease is lost, and the service is not to go on without it"
    assert (process.returncode, errors.splitlines()[-1]) == (1, last)


async def test_the_test_of_the_guide_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    try:
        module: Any = importlib.import_module("test_service")
        await module.test_the_pool_is_open_while_the_service_serves()
    finally:
        for name in ("service", "test_service"):
            sys.modules.pop(name, None)
