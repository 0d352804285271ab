"""Asks a running service's admin listener."""

import http.client
import socket
from pathlib import Path
from typing import Final

from towpath._core.errors import SetupError
from towpath._transport.address import Address, Place, UnixPath, parse_place

TIMEOUT: Final = 10.0
"""Seconds that a service may take to answer."""

MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of an answer that are read."""


def listener_of(target: str) -> Place:
    """The address of the admin listener that `target` names: HOST:PORT, unix:PATH, or a service file, whose `service.admin` it is. Raises
    SetupError."""
    path = Path(target)
    if target.endswith(".toml") or path.is_dir():
        from towpath._app.settings.service_file import load

        config = load(path / "towpath.toml" if path.is_dir() else path, {})
        if config.admin is None:
            raise SetupError(f'{target}: the service has no admin listener; set service.admin = "127.0.0.1:9090" and start it anew')
        return config.admin
    return parse_place(target, "the admin listener")


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
