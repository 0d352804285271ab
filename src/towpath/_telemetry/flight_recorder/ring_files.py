"""Where the files of flight recorders are: in a folder of the user's own, one file for each process.

A process holds a lock on its file for as long as it lives, so that others know whose file is left over, whatever numbers processes have in
other containers. What a crash has left stays for a day, and of several the last few. A clean exit removes its own.
"""

import errno
import fcntl
import logging
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from towpath._core.errors import SetupError
from towpath._telemetry.flight_recorder.ring import Writer

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 # the folder in it is the user's own, which is checked

ENDED: Final = ".ended.ring"
"""The end of the name of a file whose process is gone."""

_KEPT_FOR: Final = 86_400.0
"""Seconds for which it stays."""

_MOST_ENDED: Final = 8
"""Such files that stay at most."""

_BASES: Final = (SHARED_MEMORY, Path(tempfile.gettempdir()))

log = logging.getLogger("towpath.telemetry")


def ring_files(directory: Path | None = None) -> list[Path]:
    """The files of all processes of this user below `directory`, which defaults to where they are made by default."""
    bases = _BASES if directory is None else (directory,)
    folders = dict.fromkeys(base / _own_name() for base in bases)
    return [path for folder in folders if _is_own(folder) for path in sorted(folder.glob("*.ring"))]


def open_writer(service: str, rows: int, directory: Path | None = None) -> "tuple[Writer, int | None]":
    """The ring of this process, and the descriptor that holds its lock. The ring is in memory, and the log says why, where no file can be
    had."""
    faults: list[str] = []
    for base in _BASES if directory is None else (directory,):
        try:
            folder = _own_folder(base)
            _sweep(folder)
            path = folder / f"{_plain(service)}-{os.getpid()}.ring"
            _put_aside(path)
            writer = Writer(path, service=service, rows=rows)
            return writer, _locked(path)
        except (OSError, SetupError) as error:
            faults.append(str(error))
    log.warning("calls are recorded in memory alone, where no other process can read them: %s", "; ".join(faults))
    return Writer(None, service=service, rows=rows), None


def is_live(path: Path) -> bool:
    """Whether the process that writes the file at `path` lives."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EWOULDBLOCK, errno.EACCES)
    finally:
        os.close(descriptor)
    return False


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with suppress(OSError):  # a file system without locks: the file counts as left over, and stays for a day
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _own_name() -> str:
    return f"towpath-{os.geteuid()}"


def _own_folder(base: Path) -> Path:
    """The user's folder below `base`. Raises OSError if there is none and none can be made, or if it is not the user's alone."""
    folder = base / _own_name()
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_own(folder):
        raise PermissionError(errno.EPERM, f"{folder} is no folder of this user's alone; remove it, or set telemetry.recorder_directory")
    return folder


def _is_own(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _plain(service: str) -> str:
    """The name of a service, as part of the name of a file."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", service)[:64].lstrip(".") or "service"


def _sweep(folder: Path) -> None:
    """Give the files of processes that are gone another name, and remove those that were there for long."""
    for path in folder.glob("*.ring"):
        if not path.name.endswith(ENDED) and not is_live(path):
            _put_aside(path)
    ended = sorted(_times(folder), reverse=True)
    for index, (changed, path) in enumerate(ended):
        if index >= _MOST_ENDED or time.time() - changed > _KEPT_FOR:
            with suppress(OSError):
                path.unlink()


def _times(folder: Path) -> Iterator[tuple[float, Path]]:
    for path in folder.glob(f"*{ENDED}"):
        with suppress(OSError):  # another process has removed it
            yield path.stat().st_mtime, path


def _put_aside(path: Path) -> None:
    """Let the file at `path`, if there is one, be that of a process which is gone. Its time is that of its being found so."""
    aside = path.with_name(f"{path.name.removesuffix('.ring')}.{time.time_ns():x}{ENDED}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        os.utime(aside)
