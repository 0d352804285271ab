"""Writing generated files so that the output is what it was or what it should be, and never in between.

Every file is written beside its place first. Only when all of them are there are they moved into their places, with signals held back, and
what is left over is removed. A fault on the way (a full disk, a folder that may not be written to) takes everything back. A process that is
killed while it writes leaves hidden files, which the next run removes; one that is killed while it moves leaves whole files, some of them
old, which the next run and `--check` find.
"""

import os
import signal
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_MARK: Final = ".towpath-gen-"
_HELD_BACK: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def write_files(outdated: Mapping[Path, bytes], stale: Sequence[Path]) -> None:
    """Write `outdated` and remove `stale`, or raise OSError and leave all as it was."""
    made: list[Path] = []
    ready: dict[Path, Path] = {}
    try:
        for path, content in outdated.items():
            _make_folders(path.parent, made)
            target = path.resolve() if path.is_symlink() else path
            if target.is_dir():
                raise IsADirectoryError(None, "is a directory", str(path))
            ready[target] = _write_beside(target, content)
        with _without_signals():
            _move(ready, stale)
    except BaseException:
        for waiting in ready.values():
            waiting.unlink(missing_ok=True)
        for folder in reversed(made):
            with suppress(OSError):  # somebody else has put something there
                folder.rmdir()
        raise


def remove_abandoned(folders: Sequence[Path]) -> None:
    """Remove what earlier runs left in `folders` that were killed while they wrote."""
    for folder in folders:
        for file in folder.glob(f".*{_MARK}*"):
            if not file.is_symlink() and not _runs(file.name.rpartition("-")[2]):  # a link is nothing that was made here
                file.unlink(missing_ok=True)


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make `folder` and those around it, and add each to `made` as it is there."""
    missing: list[Path] = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        made.append(one)


def _write_beside(target: Path, content: bytes) -> Path:
    beside = target.with_name(f".{target.name}{_MARK}{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            beside.chmod(target.stat().st_mode)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(target)) from error  # a full disk names no file, and a person knows none beside it
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


def _move(ready: Mapping[Path, Path], stale: Sequence[Path]) -> None:
    before = {path: path.read_bytes() if path.exists() else None for path in (*ready, *stale)}
    touched: list[Path] = []
    try:
        for target, beside in ready.items():
            beside.replace(target)
            touched.append(target)
        for path in stale:
            path.unlink()
            touched.append(path)
    except OSError:
        for path in touched:
            content = before[path]
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
        raise


@contextmanager
def _without_signals() -> Generator[None]:
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return int(process) != os.getpid()
