"""Where to listen: `host:port`, with an IPv6 host in brackets, where port 0 lets the operating system choose a free one; or `unix:path`, a
socket in the file system."""

import errno
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from towpath._core.errors import SetupError

BACKLOG: Final = 1024
"""Clients that may have connected and wait to be accepted."""

UNIX_PREFIX: Final = "unix:"
"""How the path of a socket in the file system is marked as one."""


@dataclass(frozen=True)
class Address:
    """A host name or IP address, and a TCP port."""

    host: str
    """The name or IP address, an IPv6 one without brackets."""
    port: int
    """The port; 0 stands for a free one where a server listens."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @staticmethod
    def parse(text: str, where: str) -> "Address":
        """The address in `text`; raises SetupError that names `where` (a file and field, or a variable) if it is not one."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise SetupError(f"{where}: {text!r} is ambiguous; put the IPv6 host in brackets, as in '[::1]:8080'")
        if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise SetupError(
                f"{where}: {text!r} is not host:port with a port of 0 to 65535; write '127.0.0.1:8080', or port 0 for a free one"
            )
        return Address(host, int(port))


@dataclass(frozen=True)
class UnixPath:
    """A socket in the file system, which nobody but this machine can reach."""

    path: str

    def __str__(self) -> str:
        return f"{UNIX_PREFIX}{self.path}"

    @property
    def loopback(self) -> bool:
        """Always."""
        return True

    @property
    def host(self) -> str:
        """What stands for a host where there is none, as in gRPC."""
        return "localhost"

    @staticmethod
    def parse(text: str, where: str) -> "UnixPath":
        """The path in `unix:path` or, if it is absolute, `unix:///path`; raises SetupError that names `where` if there is none."""
        path = text.removeprefix(UNIX_PREFIX)
        path = path.removeprefix("//") if path.startswith("///") else path
        if not path or path.startswith("//") or "\0" in path:
            raise SetupError(f"{where}: {text!r} names no socket; write 'unix:///run/service.sock', or 'unix:service.sock'")
        return UnixPath(path)


Place = Address | UnixPath
"""Where one endpoint is."""


def parse_place(text: str, where: str) -> Place:
    """The place in `text`, of either kind. Raises SetupError that names `where` if it is neither."""
    return UnixPath.parse(text, where) if text.startswith(UNIX_PREFIX) else Address.parse(text, where)


def bind(place: Place, where: str, *, backlog: int = BACKLOG, reuse_port: bool = False) -> socket.socket:
    """A listening socket at `place`. Raises SetupError that names the place, `where` it was set and what to do, in particular when
    the port is in use.

    SO_REUSEADDR is set where it means "ignore TIME_WAIT"; on Windows it would let two processes share a port unawares. A socket in the file
    system that nobody listens on any more is replaced. With `reuse_port` others may listen at the same address that say so too, and the
    system spreads connections over them (SO_REUSEPORT; TCP only).
    """
    if isinstance(place, UnixPath):
        return _bind_path(place, where, backlog)
    address = place
    try:
        family, _, _, _, sockaddr = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise SetupError(f"{where}: the host of {address} cannot be resolved ({error.strerror}); use an address of this machine") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(sockaddr)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise refused(address, where, error) from error
    return listener


def _bind_path(place: UnixPath, where: str, backlog: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(place.path)
        listener.bind(place.path)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        in_use = error.errno == errno.EADDRINUSE
        advice = "choose another path, in a directory that this user may write"
        reason = "another process listens there, or the file is no socket" if in_use else error.strerror or str(error)
        raise SetupError(f"{where}: cannot listen on {place}: {reason}; {advice}") from error
    return listener


def _remove_stale(path: str) -> None:
    """Remove a socket of which the listener is gone: the system keeps the file, and would refuse to listen there again."""
    with suppress(FileNotFoundError):
        if not Path(path).is_socket():
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.setblocking(False)
            try:
                caller.connect(path)
            except ConnectionRefusedError:
                Path(path).unlink()
            except BlockingIOError:
                return  # its queue is full: somebody does listen


def refused(address: Address, where: str, error: OSError) -> SetupError:
    """What to tell a person whose address cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        reason = f"port {address.port} is in use by another process"
    elif error.errno == errno.EADDRNOTAVAIL:
        reason = f"{address.host} is not an address of this machine"
    elif error.errno == errno.EACCES:
        reason = f"this user may not listen on port {address.port}"
    else:
        reason = error.strerror or str(error)
    return SetupError(f"{where}: cannot listen on {address}: {reason}; choose another port, or port 0 for a free one")


def bound(listener: socket.socket) -> Address:
    """The address that a listening socket got."""
    host, port = listener.getsockname()[:2]
    return Address(host, port)


def place_of(listener: socket.socket) -> Place:
    """The place, of either kind, that a listening socket got."""
    if listener.family == getattr(socket, "AF_UNIX", None):
        return UnixPath(os.fsdecode(listener.getsockname()))
    return bound(listener)
