"""What the rules of this folder look at: the files that git tracks or would track, so that no cache and no environment counts.

A rule takes the root of a tree and the paths inside it and returns its findings as text, one per offence, each saying what to do. It is
run on this repository, where it must find nothing, and on small trees made to offend, where it must find exactly the offence.
"""

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("src/", "reference/", "bench/", "labs/", "tools/")
GENERATED = ("_pb2.py", "_pb2.pyi", "_towpath.py")


def tracked() -> list[str]:
    """Paths, relative to the root, of every file that is or would be committed."""
    if git := shutil.which("git"):
        command = [git, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        if listed.returncode == 0:
            return sorted({path for path in listed.stdout.decode().split("\0") if path and (ROOT / path).is_file()})
    # The machine has no git, or this is an unpacked archive: take what is there, less what builds and tools leave behind.
    return sorted(
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*")
        if path.is_file() and not any(is_left_behind(part) for part in path.relative_to(ROOT).parts)
    )


def is_left_behind(part: str) -> bool:
    return (
        (part.startswith(".") and part not in {".ci", ".gitignore"})
        or part in {"__pycache__", "build", "dist", "htmlcov", "node_modules"}
        or part.endswith((".egg-info", ".so"))
    )


def written_by_hand(paths: Iterable[str], *, under: tuple[str, ...] = SOURCES) -> list[str]:
    """The Python sources among `paths` that people wrote."""
    return [path for path in paths if path.startswith(under) and path.endswith(".py") and not path.endswith(GENERATED)]


def plant(root: Path, files: Mapping[str, str]) -> list[str]:
    """Write a small tree for a rule to look at; returns its paths."""
    for path, text in files.items():
        target = root / PurePosixPath(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return sorted(files)
