"""Where the files of flight recorders are: in a folder of the user's own, one file for each process.

A process holds a lock on its file for as long as it lives, so that others know whose file is left over, whatever numbers processes have in
other containers. What a crash has left stays for a day, and of several the last few. A clean exit removes its own.
"""

import errno
import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from towpath._core.errors import SetupError
from towpath._telemetry.flight_recorder.ring import Writer
from towpath._telemetry.runtime_folder import bases, made_below, runtime_folders

ENDED: Final = ".ended.ring"
"""The end of the name of a file whose process is gone."""

BLOCKS: Final = ".blocks"
"""The end of the name of a file that says when the loop of a process was blocked."""

_MAKING: Final = ".making"
"""The end of the name of a file whose process does not hold it yet."""

_MOST_BLOCKS: Final = 256
"""Such files that stay at most, of processes that are gone or live."""

_KEPT_FOR: Final = 86_400.0
"""Seconds for which it stays."""

_MOST_ENDED: Final = 8
"""Such files that stay at most."""

log = logging.getLogger("towpath.telemetry")


def ring_files(directory: Path | None = None) -> list[Path]:
    """The files of all processes of this user below `directory`, which defaults to where they are made by default."""
    return [path for folder in runtime_folders(directory) for path in sorted(folder.glob("*.ring"))]


def open_writer(service: str, rows: int, directory: Path | None = None) -> "tuple[Writer, int | None]":
    """The ring of this process, and the descriptor that holds its lock. The ring is in memory, and the log says why, where no file can be
    had."""
    faults: list[str] = []
    for base in bases(directory):
        try:
            folder = made_below(base)
            _sweep(folder)
            return _made(folder / f"{_plain(service)}-{os.getpid()}.ring", service, rows)
        except (OSError, SetupError) as error:
            faults.append(str(error))
    log.warning("calls are recorded in memory alone, where no other process can read them: %s", "; ".join(faults))
    return Writer(None, service=service, rows=rows), None


def _made(path: Path, service: str, rows: int) -> tuple[Writer, int]:
    """The ring at `path`, with its lock. It has this name only once it is locked: processes that start together look through each other's
    files, and take one that nobody holds for left over."""
    _put_aside(path)
    writer = Writer(path.with_name(f"{path.stem}.{time.time_ns():x}{_MAKING}"), service=service, rows=rows)
    made = writer.path or path
    try:
        lock = _locked(made)
        try:
            writer.path = made.rename(path)
        except BaseException:
            os.close(lock)
            raise
    except BaseException:
        writer.close()
        raise
    return writer, lock


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


def _plain(service: str) -> str:
    """The name of a service, as part of the name of a file."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", service)[:64].lstrip(".") or "service"


def _sweep(folder: Path) -> None:
    """Give the rings of processes that are gone another name, and remove those that were there for long, and files of blocks too."""
    for path in folder.glob("*.ring"):
        if not path.name.endswith(ENDED) and not is_live(path):
            _put_aside(path)
    for pattern, most in ((f"*{ENDED}", _MOST_ENDED), (f"*{_MAKING}", _MOST_BLOCKS), (f"*{BLOCKS}", _MOST_BLOCKS)):
        for index, (changed, path) in enumerate(sorted(_times(folder, pattern), reverse=True)):
            if index >= most or time.time() - changed > _KEPT_FOR:
                with suppress(OSError):
                    path.unlink()


def _times(folder: Path, pattern: str) -> Iterator[tuple[float, Path]]:
    for path in folder.glob(pattern):
        with suppress(OSError):  # another process has removed it
            yield path.stat().st_mtime, path


def _put_aside(path: Path) -> None:
    """Let the file at `path`, if there is one, be that of a process which is gone. Its time is that of its being found so."""
    aside = path.with_name(f"{path.name.removesuffix('.ring')}.{time.time_ns():x}{ENDED}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        os.utime(aside)
