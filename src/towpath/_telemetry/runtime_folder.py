"""The folder in which the running processes of one user have what the user's tools look for: rings, files of blocks, admin sockets.

It is below `/dev/shm`, or among temporary files where that is not there. A name below either can be taken by anybody, so a folder counts
only if its user alone may enter it.
"""

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from towpath._core.errors import SetupError

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 # the folder in it is the user's own, which is checked

VARIABLE: Final = "TOWPATH_RUNTIME_DIRECTORY"
"""The variable that names another place for it."""


def bases(directory: Path | None = None) -> tuple[Path, ...]:
    """Where the folder may be, in the order in which it is made there: in `directory` alone, if there is one, else in that of the variable
    alone."""
    if directory is not None:
        return (directory,)
    named = os.environ.get(VARIABLE)
    return (Path(named),) if named else (SHARED_MEMORY, Path(tempfile.gettempdir()))


def runtime_folder(directory: Path | None = None) -> Path:
    """The folder, which is made if it is not there. Raises SetupError if none can be had."""
    faults: list[str] = []
    for base in bases(directory):
        try:
            return made_below(base)
        except OSError as error:
            faults.append(str(error))
    raise SetupError(f"there is no folder for running processes: {'; '.join(faults)}")


def runtime_folders(directory: Path | None = None) -> list[Path]:
    """The folders of this user that are there."""
    return [folder for base in dict.fromkeys(bases(directory)) if _is_own(folder := base / _name())]


def made_below(base: Path) -> Path:
    """The user's folder below `base`. Raises OSError if there is none and none can be made, or if it is not the user's alone."""
    folder = base / _name()
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_own(folder):
        raise PermissionError(errno.EPERM, f"{folder} is no folder of this user's alone; remove it, or name another place in {VARIABLE}")
    return folder


def _name() -> str:
    return f"towpath-{os.geteuid()}"


def _is_own(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
