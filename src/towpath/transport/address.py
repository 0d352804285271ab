"""Where to listen: `host:port`, with an IPv6 host in brackets. Port 0 lets the operating system choose a free one."""

import errno
import os
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from towpath.core.errors import SetupError


@dataclass(frozen=True)
class Address:
    """A host name or IP address, and a TCP port."""

    host: str
    port: int

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


def bind(address: Address, where: str, *, backlog: int = 1024) -> socket.socket:
    """A listening socket at `address`. Raises SetupError that names the address, `where` it was set and what to do, in particular when
    the port is in use.

    SO_REUSEADDR is set where it means "ignore TIME_WAIT"; on Windows it would let two processes share a port unawares.
    """
    try:
        family, _, _, _, sockaddr = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise SetupError(f"{where}: the host of {address} cannot be resolved ({error.strerror}); use an address of this machine") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(sockaddr)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise refused(address, where, error) from error
    return listener


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
