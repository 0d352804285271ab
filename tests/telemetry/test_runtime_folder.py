"""The folder that the processes of one user share, and that nobody else may enter."""

import os
from pathlib import Path

import pytest

from towpath import SetupError
from towpath._telemetry.runtime_folder import SHARED_MEMORY, VARIABLE, bases, runtime_folder, runtime_folders

NAME = f"towpath-{os.geteuid()}"


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))


def test_the_folder_is_for_its_user_alone(tmp_path: Path) -> None:
    assert runtime_folders() == []
    assert runtime_folder() == tmp_path / NAME
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o700
    assert runtime_folder() == tmp_path / NAME
    assert runtime_folders() == [tmp_path / NAME]


def test_a_directory_that_is_given_comes_before_the_variable(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    assert runtime_folder(tmp_path / "given") == tmp_path / "given" / NAME
    assert runtime_folders() == []


def test_without_both_it_is_in_shared_memory_or_among_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    assert bases()[0] == SHARED_MEMORY
    assert len(bases()) == 2


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir(mode=0o755)
    with pytest.raises(
        SetupError, match="is no folder of this user's alone; remove it, or name another place in TOWPATH_RUNTIME_DIRECTORY"
    ):
        runtime_folder()
    assert runtime_folders() == []


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SetupError, match="remove it"):
        runtime_folder()


def test_a_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    with pytest.raises(SetupError, match=r"there is no folder for running processes: .*Not a directory"):
        runtime_folder()
    assert runtime_folders() == []
