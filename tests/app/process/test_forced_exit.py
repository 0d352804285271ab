"""Processes that are told to stop while something of theirs never ends: they end all the same, and say what held them up."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient

from tests.app.stage import PATIENCE, importable
from towpath import CallOptions, connect
from towpath._app.process.forced_exit import ForcedExit
from towpath._telemetry.metrics import CallMetrics


@pytest.fixture(autouse=True)
def _children_can_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    importable(monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "towpath.toml").write_text("[service]\ngrace = '0.1s'\nlisten = '127.0.0.1:0'")


@contextmanager
def actor(act: str, loop: str, *, end: float = PATIENCE) -> Iterator[subprocess.Popen[str]]:
    """A process of tests.app.actor, on the loop of uvloop or asyncio, which is ended by force so many seconds beyond its grace."""
    code = f"import sys, runpy, importlib as i; sys.modules.update({{}} if {loop == 'uvloop'} else dict(uvloop=None)); "
    code += f"i.import_module('towpath._app.process.run')._END = {end}; "
    code += f"i.import_module('towpath._app.process.forced_exit')._HURRIED = {end}; "
    code += "runpy.run_module('tests.app.actor', run_name='__main__')"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "ACT": act, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def insisted(process: subprocess.Popen[str]) -> int:
    """The status of a process that gets signal after signal: two at once are one."""
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    return process.wait()


async def blocked_and_stopped(act: str, loop: str, *, end: float = 0.3, insist: bool = False) -> tuple[int, str]:
    """The status and the last words of a process that is told to stop while its handler blocks."""
    with actor(act, loop, end=end) as process:
        address = ""
        while not address:
            line = await asyncio.to_thread(process.stderr.readline)  # type: ignore[union-attr]
            assert line, "it ended before it served"
            address = line.rstrip().rpartition(" ")[2] if " serves " in line else ""
        async with connect(address, metrics=CallMetrics()) as channel:
            call = asyncio.create_task(EchoServiceClient(channel).say(SayRequest(), CallOptions(timeout=3600)))
            await asyncio.to_thread(process.stdout.readline)  # type: ignore[union-attr]
            process.send_signal(signal.SIGTERM)
            status = await (asyncio.to_thread(insisted, process) if insist else asyncio.to_thread(process.wait, PATIENCE))
            await asyncio.wait([call])
            call.exception()
        return status, process.stderr.read()  # type: ignore[union-attr]


LOOPS = ["uvloop", "asyncio"]


@pytest.mark.parametrize("loop", LOOPS)
async def test_a_handler_that_blocks_a_thread_does_not_hold_up_the_end(loop: str) -> None:
    status, said = await blocked_and_stopped("threads", loop, end=PATIENCE)
    assert status == 0
    assert "ends while 1 blocking handlers still run" in said


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("act", "where"),
    [("blocked", "MainThread in Blocked.say"), ("spins", "MainThread in Spins.say"), ("executor", "_0 in "), ("endures", "MainThread in ")],
)
async def test_what_never_ends_is_ended_and_said(act: str, where: str, loop: str) -> None:
    status, said = await blocked_and_stopped(act, loop)
    assert status == 70
    assert "error: ended by force" in said
    assert where in said


async def test_a_second_signal_hurries_a_blocked_loop(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text("[service]\ngrace = '3600s'\nlisten = '127.0.0.1:0'")
    assert (await blocked_and_stopped("blocked", "uvloop", insist=True))[0] == 70


def test_a_job_that_cleans_up_is_given_the_time(tmp_path: Path) -> None:
    asked: list[bool] = []
    with ForcedExit(lambda: 0.0) as forced:
        forced.extended = lambda: asked.append(True) or True  # type: ignore[func-returns-value]
        forced.begin()
        forced.begin()
        while not asked:
            time.sleep(0)
    with actor("tidies", "uvloop") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        (tmp_path / "tidied").touch()
        assert process.wait(PATIENCE) == 0


STUCK = """
import os, sys, time
from towpath._app.process.forced_exit import ForcedExit
os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"x" * 4096)
except BlockingIOError:
    os.set_blocking(2, True)
with ForcedExit(lambda: 0.1) as forced:
    forced.begin()
    while True:
        time.sleep(1)
"""


def test_a_reader_of_standard_error_that_has_stopped_does_not_hold_up_the_end() -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stderr=subprocess.PIPE) as process:
        assert process.wait(PATIENCE) == 70
