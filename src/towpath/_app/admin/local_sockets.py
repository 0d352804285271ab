"""The admin socket of each process, at which tools of the same user on the same machine find it.

It is in a folder of the user's own, which nobody else can enter. A process that was killed leaves its socket behind: nothing listens there,
and the next one who looks removes it.
"""

import errno
import os
import socket
from pathlib import Path
from typing import Final

from towpath._telemetry.runtime_folder import runtime_folder, runtime_folders

_SUFFIX: Final = ".admin"
_NAME: Final = 40  # characters of the service's name; the path of a socket has room for 107 bytes in all


def socket_path(service: str) -> Path:
    """Where this process, of `service`, has its admin socket. Raises SetupError if there is no folder for it."""
    name = "".join(character if character.isalnum() or character in "-_" else "_" for character in service)[:_NAME]
    return runtime_folder() / f"{name}-{os.getpid()}{_SUFFIX}"


def local_processes() -> list[Path]:
    """The admin sockets of this user's running processes, by name. What dead processes left is removed."""
    return [path for folder in runtime_folders() for path in sorted(folder.glob(f"*{_SUFFIX}")) if _listens(path)]


def processes_named(name: str) -> list[Path]:
    """The admin sockets of those of `local_processes` that are of the service `name`, or have it as the id of their process."""
    return [path for path in local_processes() if name in path.name.removesuffix(_SUFFIX).rpartition("-")[::2]]


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
