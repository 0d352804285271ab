"""Whose word a server takes: which callers may say for whom a call is made and how important it is.

The tenant, the criticality and the other values of `towpath._core.propagation.fields` are the words of a caller. A server that believes
everybody lets a stranger spend another tenant's quota, and lets a flood call itself important. So a server believes the callers of its
`Trust`, and `PropagatedField.from_untrusted` says what holds of another caller's words. An identity that each call proves is left to
authentication.

A proxy tells of the caller behind it in `x-forwarded-for`, `forwarded` (RFC 7239) or `x-real-ip`. Those headers are lists that anybody may
begin, so they never make a caller trusted: they can only show that a call began outside of the private networks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

PRIVATE: Final[tuple[Network, ...]] = tuple(
    map(
        ip_network,
        (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "169.254.0.0/16",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)
"""The addresses that no packet from the internet comes from: loopback, RFC 1918, RFC 6598 (where large clusters put their pods),
link-local, and unique local addresses of IPv6."""

FORWARDED: Final = ("x-forwarded-for", "forwarded", "x-real-ip")
"""The headers in which a proxy says whose call it passes on."""

_LONGEST: Final = 512
"""Bytes of these headers that are read. A dozen proxies write less, and a caller must not be able to have the server read any number."""


class Belief(Enum):
    """What a server believes of the callers at the other end of a connection."""

    ALL = "all"
    """Every call is believed."""

    UNLESS_FORWARDED = "unless forwarded"
    """A call is believed unless a proxy says that it has come from outside of the private networks."""

    NOTHING = "nothing"
    """No call is believed."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """The callers that a server believes. By default they are the callers on private networks and on Unix sockets, and those with a
    verified certificate. Their calls are not believed where a proxy says that they began elsewhere (`FORWARDED`)."""

    private: bool = True
    """Whether the callers of the default are believed, unless a proxy says that their calls began outside of the private networks."""

    everybody: bool = False
    """Whether every caller is believed, whatever a proxy says."""

    local: bool = False
    """Whether callers on Unix sockets are believed, whatever a proxy says."""

    networks: tuple[Network, ...] = ()
    """The networks whose callers are believed, whatever a proxy says."""

    callers: frozenset[str] = frozenset()
    """The names in verified certificates (SPIFFE ids, DNS names) whose owners are believed, whatever a proxy says."""

    def belief(self, peer: str, caller: str) -> Belief:
        """What is believed of a connection from the address `peer` (`host:port`, or a Unix socket's path or nothing) whose verified
        certificate names `caller` (empty without one)."""
        address = _address(peer.rpartition(":")[0])
        if self.everybody or caller in self.callers or (self.local if address is None else _is_in(address, self.networks)):
            return Belief.ALL
        if self.private and (caller or address is None or _is_in(address, PRIVATE)):
            return Belief.UNLESS_FORWARDED
        return Belief.NOTHING


DEFAULT_TRUST: Final = Trust()
"""The callers that a server believes if nothing is said."""


def is_believed(belief: Belief, forwarded: bytes | None) -> bool:
    """Whether a call is believed that came over a connection of `belief`. `forwarded` are the values of the headers `FORWARDED`, each in a
    line of its own, and None if it has none of them."""
    return belief is Belief.ALL or (belief is Belief.UNLESS_FORWARDED and (forwarded is None or is_inside(forwarded)))


def is_inside(forwarded: bytes) -> bool:
    """Whether all addresses in the values of the headers `FORWARDED` are of private networks. `forwarded` are the values, each in a line of
    its own. An address that is hidden, unknown or malformed is outside, and so are values of over 512 bytes."""
    return len(forwarded) <= _LONGEST and _is_inside(forwarded)


@lru_cache(1024)
def _is_inside(forwarded: bytes) -> bool:
    addresses = map(_address, _hops(forwarded.decode("latin-1")))
    return all(address is not None and _is_in(address, PRIVATE) for address in addresses)


def _hops(forwarded: str) -> Iterator[str]:
    """The addresses, without ports and brackets."""
    for element in forwarded.replace("\n", ",").split(","):
        hop = element.strip()
        if "=" in hop:  # of `Forwarded`, which may also tell of other things than an address
            pairs = (pair.partition("=") for pair in hop.split(";"))
            found = next((value for name, _, value in pairs if name.strip().lower() == "for"), "")
            hop = found.strip().strip('"')
        if hop.startswith("["):
            yield hop[1:].partition("]")[0]
        elif hop:
            yield hop.partition(":")[0] if hop.count(":") == 1 else hop


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4 one where IPv6 carries it; None for anything else."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_in(address: IPv4Address | IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
