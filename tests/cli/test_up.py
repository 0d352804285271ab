"""`towpath up` as a person and as an operating system meet it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient

from tests.app.stage import PATIENCE, Watched, importable, linux, system
from towpath import connect
from towpath._telemetry.metrics import CallMetrics


@pytest.fixture(autouse=True)
def _children_can_import(monkeypatch):
    importable(monkeypatch)


@contextmanager
def up(path: Path, *arguments: str, **options) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "towpath", "up", str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
        **options,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], text: str) -> list[str]:
    """The lines of output up to the one that has `text`."""
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if text in line:
            return lines
    pytest.fail(f"{text!r} was never printed: {lines} {process.stderr.read()}")


def children(process: subprocess.Popen[str]) -> list[Watched]:
    return [Watched(child.pid) for child in psutil.Process(process.pid).children()]


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_is_a_success(tmp_path, number):
    with up(system(tmp_path, "[system]\nname = 'duo'\n", echo="serve", second="serve")) as process:
        lines = until(process, "is up")
        assert lines[-1] == "towpath | duo is up; Ctrl-C stops it"
        assert sum(line.startswith("towpath | ") and " is ready at 127.0.0.1:" in line for line in lines) == 2
        assert any(line.startswith("second  | ") and "serves echo.v1.EchoService on" in line for line in lines)
        started = children(process)
        assert len(started) == 2
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert all(child.gone() for child in started)
        assert "towpath | stopped" in process.stdout.read()
        assert process.stderr.read() == ""


@linux
def test_a_signal_while_services_start_stops_everything(tmp_path):
    with up(system(tmp_path, echo="hangs")) as process:
        until(process, "thinking")
        (child,) = children(process)
        process.send_signal(signal.SIGINT)
        assert (process.wait(PATIENCE), child.gone()) == (0, True)


@linux
def test_a_second_signal_does_not_wait_for_the_grace(tmp_path):
    with up(system(tmp_path, "[system]\ngrace = '3600s'\n", echo="stubborn", other="serve")) as process:
        until(process, "is up")
        stubborn, other = children(process)
        process.send_signal(signal.SIGINT)
        assert other.gone()
        process.send_signal(signal.SIGINT)
        assert (process.wait(PATIENCE), stubborn.gone()) == (0, True)


@linux
def test_the_death_of_a_service_ends_it_and_is_named(tmp_path):
    with up(system(tmp_path, echo="serve", second="serve")) as process:
        until(process, "is up")
        first, second = psutil.Process(process.pid).children()
        watched = Watched(second.pid)
        os.kill(first.pid, signal.SIGKILL)
        assert process.wait(PATIENCE) == 1
        assert watched.gone()
        assert "error: echo was killed by SIGKILL, though nobody stopped it" in process.stderr.read()


@linux
def test_nothing_outlives_a_killed_parent(tmp_path):
    with up(system(tmp_path, echo="serve", relay="relay\ncalls = ['echo']")) as process:
        until(process, "is up")
        started = children(process)
        process.kill()
        assert all(child.gone() for child in started)


@linux
async def test_not_even_a_service_whose_loop_is_blocked(tmp_path):
    config = tmp_path / "blocked.toml"
    config.write_text("[service]\ngrace = '0.1s'\n")
    with up(system(tmp_path, echo="blocked\nconfig = 'blocked.toml'")) as process:
        address = until(process, " is ready at ")[-1].rpartition(" ")[2]
        (child,) = children(process)
        async with connect(address, metrics=CallMetrics()) as channel:
            call = asyncio.create_task(EchoServiceClient(channel).say(SayRequest()))
            await asyncio.to_thread(until, process, "blocking")
            call.cancel()
            await asyncio.wait([call])
        process.kill()
        assert child.gone()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "error: {path}: no such file; check the path\n"),
        (
            "[services.a]\nmodule = 'm'\ncalls = ['b']",
            "error: {path}: services.a.calls: unknown service 'b'; did you mean",
        ),
    ],
)
def test_a_wrong_file_is_one_line_and_status_2(tmp_path, text, message):
    path = tmp_path / "system.toml"
    if text is not None:
        path.write_text(text)
    with up(path) as process:
        output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert output == ""
    assert errors.startswith(message.format(path=path).partition("; did")[0])
    assert "Traceback" not in errors


@linux
@pytest.mark.parametrize("end", ["serves", "is up"])
def test_a_reader_that_goes_away_ends_it_without_a_traceback(tmp_path, end):
    with up(system(tmp_path, echo="serve")) as process:
        until(process, end)
        (child,) = children(process)
        process.stdout.close()
        process.send_signal(signal.SIGINT)  # there is something to print now, if there was not before
        assert (process.wait(PATIENCE), child.gone()) == (1, True)
        assert process.stderr.read() == ""


@linux
def test_a_service_listens_where_it_is_told_to(tmp_path, port):
    with up(system(tmp_path, echo="serve", second="serve"), "--listen", f"second=127.0.0.1:{port}") as process:
        assert f"towpath | second is ready at 127.0.0.1:{port}" in until(process, "is up")
        process.terminate()
        assert process.wait(PATIENCE) == 0


@linux
def test_a_program_is_told_in_objects_one_a_line(tmp_path):
    with up(system(tmp_path, echo="serve"), "--json") as process:
        lines = [json.loads(line) for line in until(process, "is up")]
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert {"service", "message"} <= set(lines[0])
    assert {line["service"] for line in lines} == {"towpath", "echo"}


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("127.0.0.1:8080", "--listen: '127.0.0.1:8080' names no service; write NAME=HOST:PORT"),
        ("ecko=127.0.0.1:8080", "listen: there is no service 'ecko'; did you mean 'echo'"),
        ("echo=8080", "listen echo: '8080' is not host:port"),
    ],
)
def test_a_place_to_listen_that_cannot_be_is_named(tmp_path, listen, message):
    with up(system(tmp_path, echo="serve"), "--listen", listen) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert message in errors
