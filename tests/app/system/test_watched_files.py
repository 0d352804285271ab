"""Which changes of files are seen."""

import os
from pathlib import Path

from towpath._app.system.watched_files import WatchedFiles


def test_a_new_a_changed_and_a_deleted_file_are_seen_once(tmp_path: Path) -> None:
    kept, gone = tmp_path / "kept.py", tmp_path / "a" / "gone.proto"
    gone.parent.mkdir()
    kept.write_text("1")
    gone.write_text("1")
    files = WatchedFiles([tmp_path])
    assert files.changes() == set()
    kept.write_text("22")
    gone.unlink()
    (tmp_path / "new.toml").touch()
    assert files.changes() == {kept, gone, tmp_path / "new.toml"}
    assert files.changes() == set()


def test_a_file_of_one_size_that_was_written_later_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("1")
    files = WatchedFiles([path])
    os.utime(path, ns=(1, 1))
    assert files.changes() == {path}


def test_what_tools_leave_behind_is_not_looked_at(tmp_path: Path) -> None:
    files = WatchedFiles([tmp_path, tmp_path / "nowhere"])
    for name in ("__pycache__/x.py", ".venv/x.py", "node_modules/x.json", "x.pyc", ".x.py", "x.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link.py").symlink_to("nowhere")
    assert files.changes() == set()
