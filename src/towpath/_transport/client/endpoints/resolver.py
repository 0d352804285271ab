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

    def __init__(self, address: Address, timeout: float | None = None) -> None:
        self._address = address
        self._timeout = timeout

    async def resolve(self) -> Sequence[Place]:
        """The addresses in order, so that two answers of the same addresses are equal. Raises OSError (`socket.gaierror`)."""
        found = await lookup(self._address.host, self._address.port, self._timeout)
        return [Address(host, self._address.port) for host in sorted({str(sockaddr[0]) for _, _, _, _, sockaddr in found})]


def resolver_of(target: Target, timeout: float | None = None) -> Resolver:
    """What resolves `target`. A name server has `timeout` seconds to answer. A lookup that takes longer goes on, and the next one gets its
    answer."""
    first = target.places[0]
    return DnsResolver(first, timeout) if target.scheme == "dns" and isinstance(first, Address) else FixedResolver(target.places)
