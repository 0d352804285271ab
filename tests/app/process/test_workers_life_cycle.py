"""The life cycle of a service with several workers: what runs in each, and what runs once."""

import socket
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.app.life_cycle_process import actor, end, got, said, until
from tests.app.stage import PATIENCE, importable


@pytest.fixture(autouse=True)
def _children_can_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    importable(monkeypatch)
    monkeypatch.chdir(tmp_path)


def crew(act: str, *, fds: tuple[int, ...] = (), **variables: object) -> AbstractContextManager[subprocess.Popen[str]]:
    return actor(act, fds=fds, **{"TOWPATH_WORKERS": 2, "TOWPATH_ADMIN": "127.0.0.1:0", **variables})


def test_what_runs_once_surrounds_what_runs_in_each_worker_though_a_resource_hangs(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text("[service]\ngrace = '0.1s'")
    with crew("hangs") as process:
        until(process, "2 workers serve")
        process.terminate()
        status, errors = end(process)
    assert status == 0
    assert errors.count("error: _AsyncGeneratorContextManager failed at its end: it took longer than was left of service.grace") == 2
    lines = said()
    assert (lines[0], lines[-1]) == ("+once", "-once")
    for worker in (0, 1):
        own = [line.removesuffix(f" {worker}") for line in lines if line.endswith(f" {worker}")]
        assert own == ["+main", "+pool", "+cache", "-main", "-cache"]
    assert lines.index("+cache 0") < lines.index("+main 1")  # the first worker is complete before the others begin


def test_the_service_is_ready_while_any_worker_is_and_its_parent_is_told(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    with ours, theirs, crew("probed", fds=(theirs.fileno(),), TOWPATH_NOTIFY_FD=theirs.fileno()) as process:
        address = until(process, " answers probes on ").rpartition(" ")[2]
        until(process, "not ready: db")
        assert got(address, "/readyz") == "starting\n"
        (tmp_path / "db").touch()
        until(process, "2 workers serve")
        assert got(address, "/readyz") == "serving\n"
        (tmp_path / "db").unlink()
        while got(address, "/readyz") != "unready\n":
            time.sleep(0.01)
        assert ours.recv(8) + ours.recv(8) == b"READY=1\nREADY=0\n"
        (tmp_path / "db").touch()
        while got(address, "/readyz") != "serving\n":
            time.sleep(0.01)
        assert ours.recv(8) == b"READY=1\n"
        while 'towpath_ready{worker="1",probe="db"}' not in got(address, "/metrics"):
            time.sleep(0.01)  # a worker that takes more than two seconds to answer is left out
        process.terminate()
        assert end(process)[0] == 0


def test_work_of_the_service_as_a_whole_may_stop_it(tmp_path: Path) -> None:
    with crew("once_dies") as process:
        address = until(process, " answers probes on ").rpartition(" ")[2]
        until(process, "2 workers serve")
        assert 'towpath_background_deaths_total{worker="once",work="lease"} 0.0' in got(address, "/metrics")
        (tmp_path / "die").touch()
        status, errors = end(process)
    assert (status, errors.splitlines()[-1]) == (1, "error: background work lease returned, and the service is not to go on without it")
    assert said()[-1] == "-once"
