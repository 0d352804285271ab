"""Processes of `tests.app.life_cycle_actor`: what they log, answer and say. What they say is in `said` of the working directory."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.stage import PATIENCE


@contextmanager
def actor(act: str, *, fds: tuple[int, ...] = (), **variables: object) -> Iterator[subprocess.Popen[str]]:
    """A process that plays `act`, with `variables` in its environment and `fds` inherited. It is killed at the end."""
    with Path("said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.app.life_cycle_actor"],
            env={**os.environ, "ACT": act, **{name: str(value) for name, value in variables.items()}},
            stdout=said,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            pass_fds=fds,
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], text: str) -> str:
    """The first line of the log that has `text`."""
    assert process.stderr is not None
    seen: list[str] = []
    for line in process.stderr:
        seen.append(line)
        if text in line:
            return line.rstrip()
    pytest.fail(f"the process ended before it said {text!r}:\n{''.join(seen)}")


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


def said() -> list[str]:
    return Path("said").read_text().split("\n")[:-1]


def until_said(process: subprocess.Popen[str], text: str) -> None:
    while text not in said():
        assert process.poll() is None, f"the process ended before it said {text!r}"
        time.sleep(0.01)


def got(address: str, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
