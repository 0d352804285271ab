"""Application metadata as header fields: keys in ASCII, values of `-bin` keys in base64 (gRPC over HTTP/2, "Custom-Metadata")."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Final

from towpath._core.errors import over_limit
from towpath._core.metadata import EMPTY, FALLBACK, OWNED, OWNED_PREFIXES, Metadata, Pairs, Value
from towpath._wire.hpack import literal
from towpath._wire.http.fields import Field

_MOST: Final = 60 * 1024
"""Bytes of names and values in one block; Envoy takes as many, and towpath's own peers a little more in all (`Limits.max_header_block`)."""

_OWNED: Final = frozenset(key.encode("ascii") for key in OWNED)
_PREFIXES: Final = tuple(prefix.encode("ascii") for prefix in OWNED_PREFIXES)
_FALLBACK: Final = FALLBACK.encode("ascii")


def encode(metadata: Metadata) -> bytes:
    """The pairs as literal fields that may be appended to any block."""
    return b"".join(literal(name, value) for name, value in encoded_fields(metadata))


def encoded_fields(metadata: Metadata | Pairs) -> list[Field]:
    """The pairs as they stand on the wire. Binary values are sent without padding, as gRPC asks. What a handler has put in the place of
    metadata is checked as they were when they were made: raises ValueError for pairs that gRPC would not carry, TypeError for what is not
    pairs. Raises RpcError (RESOURCE_EXHAUSTED) for over 60 KiB of them: to many peers so large a block is an attack, and they end the
    connection with all of its calls."""
    if not isinstance(metadata, Metadata):  # nothing keeps a handler from it that is not type-checked
        if isinstance(metadata, Mapping):
            raise TypeError("metadata are pairs, of which a key may have several; give Metadata(mapping.items())")
        metadata = Metadata(metadata)
    fields = [(key.encode("ascii"), value.encode("latin-1") if isinstance(value, str) else _to_base64(value)) for key, value in metadata]
    size = 0
    for name, value in fields:
        size += len(name) + len(value)
    if size > _MOST:
        raise over_limit(f"the metadata are larger than the limit of {_MOST} bytes; send them as a message", size=size, limit=_MOST)
    return fields


def decode(fields: Iterable[Field]) -> Metadata:
    """What the application sees of received fields. A `-bin` value that is not base64 is dropped with its key, as grpc-go and C-core
    do: one bad value must not cost the call, and passing raw text as bytes would be worse than nothing."""
    pairs: list[tuple[str, Value]] = []
    crumbs: list[str] = []
    place = 0
    for name, value in fields:
        if name in _OWNED or (name.startswith(_PREFIXES) and name != _FALLBACK):
            continue
        if name == b"cookie":  # HTTP/2 may send one in crumbs (RFC 9113, section 8.2.3)
            place = place if crumbs else len(pairs)
            crumbs.append(value.decode("latin-1"))
            continue
        if not name.endswith(b"-bin"):
            pairs.append((name.decode("ascii"), value.decode("latin-1")))
            continue
        # A sender may join the values of a repeated binary key with commas.
        for part in value.split(b","):
            decoded = from_base64(part)
            if decoded is not None:
                pairs.append((name.decode("ascii"), decoded))
    if crumbs:
        pairs.insert(place, ("cookie", "; ".join(crumbs)))
    return Metadata.received(tuple(pairs)) if pairs else EMPTY


def _to_base64(value: bytes) -> bytes:
    return base64.b64encode(value).rstrip(b"=")


def from_base64(value: bytes) -> bytes | None:
    """Bytes of a `-bin` value, padded or not; None if it is not base64."""
    try:
        return base64.b64decode(value.rstrip(b"=") + b"=" * (-len(value.rstrip(b"=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
