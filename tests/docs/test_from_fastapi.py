"""The guide from FastAPI is followed: the application mounted, then one of its paths moved. Both versions answer the requests alike."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.stage import PATIENCE, importable
from tests.programs import needed
from towpath._cli.main import main

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "from-fastapi.md").read_text()
FILES = dict(re.findall(r"```(?:python|proto)\n(?:#|//) ([^\n]+)\n(.*?)```", PAGE, re.DOTALL))
MOVED = FILES.pop("main.py, with a method of its own")
CONSOLES = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
START, BEFORE, GEN, AFTER, CALL = [re.findall(r"^\$ (.*)\n(.*)", console, re.MULTILINE) for console in CONSOLES]


@contextmanager
def served(folder: Path, port: int) -> Iterator[None]:
    ((start, _),) = START
    setting, _, program = start.replace("8080", str(port)).partition(" python ")
    name, _, value = setting.partition("=")
    command = [sys.executable, *shlex.split(program)]
    with subprocess.Popen(command, cwd=folder, env={**os.environ, name: value}, stderr=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stderr is not None
            assert any(f" on 127.0.0.1:{port}" in line for line in process.stderr)
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def answers(commands: list[tuple[str, str]], folder: Path, port: int) -> None:
    for command, answer in commands:
        typed = command.replace("8080", str(port)).replace("curl ", "curl -sS ")
        if typed.startswith("towpath"):
            typed = f"{sys.executable} -m {typed} --timeout {PATIENCE:g}s"
        ends = time.monotonic() + PATIENCE
        while True:
            done = subprocess.run(shlex.split(typed), cwd=folder, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
            if done.stdout.strip() == answer:
                break
            # The contract gives a call one second, which a machine that stands still does not keep.
            assert "DEADLINE_EXCEEDED" in done.stdout + done.stderr, done.stdout + done.stderr
            assert time.monotonic() < ends


def test_callers_notice_nothing_of_either_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    needed("curl")
    importable(monkeypatch)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with served(tmp_path, port):
        answers(BEFORE, tmp_path, port)
    monkeypatch.chdir(tmp_path)
    ((gen, _),) = GEN
    assert main(shlex.split(gen)[1:]) == 0
    (tmp_path / "main.py").write_text(MOVED)
    with served(tmp_path, port):
        answers(BEFORE + AFTER + CALL, tmp_path, port)
