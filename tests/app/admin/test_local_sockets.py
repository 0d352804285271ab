"""Where the tools of a user find the user's running processes."""

import os
import socket
from pathlib import Path

import pytest

from towpath import SetupError
from towpath._app.admin.local_sockets import VARIABLE, local_processes, runtime_directory, socket_path


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "run"))
    return tmp_path / "run"


def listener(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(str(path))
    made.listen(1)
    return made


def test_the_folder_is_for_its_user_alone(folder: Path) -> None:
    assert runtime_directory() == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert runtime_directory() == folder


def test_a_folder_that_others_may_enter_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    with pytest.raises(SetupError, match="is not a folder that this user alone may enter; remove it, or name another one in TOWPATH_RUN"):
        runtime_directory()


def test_a_link_to_a_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SetupError, match="remove it"):
        runtime_directory()


def test_a_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "run"))
    with pytest.raises(SetupError, match="cannot be made: Not a directory"):
        runtime_directory()
    assert local_processes() == []


def test_without_the_variable_the_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    assert runtime_directory().name == f"towpath-{os.getuid()}"


def test_a_socket_has_the_names_of_service_and_process(folder: Path) -> None:
    assert socket_path("order-book").name == f"order-book-{os.getpid()}.admin"
    assert socket_path("../a b").name == f"___a_b-{os.getpid()}.admin"
    assert len(socket_path("x" * 1000).name) < 64


def test_what_dead_processes_left_is_removed(folder: Path) -> None:
    runtime_directory()
    with listener(folder / "alive-1.admin"):
        listener(folder / "dead-2.admin").close()
        (folder / "other.ring").write_text("")
        assert local_processes() == [folder / "alive-1.admin"]
    assert sorted(path.name for path in folder.iterdir()) == ["alive-1.admin", "other.ring"]


def test_a_process_that_is_too_busy_to_accept_is_there(folder: Path) -> None:
    runtime_directory()
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
