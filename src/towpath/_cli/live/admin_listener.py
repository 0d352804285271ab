"""Asks a running service's admin listener."""

import http.client
import re
import socket
from pathlib import Path
from typing import Final

from towpath._app.admin.local_sockets import local_processes
from towpath._core.disclosure.printable import printable
from towpath._core.errors import SetupError
from towpath._transport.address import Address, Place, UnixPath, parse_place

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")

TIMEOUT: Final = 10.0
"""Seconds that a service may take to answer."""

MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of an answer that are read."""


def listener_of(target: str) -> Place:
    """The address of the admin listener that `target` names: HOST:PORT, unix:PATH, or a service file, whose `service.admin` it is. A
    process of this user is also named by its id, by the name of its service, or by nothing if there is only one. Raises SetupError."""
    if not target or target.isdecimal() or _NAME.fullmatch(target):
        return UnixPath(str(_local(target)))
    path = Path(target)
    if target.endswith(".toml") or path.is_dir():
        from towpath._app.settings.service_file import load

        config = load(path / "towpath.toml" if path.is_dir() else path, {})
        if config.admin is None:
            raise SetupError(f'{target}: the service has no admin listener; set service.admin = "127.0.0.1:9090" and start it anew')
        return config.admin
    return parse_place(target, "the admin listener")


def _local(target: str) -> Path:
    """The admin socket of a process of this user."""
    found = {path: path.name.removesuffix(".admin").rpartition("-") for path in local_processes()}
    chosen = [path for path, (service, _, process) in found.items() if target in ("", service, process)]
    if len(chosen) == 1:
        return chosen[0]
    running = ", ".join(f"{printable(service)} ({process})" for service, _, process in found.values())
    if not running:
        raise SetupError("no service of this user runs here; start one, or give the address of its admin listener")
    if chosen:
        raise SetupError(f"several processes run here: {running}; give the name or the id of one")
    raise SetupError(f"no service {target} of this user runs here; there are {running}")


class _Connection(http.client.HTTPConnection):
    def __init__(self, place: Place) -> None:
        super().__init__(place.host, timeout=TIMEOUT)
        self._place = place

    def connect(self) -> None:
        place = self._place
        if isinstance(place, UnixPath):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(TIMEOUT)
            self.sock.connect(place.path)
        else:
            self.sock = socket.create_connection((place.host, place.port), TIMEOUT)


def asked(place: Place | Address, path: str) -> str:
    """What the listener at `place` answers to a GET of `path`. Raises SetupError that says what to do if it does not."""
    connection = _Connection(place)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read(MAX_ANSWER).decode(errors="replace")
    except TimeoutError as error:
        raise SetupError(
            f"{place} has not answered for {TIMEOUT:.0f} s: its event loop may be blocked; see by what with: towpath blocks PID"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise SetupError(f"{place} cannot be asked: {error}; give the address of a running service's admin listener") from error
    finally:
        connection.close()
    if response.status == http.client.NOT_FOUND:
        raise SetupError(
            f'{place} has no {path}: set telemetry.debug_documents = "on", or bind service.admin to a loopback address; services before '
            "this version have none"
        )
    if response.status != http.client.OK:
        raise SetupError(f"{place} answers {path} with {response.status}: {text.strip()[:200]}")
    return text
