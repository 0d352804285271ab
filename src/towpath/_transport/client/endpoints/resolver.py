"""From a target to the places of its endpoints."""

from collections.abc import Sequence
from typing import Protocol

from towpath._transport.address import Address, Place
from towpath._transport.client.endpoints.lookup import lookup
from towpath._transport.client.endpoints.target import Target


class Resolver(Protocol):
    """Finds the endpoints of one target."""

    changes: bool
    """Whether it is worth asking again."""

    async def resolve(self) -> Sequence[Place]:
        """The places now, at least one. Raises OSError."""
        ...


class FixedResolver:
    """Places that were written down."""

    changes = False

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places

    async def resolve(self) -> Sequence[Place]:
        """Always the same."""
        return self._places


class DnsResolver:
    """Every address of a name, as the operating system resolves it."""

    changes = True

    def __init__(self, address: Address) -> None:
        self._address = address

    async def resolve(self) -> Sequence[Place]:
        """The addresses in order, so that two answers of the same addresses are equal. Raises OSError (`socket.gaierror`)."""
        found = await lookup(self._address.host, self._address.port)
        return [Address(host, self._address.port) for host in sorted({str(sockaddr[0]) for _, _, _, _, sockaddr in found})]


def resolver_of(target: Target) -> Resolver:
    """What resolves `target`."""
    first = target.places[0]
    return DnsResolver(first) if target.scheme == "dns" and isinstance(first, Address) else FixedResolver(target.places)
