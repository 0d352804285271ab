"""Where the tools of a user find the user's running processes."""

import os
import socket
from pathlib import Path

import pytest

from towpath._app.admin.local_sockets import local_processes, socket_path
from towpath._telemetry.runtime_folder import VARIABLE, runtime_folder


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return runtime_folder()


def listener(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(str(path))
    made.listen(1)
    return made


def test_a_socket_has_the_names_of_service_and_process(folder: Path) -> None:
    assert socket_path("order-book").name == f"order-book-{os.getpid()}.admin"
    assert socket_path("../a b").name == f"___a_b-{os.getpid()}.admin"
    assert len(socket_path("x" * 1000).name) < 64


def test_what_dead_processes_left_is_removed(folder: Path) -> None:
    with listener(folder / "alive-1.admin"):
        listener(folder / "dead-2.admin").close()
        (folder / "other.ring").write_text("")
        assert local_processes() == [folder / "alive-1.admin"]
    assert sorted(path.name for path in folder.iterdir()) == ["alive-1.admin", "other.ring"]


def test_a_process_that_is_too_busy_to_accept_is_there(folder: Path) -> None:
    path = folder / "busy-1.admin"
    waiting: list[socket.socket] = []
    with listener(path):
        try:
            for _ in range(8):
                caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                caller.setblocking(False)
                waiting.append(caller)
                caller.connect(str(path))
        except BlockingIOError:
            assert local_processes() == [path]
        else:
            pytest.fail("the queue of a listener has no end here")
        finally:
            for caller in waiting:
                caller.close()
