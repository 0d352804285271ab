"""The few things that are asked of git: uncommitted changes of a folder, a new repository, and a merge of three files."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from towpath._core.errors import SetupError

_FAILED: Final = 128
"""The exit status of `git merge-file` from which on it is an error; below it counts the conflicts."""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The result of a merge."""

    content: bytes
    """The file, with git's marks around each conflict."""
    conflicts: int


def changed(folder: Path) -> list[str]:
    """The files below `folder` that differ from the last commit, as git shows them. Raises SetupError if git does not know the folder."""
    inside = _git(["rev-parse", "--is-inside-work-tree"], folder)
    if inside.returncode or inside.stdout.strip() != b"true":
        raise SetupError(f"{folder} is in no git repository, so nothing could be taken back; run git init there, and commit first")
    listed = _git(["status", "--porcelain", "--untracked-files=all", "--", "."], folder)
    if listed.returncode:
        raise SetupError(f"git status failed in {folder}: {listed.stderr.decode(errors='replace').strip()}; mend the repository first")
    return listed.stdout.decode(errors="replace").splitlines()


def start(folder: Path) -> bool:
    """Make `folder` a repository, unless it is in one, or git is not installed. Returns whether it did."""
    if shutil.which("git") is None or _git(["rev-parse", "--is-inside-work-tree"], folder).stdout.strip() == b"true":
        return False
    return _git(["-c", "init.defaultBranch=main", "init", "--quiet"], folder).returncode == 0


def merge(mine: bytes, base: bytes, theirs: bytes, labels: tuple[str, str, str]) -> Merged:
    """What `mine` becomes with the changes from `base` to `theirs`. `labels` name the three in marks of conflicts. Lines keep the ends that
    `mine` has. Raises SetupError if git fails, such as for a file with bytes of zero."""
    if b"\r\n" in mine and b"\r\n" not in base:
        base, theirs = (text.replace(b"\n", b"\r\n") for text in (base, theirs))
    with TemporaryDirectory(prefix="towpath-merge-") as directory:
        paths = [Path(directory, name) for name in ("mine", "base", "theirs")]
        for path, content in zip(paths, (mine, base, theirs), strict=True):
            path.write_bytes(content)
        named = [part for label in labels for part in ("-L", label)]
        ran = _git(["merge-file", "-p", "-q", "--diff3", *named, *map(str, paths)], Path(directory))
    if ran.returncode >= _FAILED or ran.returncode < 0:
        raise SetupError(f"git merge-file failed: {ran.stderr.decode(errors='replace').strip()}")
    return Merged(content=ran.stdout, conflicts=ran.returncode)


def _git(arguments: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[bytes]":
    git = shutil.which("git")
    if git is None:
        raise SetupError("this needs git, which is not installed; install it, for without it nothing could be taken back")
    # A hook of git runs with variables that name its own repository.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # The arguments are ours; no shell reads them.
    return subprocess.run([git, *arguments], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603
