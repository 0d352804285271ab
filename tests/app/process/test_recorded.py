"""The flight recorder of processes that are run, as other processes see its file."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient

from tests.app.stage import PATIENCE, importable
from towpath import CallOptions, connect
from towpath._telemetry.flight_recorder.ring import Recording, read
from towpath._telemetry.flight_recorder.ring_files import ENDED, is_live, ring_files
from towpath._telemetry.metrics import CallMetrics

PATIENT = CallOptions(timeout=PATIENCE, wait_for_ready=True)


@pytest.fixture(autouse=True)
def _children_can_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    importable(monkeypatch)
    monkeypatch.chdir(tmp_path)


@contextmanager
def service(folder: Path, settings: str = "", act: str = "serve", **variables: str) -> Iterator[subprocess.Popen[str]]:
    text = f"[service]\nname = 'echo'\n[telemetry]\nrecorder_directory = '{folder}'\nrecorder_rows = 1024\n{settings}"
    (folder / "towpath.toml").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.app.actor"],
        env={**os.environ, "ACT": act, "PYTHONUNBUFFERED": "1", **variables},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def serving(process: subprocess.Popen[str]) -> str:
    """The address that the process says it serves on; what it says before goes to the test's output."""
    assert process.stderr is not None
    for line in process.stderr:
        print(line, end="")
        if " serves " in line:
            return line.rstrip().rpartition(" ")[2]
    pytest.fail("the process ended before it served")


async def say(address: str) -> None:
    """Call twice: the row of the first call is there before the second one has its answer."""
    async with connect(address, metrics=CallMetrics()) as channel:
        for _ in range(2):
            await EchoServiceClient(channel).say(SayRequest(), PATIENT)


def recorded(path: Path) -> tuple[Recording, set[str]]:
    recording = read(path)
    return recording, {recording.name(row.method) for row in recording.rows}


async def test_the_file_is_there_while_the_process_lives_and_goes_with_it(tmp_path: Path) -> None:
    with service(tmp_path) as process:
        await say(serving(process))
        (path,) = ring_files(tmp_path)
        recording, methods = recorded(path)
        assert (recording.service, recording.process, methods) == ("echo", process.pid, {"echo.v1.EchoService/Say"})
        assert path.name == f"echo-{process.pid}.ring"
        assert is_live(path)
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert ring_files(tmp_path) == []


async def test_the_file_of_a_killed_process_is_read_and_put_aside_by_the_next_one(tmp_path: Path) -> None:
    with service(tmp_path) as process:
        await say(serving(process))
        process.kill()
        process.wait(PATIENCE)
    (path,) = ring_files(tmp_path)
    assert not is_live(path)
    assert recorded(path)[1] == {"echo.v1.EchoService/Say"}
    with service(tmp_path) as process:
        serving(process)
        own, left = sorted(ring_files(tmp_path), key=lambda path: path.name.endswith(ENDED))
        assert own.name == f"echo-{process.pid}.ring"
        assert recorded(left)[1] == {"echo.v1.EchoService/Say"}


async def test_the_file_is_read_while_the_loop_is_blocked(tmp_path: Path) -> None:
    with service(tmp_path, act="blocked") as process:
        address = serving(process)
        async with connect(address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            with pytest.raises(Exception, match="DEADLINE_EXCEEDED"):
                await client.say(SayRequest(), CallOptions(timeout=0.2))
        (path,) = ring_files(tmp_path)
        assert recorded(path)[1] == set()


async def test_each_worker_has_a_file_of_its_own(tmp_path: Path) -> None:
    with service(tmp_path, TOWPATH_WORKERS="2") as process:
        address = serving(process)
        await say(address)
        paths = ring_files(tmp_path)
        assert len({recorded(path)[0].process for path in paths}) == len(paths) >= 1
        assert process.pid not in {recorded(path)[0].process for path in paths}
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert ring_files(tmp_path) == []


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    with service(tmp_path, "recorder = false") as process:
        await say(serving(process))
        assert ring_files(tmp_path) == []


async def test_a_folder_that_cannot_be_used_fails_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / f"towpath-{os.geteuid()}").write_text("no folder")
    with service(tmp_path) as process:
        await say(serving(process))
    assert "calls are recorded in memory alone" in capsys.readouterr().out
