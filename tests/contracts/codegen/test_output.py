"""Output is what it was or what it should be, whatever ends the writing: a full disk, a folder in the way, a signal, a kill."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.conftest import Workplace
from towpath._contracts.codegen.generator import GenerateOptions, generate
from towpath._contracts.codegen.output import remove_abandoned, write_files
from towpath._contracts.diagnostics import ContractError

CHILD = "from towpath._contracts.codegen.output import write_files; from pathlib import Path\n"


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


def test_files_are_written_replaced_and_removed_together(tmp_path: Path) -> None:
    old, stale = tmp_path / "a/old.py", tmp_path / "a/stale.py"
    old.parent.mkdir()
    old.write_bytes(b"old")
    old.chmod(0o640)
    stale.write_bytes(b"stale")
    write_files({old: b"new", tmp_path / "b/c/made.py": b"made"}, [stale])
    assert tree(tmp_path) == {"a": b"", "a/old.py": b"new", "b": b"", "b/c": b"", "b/c/made.py": b"made"}
    assert old.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.py", tmp_path / "link.py"
    real.write_bytes(b"old")
    link.symlink_to(real)
    write_files({link: b"new"}, [])
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


@pytest.mark.parametrize("in_the_way", ["file", "folder"])
def test_what_cannot_be_written_leaves_all_as_it_was(tmp_path: Path, in_the_way: str) -> None:
    (tmp_path / "a.py").write_bytes(b"old")
    blocked = tmp_path / "b.py"
    blocked.mkdir() if in_the_way == "folder" else (tmp_path / "c").write_bytes(b"no folder")
    before = tree(tmp_path)
    target = blocked if in_the_way == "folder" else tmp_path / "c/d.py"
    with pytest.raises(OSError, match="irectory"):
        write_files({tmp_path / "a.py": b"new", tmp_path / "made/e.py": b"new", target: b"new"}, [])
    assert tree(tmp_path) == before


def test_what_cannot_be_moved_or_removed_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"old")
    (tmp_path / "stale.py").mkdir()
    before = tree(tmp_path)
    with pytest.raises(OSError, match="irectory"):
        write_files({tmp_path / "a.py": b"new", tmp_path / "made.py": b"new"}, [tmp_path / "stale.py"])
    assert tree(tmp_path) == before
    gone = tmp_path / "gone.py"
    with pytest.raises(OSError, match="gone"):
        write_files({tmp_path / "a.py": b"new", tmp_path / "made.py": b"new"}, [gone])
    assert tree(tmp_path) == before


def test_a_full_disk_leaves_all_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"old")
    before = tree(tmp_path)
    script = CHILD + "write_files({Path('a.py'): b'new', Path('made/b.py'): bytes(100_000)}, [])"

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    # What runs between fork and exec is system calls alone.
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, preexec_fn=limited, capture_output=True, text=True, check=False)
    assert "OSError: [Errno 27] File too large: 'made/b.py'" in ran.stderr
    assert tree(tmp_path) == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_while_it_writes_leaves_no_part_of_a_file(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "a.py").write_bytes(b"old")
    script = CHILD + (
        "import os\nsync = os.fsync\n"
        f"def ended(number):\n    sync(number)\n    os.kill(os.getpid(), {int(how)})\n"
        "os.fsync = ended\nwrite_files({Path('a.py'): b'new', Path('b.py'): b'new'}, [])"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert ran.returncode != 0
    assert (tmp_path / "a.py").read_bytes() == b"old"
    remove_abandoned([tmp_path])
    assert tree(tmp_path) == {"a.py": b"old"}


def test_a_signal_waits_until_every_file_is_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"old")
    script = CHILD + (
        "import os\nmove = Path.replace\n"
        "def interrupted(self, target):\n    os.kill(os.getpid(), 2)\n    return move(self, target)\n"
        "Path.replace = interrupted\nwrite_files({Path('a.py'): b'new', Path('b.py'): b'new'}, [])"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in ran.stderr
    assert tree(tmp_path) == {"a.py": b"new", "b.py": b"new"}


def test_only_what_no_running_process_writes_is_removed(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    names = {str(other.pid): True, str(os.getpid()): False, "1": True, str(2**62): False, "x": False}
    for name in names:
        (tmp_path / f".a.py.towpath-gen-{name}").touch()
    (tmp_path / ".a.py").touch()
    remove_abandoned([tmp_path])
    assert set(tree(tmp_path)) == {".a.py", *(f".a.py.towpath-gen-{name}" for name, stays in names.items() if stays)}
    other.communicate()


class TestFilesOfOthers:
    @pytest.mark.parametrize("name", ["shop_pb2.py", "shop_pb2.pyi", "shop_towpath.py", "shop.proto"])
    def test_a_file_that_was_not_generated_is_never_overwritten(self, workplace: Workplace, name: str) -> None:
        workplace.service("rpc Say(M) returns (N);")
        theirs = workplace.out / "shop/v1" / name
        theirs.parent.mkdir(parents=True)
        theirs.write_text("by hand", "utf-8")
        with pytest.raises(ContractError) as caught:
            workplace.generate(ship_protos=True)
        assert str(caught.value).startswith(
            f"out/shop/v1/{name}: this file is in the way, and was not made by towpath gen\n  hint: nothing"
        )
        assert tree(workplace.out) == {"shop": b"", "shop/v1": b"", f"shop/v1/{name}": b"by hand"}
        assert theirs in workplace.generate(check=True, ship_protos=True).written

    def test_an_empty_file_has_nothing_to_lose(self, workplace: Workplace) -> None:
        workplace.service("rpc Say(M) returns (N);")
        theirs = workplace.out / "shop/v1/shop_pb2.py"
        theirs.parent.mkdir(parents=True)
        theirs.touch()
        assert theirs in workplace.generate().written

    def test_what_was_generated_is_overwritten_whoever_changed_it(self, workplace: Workplace) -> None:
        workplace.service("rpc Say(M) returns (N);")
        first = workplace.generate(ship_protos=True).written
        for path in first:
            path.write_text(path.read_text("utf-8") + "\n# more\n", "utf-8")
        assert workplace.generate(ship_protos=True).written == first

    def test_a_folder_in_the_place_of_a_file_is_told_by_name(self, workplace: Workplace) -> None:
        workplace.service("rpc Say(M) returns (N);")
        (workplace.out / "shop/v1/shop_towpath.py").mkdir(parents=True)
        with pytest.raises(ContractError, match=r"^out/shop/v1/shop_towpath\.py: cannot be written: is a directory"):
            workplace.generate()
        assert set(tree(workplace.out)) == {"shop", "shop/v1", "shop/v1/shop_towpath.py"}

    def test_a_run_removes_what_a_killed_one_left(self, workplace: Workplace) -> None:
        workplace.service("rpc Say(M) returns (N);")
        workplace.generate()
        left = workplace.out / f"shop/v1/.shop_pb2.py.towpath-gen-{2**62}"
        left.touch()
        generate(GenerateOptions(paths=[workplace.proto], out=workplace.out, check=True))
        assert left.exists()
        workplace.generate()
        assert not left.exists()

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
    def test_a_full_disk_is_told_with_the_file_and_what_to_do(self, workplace: Workplace) -> None:
        workplace.service("rpc Say(M) returns (N);")
        workplace.out.joinpath("shop/v1").mkdir(parents=True)
        workplace.out.joinpath(f"shop/v1/.shop_pb2.py.towpath-gen-{os.getpid()}").symlink_to("/dev/full")
        with pytest.raises(ContractError) as caught:
            workplace.generate()
        assert str(caught.value).startswith("out/shop/v1/shop_pb2.py: cannot be written: no space left on device\n  hint: make room")
