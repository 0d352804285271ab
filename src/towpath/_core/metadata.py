"""Metadata: the ordered, repeatable key-value pairs that travel beside a call's messages.

Keys are lower-case ASCII. A key that ends in `-bin` has `bytes` values, and every other key has printable ASCII `str` values, as gRPC
defines (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Some keys are owned by the protocols or by towpath. `Metadata`
raises ValueError for an owned key, so that no application can break the framing of its own call or contradict its context. An owned key
that comes off the wire is shown to no application. Encoding of values is left to the wire.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from towpath._core.propagation.fields import PROPAGATED

Value = str | bytes
Pairs = Iterable[tuple[str, Value]]

_KEY = re.compile(r"[0-9a-z_.-]+")
_ASCII_VALUE = re.compile(r"(?! )[\x20-\x7e]*(?<! )")
_ELSEWHERE: Final = "choose another name"
_TRACE: Final = "it belongs to the trace, which a call takes from the call that it is made in"

OWNED: Final[Mapping[str, str]] = {
    # A call's context, and its status.
    **{field.name: field.instead for field in PROPAGATED},
    "connect-timeout-ms": "set the option timeout",
    "grpc-message": "raise an RpcError",
    "grpc-retry-pushback-ms": "raise an RpcError, and set its pushback",
    "grpc-status": "raise an RpcError",
    "grpc-status-details-bin": "raise an RpcError with details",
    "grpc-timeout": "set the option timeout",
    "traceparent": _TRACE,
    "tracestate": _TRACE,
    # The framing of a message, and fields of the connection (RFC 9110, section 7.6.1). HTTP/2 does not even carry the latter.
    "accept-encoding": _ELSEWHERE,
    "connection": _ELSEWHERE,
    "content-encoding": _ELSEWHERE,
    "content-length": _ELSEWHERE,
    "content-type": _ELSEWHERE,
    "expect": _ELSEWHERE,
    "host": _ELSEWHERE,
    "http2-settings": _ELSEWHERE,
    "keep-alive": _ELSEWHERE,
    "proxy-connection": _ELSEWHERE,
    "te": _ELSEWHERE,
    "trailer": _ELSEWHERE,
    "transfer-encoding": _ELSEWHERE,
    "upgrade": _ELSEWHERE,
    "user-agent": _ELSEWHERE,
    "x-grpc-web": _ELSEWHERE,
}
"""The keys that the protocols or towpath own, each with advice for an application that needs it. Sending and receiving use this one
table."""

OWNED_PREFIXES: Final = ("connect-", "grpc-", "towpath-", "trailer-")
"""The prefixes of all other owned keys. The last marks the trailers in the head of a unary answer over Connect."""

FALLBACK: Final = "towpath-fallback"
"""The one key with an owned prefix that an application may see and send. It is the trailer of an answer that a fallback gave."""


class Metadata:
    """An immutable multi-map of metadata. Iterating yields the pairs in the order in which they were sent or given."""

    __slots__ = ("_pairs",)

    _pairs: Final[tuple[tuple[str, Value], ...]]

    def __init__(self, pairs: Pairs = ()) -> None:
        """Check and keep `pairs`. Raises ValueError that names the first key which gRPC cannot carry, or which is owned, and
        TypeError for a mapping, of which iteration gives the keys alone."""
        if isinstance(pairs, Mapping) and pairs:
            raise TypeError("metadata are pairs, of which a key may have several; give mapping.items() in place of a mapping")
        self._pairs = tuple(_checked(key, value) for key, value in pairs)

    @staticmethod
    def received(pairs: tuple[tuple[str, Value], ...]) -> "Metadata":
        """Wrap pairs that came off the wire, unchecked: the wire has checked them, and a peer may send values that towpath never sends."""
        metadata = Metadata.__new__(Metadata)
        object.__setattr__(metadata, "_pairs", pairs)
        return metadata

    def get(self, key: str, default: Value | None = None) -> Value | None:
        """The last value of `key`, or `default`."""
        for name, value in reversed(self._pairs):
            if name == key:
                return value
        return default

    def get_all(self, key: str) -> list[Value]:
        """Every value of `key`, in order."""
        return [value for name, value in self._pairs if name == key]

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __contains__(self, key: object) -> bool:
        return any(name == key for name, _ in self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Metadata) and self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        return f"Metadata({list(self._pairs)!r})"


def _checked(key: str, value: Value) -> tuple[str, Value]:
    if not _KEY.fullmatch(key):
        raise ValueError(f"metadata key {key!r} is not lower-case ASCII letters, digits, '_', '-' and '.'")
    if key in OWNED or (key.startswith(OWNED_PREFIXES) and key != FALLBACK):
        raise ValueError(f"metadata key {key!r} is reserved for the protocol; {OWNED.get(key, _ELSEWHERE)}")
    if key.endswith("-bin"):
        if not isinstance(value, bytes):
            raise ValueError(f"metadata {key!r} ends in -bin, so its value must be bytes, not {type(value).__name__}")
    elif not isinstance(value, str) or not _ASCII_VALUE.fullmatch(value):
        raise ValueError(f"metadata {key!r} must be a str of printable ASCII without outer spaces; name it {key}-bin for other values")
    return key, value


EMPTY: Final = Metadata()
"""No metadata. Most calls carry none, and share this object."""
