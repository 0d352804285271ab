"""The certificate that the other end of a connection has shown: who it names, how long it lasts, and who vouches for it."""

import asyncio
import logging
import ssl
import time
from collections.abc import Iterator
from typing import Any, Final

log = logging.getLogger("towpath.tls")

_MOST_SHOWN: Final = 4
_MARGIN: Final = 10.0
_MARGIN_SHARE: Final = 0.1


def caller_of(transport: asyncio.BaseTransport) -> str:
    """Who the client is by its verified certificate: its URI name (a SPIFFE id), else its first DNS name; empty without one.

    Raises ValueError for a certificate that does not say who: one with several URI names, of which a SPIFFE id has to be the only one
    (X.509-SVID, section 2), or with a name that cannot be printed.
    """
    connection: Any = transport.get_extra_info("ssl_object")
    certificate: dict[str, Any] = (connection.getpeercert() or {}) if connection is not None else {}
    uris = list(_names(certificate, "URI"))
    if len(uris) > 1:
        raise ValueError(f"it has {len(uris)} URI names, {', '.join(map(repr, uris[:_MOST_SHOWN]))}; a caller has one")
    name = uris[0] if uris else next(_names(certificate, "DNS"), "")
    if not name.isprintable():
        raise ValueError(f"its name {name!r} cannot be printed")
    return name


def refusal_of(transport: asyncio.BaseTransport) -> str:
    """Why it is not clear who the client is, if it has a certificate; empty if it is. A refusal is logged."""
    try:
        caller_of(transport)
    except ValueError as error:
        log.warning("a client was turned away for its certificate: %s", error)
        return f"closed, since the certificate does not say who calls: {error}"
    return ""


def lifetime(transport: asyncio.BaseTransport) -> float | None:
    """The seconds until the first certificate of the peer's chain ends; None if it has shown none."""
    connection: Any = transport.get_extra_info("ssl_object")
    own: dict[str, Any] = (connection.getpeercert() or {}) if connection is not None else {}
    ends = [shown["notAfter"] for shown in (own, *(link.get_info() for link in _chain(connection))) if "notAfter" in shown]
    return min(map(ssl.cert_time_to_seconds, ends)) - time.time() if ends else None


def margin(lifetime: float) -> float:
    """How many seconds before the end of a certificate its connection is replaced: ten, or a tenth of what is left to one that lives
    shorter. So a peer with very short certificates is not sent away at once."""
    return max(0.0, min(_MARGIN, lifetime * _MARGIN_SHARE))


def vouched_for_by(transport: asyncio.BaseTransport, authorities: frozenset[bytes]) -> bool:
    """Whether one of `authorities` (DER) is in the chain by which the peer's certificate was verified. Where the chain is not known, any of
    them may be."""
    connection: Any = transport.get_extra_info("ssl_object")
    if connection is None or not connection.getpeercert():
        return False
    chain = [ssl.PEM_cert_to_DER_cert(link.public_bytes()) for link in _chain(connection)]
    return not chain or not authorities.isdisjoint(chain)


def _chain(connection: Any) -> list[Any]:
    # Public since Python 3.13 as bytes alone; what is below it has been there since 3.10 and also tells when a certificate ends.
    verified = getattr(getattr(connection, "_sslobj", None), "get_verified_chain", None)
    return [] if verified is None else verified() or []


def _names(certificate: dict[str, Any], kind: str) -> Iterator[str]:
    return (value for name, value in certificate.get("subjectAltName", ()) if name == kind)
