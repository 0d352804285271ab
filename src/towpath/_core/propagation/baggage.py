"""W3C Baggage (https://www.w3.org/TR/baggage/): names and values that a call hands on to every call made on its behalf.

The header is kept as it came and passed on as it is. It is parsed when somebody reads it, which most services never do.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_HEADER: Final = re.compile(rb"[\t\x20-\x7e]+")
_UNQUOTED: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"
_MAX_MEMBERS: Final = 64
_MAX_BYTES: Final = 8192

BAGGAGE_RULE: Final = f"a list of members key=value, of which {_MAX_MEMBERS} and {_MAX_BYTES} bytes are passed on"
"""The rule for the header, for people."""


class Baggage(Mapping[str, str]):
    """Names and values, which nobody can change. A malformed member is passed on and not shown; of two with one name the last is."""

    __slots__ = ("_values", "header")

    header: Final[bytes]
    """The header's bytes."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """Raises ValueError for a name that is no token of HTTP, for a value that is no text, and for more than 64 of them or 8,192 bytes,
        and TypeError for what is no mapping."""
        if not isinstance(values, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not check their types
            raise TypeError(f"baggage is {type(values).__name__}; give a mapping of names to values")
        self._values: dict[str, str] | None = dict(values)
        header = ",".join(f"{_name(name)}={_quoted(name, value)}" for name, value in self._values.items()).encode()
        if len(values) > _MAX_MEMBERS:
            raise ValueError(f"baggage has {len(values)} names; give at most {_MAX_MEMBERS}")
        if len(header) > _MAX_BYTES:
            raise ValueError(f"baggage takes {len(header)} bytes; give at most {_MAX_BYTES}")
        self.header = header

    @staticmethod
    def received(header: bytes) -> "Baggage | None":
        """The baggage of a received header, of which whole members are dropped from the end if it is too large; None if it holds other
        characters than printable ASCII, or nothing."""
        if _HEADER.fullmatch(header) is None:
            return None
        if len(header) > _MAX_BYTES or header.count(b",") >= _MAX_MEMBERS:
            header = _bounded(header)
        if not header.strip(b" \t,"):
            return None
        baggage: Baggage = object.__new__(Baggage)
        baggage._values = None
        baggage.header = header  # pyright: ignore[reportAttributeAccessIssue] - this is its constructor
        return baggage

    @property
    def _read(self) -> dict[str, str]:
        if self._values is None:
            self._values = dict(_members(self.header.decode("ascii")))
        return self._values

    def __getitem__(self, name: str) -> str:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Baggage):
            return self._read == other._read
        return self._read == other if isinstance(other, dict) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._read.items()))

    def __repr__(self) -> str:
        return f"<{len(self)} names of baggage>"  # baggage may be secret, and a repr may be logged


def _bounded(header: bytes) -> bytes:
    """The first members, as many as are passed on."""
    kept: list[bytes] = []
    size = -1
    for piece in header.split(b","):
        member = piece.strip(b" \t")
        if not member:
            continue
        size += len(member) + 1
        if len(kept) == _MAX_MEMBERS or size > _MAX_BYTES:
            break
        kept.append(member)
    return b",".join(kept)


def _members(header: str) -> Iterator[tuple[str, str]]:
    from urllib.parse import unquote  # noqa: PLC0415 - few processes read baggage, and it takes a while to import

    for member in header.split(","):
        name, _, value = (part.strip(" \t") for part in member.partition(";")[0].partition("="))
        if _TOKEN.fullmatch(name) and _VALUE.fullmatch(value) and "=" in member:
            yield name, unquote(value, errors="replace")


def _name(name: str) -> str:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance] - see above
        raise ValueError(f"baggage has the name {name!r:.40}; give letters, digits and any of !#$%&'*+-.^_`|~")
    return name


def _quoted(name: str, value: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - see `_members`

    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not check their types
        raise ValueError(f"baggage {name!r} is {type(value).__name__}; give a str")  # noqa: TRY004 - as for every other wrong value
    try:
        return quote(value, safe=_UNQUOTED)
    except UnicodeEncodeError:
        raise ValueError(f"baggage {name!r} has half of a surrogate pair; give text that is UTF-8") from None


NO_BAGGAGE: Final = Baggage({})
"""No baggage. Most calls carry none, and share this object."""
