"""What a channel calls, as text.

    host:port            one endpoint; the name is resolved anew for every connection
    dns:///host:port     every address of the name is an endpoint, as a headless service of Kubernetes has them
    static:///a:1,b:2    these endpoints
    unix:path            a socket in the file system; unix:///path with an absolute one

The forms are gRPC's (https://github.com/grpc/grpc/blob/master/doc/naming.md), but that there a bare `host:port` means `dns:///`.
"""

from dataclasses import dataclass
from typing import Final, Literal

from towpath._core.errors import SetupError
from towpath._transport.address import UNIX_PREFIX, Address, Place, UnixPath

_DNS: Final = "dns:///"
_STATIC: Final = "static:///"


@dataclass(frozen=True)
class Target:
    """A target, understood. With the scheme "dns" its one place is to be resolved; otherwise `places` are the endpoints."""

    text: str
    scheme: Literal["host", "dns", "static", "unix"]
    places: tuple[Place, ...]

    @property
    def authority(self) -> str:
        """What calls name as their authority: of several places the first."""
        first = self.places[0]
        return first.host if isinstance(first, UnixPath) else str(first)

    @property
    def loopback(self) -> bool:
        """Whether nobody but this machine can be at the other end."""
        return all(place.loopback for place in self.places)

    @staticmethod
    def parse(text: str, where: str) -> "Target":
        """The target in `text`. Raises SetupError that names `where` it was set if it is none."""
        if text.startswith(_DNS):
            return Target(text, "dns", (_address(text.removeprefix(_DNS), where),))
        if text.startswith(_STATIC):
            places = tuple(dict.fromkeys(_address(part.strip(), where) for part in text.removeprefix(_STATIC).split(",")))
            return Target(text, "static", places)
        if text.startswith(UNIX_PREFIX):
            return Target(text, "unix", (UnixPath.parse(text, where),))
        if "://" in text:
            raise SetupError(f"{where}: {text!r} has an unknown scheme; write host:port, dns:///host:port, static:///a:1,b:2 or unix:path")
        return Target(text, "host", (_address(text, where),))


def _address(text: str, where: str) -> Address:
    address = Address.parse(text, where)
    if address.port == 0:
        raise SetupError(f"{where}: {text!r} has port 0, which nothing can be reached at; name the port that the target listens on")
    return address
