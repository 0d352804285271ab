"""The setting `service.trust`: the callers whose words about tenant, criticality, attempts, cohort, baggage and sampling a server believes.

    [service]
    trust = "private"                     # the default: private networks, Unix sockets, verified certificates
    trust = "none"                        # nobody, as at an edge
    trust = "all"                         # everybody, where the network lets nobody else in
    trust = ["10.4.0.0/16", "10.9.0.7"]   # networks and addresses
    trust = ["spiffe://prod.example/ns/shop/sa/cart", "cart.shop.example"]   # names in verified certificates
    trust = ["unix"]                      # callers on a Unix socket

"private" takes a private address as a hint, so it does not hold for a call of which a proxy says that it began elsewhere
(`x-forwarded-for`, `forwarded`, `x-real-ip`). The callers of a list are believed whatever they forward, and no others are. So a proxy in a
list has to remove towpath's headers from the calls that it lets in. "private" may stand in a list beside others.

In TOWPATH_TRUST the entries of a list are separated by commas.
"""

import re
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Final

from towpath._app.settings.suggest import suggestion
from towpath._core.errors import SetupError
from towpath._core.propagation.trust import DEFAULT_TRUST, Network, Trust

_WORDS: Final = ("private", "none", "all", "unix")
_SPIFFE: Final = "spiffe://"
_DNS_NAME: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*\.(?=[a-z0-9-]*[a-z])[a-z0-9-]{1,63}", re.IGNORECASE)
_CHOICE: Final = (
    '"private", "none" or "all", or a list of networks such as "10.4.0.0/16", of names in certificates such as '
    '"spiffe://prod.example/ns/shop/sa/cart", and of "unix" and "private"'
)


def trust_of(setting: str | Sequence[str] | None, where: str) -> Trust:
    """The callers that are believed. Raises SetupError that names the place `where` for what is no such setting."""
    if setting is None:
        return DEFAULT_TRUST
    entries = [entry.strip() for entry in setting.split(",")] if isinstance(setting, str) else list(setting)
    if len(entries) > 1 and (alone := {"none", "all"}.intersection(entries)):
        raise SetupError(f"{where}: {min(alone)!r} says all there is to say; write it without the other entries")
    networks: list[Network] = []
    callers: list[str] = []
    for entry in entries:
        if entry.startswith(_SPIFFE) or _DNS_NAME.fullmatch(entry):
            callers.append(entry)
        elif entry not in _WORDS:
            networks.append(_network(entry, where))
    return Trust(
        private="private" in entries,
        everybody="all" in entries,
        local="unix" in entries,
        networks=tuple(networks),
        callers=frozenset(callers),
    )


def told(trust: Trust) -> str:
    """The setting, as the file would have it."""
    if trust.everybody:
        return "all"
    words = (("private", trust.private), ("unix", trust.local))
    entries = [*(word for word, said in words if said), *map(str, trust.networks), *sorted(trust.callers)]
    return ", ".join(entries) or "none"


def _network(entry: str, where: str) -> Network:
    try:
        return ip_network(entry)
    except ValueError as error:
        near = suggestion(entry, _WORDS, kind="words") if entry.isalpha() else f"{error}; give {_CHOICE}"
        raise SetupError(f"{where}: {entry!r} is nobody to trust: {near}") from None
