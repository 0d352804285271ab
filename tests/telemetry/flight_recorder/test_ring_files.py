"""Where rings are, who may read them, and what becomes of those that are left over."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.telemetry.flight_recorder.scene import recording
from towpath._app.process.recorded import recorded
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.settings.telemetry.recorder import RecorderOptions
from towpath._app.settings.telemetry.telemetry import TelemetryConfig
from towpath._telemetry.flight_recorder import process_recorder, ring, ring_files
from towpath._telemetry.flight_recorder.recorder import Recorder

OWN = f"towpath-{os.geteuid()}"


def test_the_file_is_named_after_the_service_and_the_process(tmp_path: Path) -> None:
    writer, lock = ring_files.open_writer("../a shop", 8, tmp_path)
    assert writer.path == tmp_path / OWN / f"_a_shop-{os.getpid()}.ring"
    assert ring_files.ring_files(tmp_path) == [writer.path]
    assert ring_files.is_live(writer.path)
    assert lock is not None
    os.close(lock)
    assert not ring_files.is_live(writer.path)
    writer.close()
    assert not ring_files.is_live(writer.path)


def test_a_file_with_its_name_is_put_aside(tmp_path: Path) -> None:
    first, lock = ring_files.open_writer("shop", 8, tmp_path)
    assert lock is not None
    os.close(lock)
    second, other = ring_files.open_writer("shop", 8, tmp_path)
    assert other is not None
    os.close(other)
    assert first.path == second.path
    assert len(ring_files.ring_files(tmp_path)) == 2


def test_what_is_left_over_stays_for_a_day_and_of_many_the_last(tmp_path: Path) -> None:
    folder = tmp_path / OWN
    folder.mkdir(mode=0o700)
    now = time.time()
    for number in range(12):
        path = folder / f"old-{number}.1.ended.ring"
        path.write_bytes(b"")
        os.utime(path, (now - number * 60, now - number * 60))
    stale = folder / "stale-1.1.ended.ring"
    stale.write_bytes(b"")
    os.utime(stale, (now - 86_500, now - 86_500))
    (folder / "crashed-9.ring").write_bytes(b"")
    os.utime(folder / "crashed-9.ring", (1.0, 1.0))  # a process may have run for long
    _, lock = ring_files.open_writer("shop", 8, tmp_path)
    assert lock is not None
    os.close(lock)
    left = {path.name.split(".")[0] for path in folder.glob("*.ended.ring")}
    assert left == {"crashed-9", *(f"old-{number}" for number in range(7))}


def unheld_at_any_moment(directory: Path, act: Callable[[], Any]) -> set[Path]:
    """The files below `directory` that another process would have taken for left over at some moment of `act`."""
    found: set[Path] = set()

    def look(*_: object) -> None:
        sys.setprofile(None)
        found.update(path for path in ring_files.ring_files(directory) if not ring_files.is_live(path))
        sys.setprofile(look)

    sys.setprofile(look)
    try:
        act()
    finally:
        sys.setprofile(None)
    return {path for path in found if not path.name.endswith(ring_files.ENDED)}


def test_no_process_takes_a_file_for_left_over_that_is_being_made(tmp_path: Path) -> None:
    (tmp_path / OWN).mkdir(mode=0o700)
    made: list[tuple[ring.Writer, int | None]] = []
    assert unheld_at_any_moment(tmp_path, lambda: made.append(ring_files.open_writer("shop", 8, tmp_path))) == set()
    ((writer, lock),) = made
    assert lock is not None
    os.close(lock)
    assert writer.path is not None
    assert [path.name for path in (tmp_path / OWN).iterdir()] == [writer.path.name]


def test_no_process_takes_a_file_for_left_over_that_is_about_to_be_removed(tmp_path: Path) -> None:
    config = ServiceConfig(telemetry=TelemetryConfig(recorder=RecorderOptions(rows=8, directory=tmp_path)))
    with ExitStack() as stack:
        assert stack.enter_context(recorded(config)) is not None
        assert len(ring_files.ring_files(tmp_path)) == 1
        assert unheld_at_any_moment(tmp_path, stack.close) == set()
    assert ring_files.ring_files(tmp_path) == []


@pytest.mark.parametrize("spoil", ["file", "open", "link"])
def test_a_folder_that_is_not_the_users_alone_is_not_used(tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / OWN
    if spoil == "file":
        folder.write_text("")
    elif spoil == "open":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    writer, lock = ring_files.open_writer("shop", 8, tmp_path)
    assert (writer.path, lock) == (None, None)
    assert "calls are recorded in memory alone" in caplog.text
    assert "name another place in TOWPATH_RUNTIME_DIRECTORY" in caplog.text
    assert ring_files.ring_files(tmp_path) == []


FULL = """
import resource, sys
from pathlib import Path
from towpath._telemetry.flight_recorder import ring_files
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
writer, lock = ring_files.open_writer("shop", 1024, Path(sys.argv[1]))
writer.write(1, 0, 0, 0, 1.0, b"", 1, 2, 0, 0, 0, 0, *[0] * 8, 0, 0)
print(writer.path, lock)
"""


def test_a_full_file_system_leaves_the_ring_in_memory(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "None None\n"
    assert "cannot be made: File too large" in done.stderr
    assert list((tmp_path / OWN).iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000


def test_a_child_process_records_in_memory_of_its_own(tmp_path: Path) -> None:
    writer, lock = ring_files.open_writer("shop", 8, tmp_path)
    path = writer.path
    assert path is not None
    process_recorder.install(Recorder(writer), lock)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            writer.write(1, 0, 0, 0, 1.0, b"", 1, 2, writer.intern("in the child"), 0, 0, 0, *[0] * 8, 0, 0)
            own = ring.parsed(memoryview(writer.buffer), "memory")
            code = 0 if writer.path is None and len(own.rows) == 1 and own.name(own.rows[0].method) == "in the child" else 2
        finally:
            os._exit(code)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert ring.read(path).rows == ()
        assert "in the child" not in ring.read(path).names
        assert ring_files.is_live(path)
    finally:
        process_recorder.install(None)
    assert not ring_files.is_live(path)


def test_a_fork_without_a_recorder_changes_nothing() -> None:
    with recording() as rows:
        process_recorder.install(None)
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not rows.recording.rows
