"""Metadata: the ordered, repeatable key-value pairs that travel beside a call's messages.

Keys are lower-case ASCII; a key that ends in `-bin` has `bytes` values, every other has printable ASCII `str` values, as gRPC
defines (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Keys that the protocol owns (`grpc-*`, pseudo headers,
`content-type`, `te`) are refused here, so that no application can break the framing of its own call. Values are not encoded
here; that is the wire's business.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

Value = str | bytes
Pairs = Iterable[tuple[str, Value]]

_KEY = re.compile(r"[0-9a-z_.-]+")
_ASCII_VALUE = re.compile(r"(?! )[\x20-\x7e]*(?<! )")
_RESERVED = frozenset(
    {"connection", "content-length", "content-type", "host", "keep-alive", "te", "transfer-encoding", "upgrade", "user-agent"}
)


class Metadata:
    """An immutable multi-map of metadata. Iterating yields the pairs in the order in which they were sent or given."""

    __slots__ = ("_pairs",)

    _pairs: Final[tuple[tuple[str, Value], ...]]

    def __init__(self, pairs: Pairs = ()) -> None:
        """Check and keep `pairs`; raises ValueError naming the key that gRPC would not carry."""
        self._pairs = tuple(_checked(key, value) for key, value in pairs)

    @staticmethod
    def received(pairs: tuple[tuple[str, Value], ...]) -> "Metadata":
        """Wrap pairs that came off the wire: they were checked there, and a peer may send keys that we would not."""
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
    if key.startswith("grpc-") or key in _RESERVED:
        raise ValueError(f"metadata key {key!r} is reserved for the protocol; choose another name")
    if key.endswith("-bin"):
        if not isinstance(value, bytes):
            raise ValueError(f"metadata {key!r} ends in -bin, so its value must be bytes, not {type(value).__name__}")
    elif not isinstance(value, str) or not _ASCII_VALUE.fullmatch(value):
        raise ValueError(f"metadata {key!r} must be a str of printable ASCII without outer spaces; name it {key}-bin for other values")
    return key, value


EMPTY: Final = Metadata()
"""No metadata; shared, because most calls carry none."""
