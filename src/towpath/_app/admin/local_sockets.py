"""The admin socket of each process, at which tools of the same user on the same machine find it.

It is in a folder of the user's own, which nobody else can enter. A process that was killed leaves its socket behind: nothing listens there,
and the next one who looks removes it.
"""

import errno
import os
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from towpath._core.errors import SetupError

VARIABLE: Final = "TOWPATH_RUNTIME_DIRECTORY"
_SUFFIX: Final = ".admin"
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of the user's own is made in it
_NAME: Final = 40  # characters of the service's name; the path of a socket has room for 107 bytes in all


def runtime_directory() -> Path:
    """The folder of this user's running processes, which is made if it is not there: TOWPATH_RUNTIME_DIRECTORY, or one in `/dev/shm`, or
    among temporary files. Raises SetupError if it cannot be had, or if it is somebody else's."""
    parent = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    path = Path(os.environ.get(VARIABLE) or parent / f"towpath-{os.getuid()}")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise SetupError(f"the folder {path} of running services cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise SetupError(f"{path} is not a folder that this user alone may enter; remove it, or name another one in {VARIABLE}")
    return path


def socket_path(service: str) -> Path:
    """Where this process, of `service`, has its admin socket."""
    name = "".join(character if character.isalnum() or character in "-_" else "_" for character in service)[:_NAME]
    return runtime_directory() / f"{name}-{os.getpid()}{_SUFFIX}"


def local_processes() -> list[Path]:
    """The admin sockets of this user's running processes, by name. What dead processes left is removed."""
    with suppress(SetupError):
        return [path for path in sorted(runtime_directory().glob(f"*{_SUFFIX}")) if _listens(path)]
    return []


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:  # it is busy, and so it is there
            return True
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                path.unlink(missing_ok=True)
            return False
    return True
