"""Fields and field sections (RFC 9110, section 5), as every version of HTTP has them.

A section is made once per distinct head and shared by all calls that begin with it. So what is derived from it is remembered on it.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

Field = tuple[bytes, bytes]
"""Name and value. Names are in lower case."""

REQUEST: Final = frozenset({b":method", b":scheme", b":path", b":authority"})
"""The kind of a request's head. A kind is the set of the pseudo fields that its sections may have."""
RESPONSE: Final = frozenset({b":status"})
"""The kind of a response's head."""
TRAILERS: Final[frozenset[bytes]] = frozenset()
"""The kind of a trailer section."""

NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
"""A field's name (RFC 9110, section 5.6.2), in lower case."""
_BAD_CHARACTER = re.compile(rb"[\x00\r\n]")
_WHITE = (b" ", b"\t")
_FIELD_OVERHEAD: Final = 32


class MalformedSection(Exception):
    """The section breaks HTTP's rules. HTTP/2 makes it a stream error of type PROTOCOL_ERROR (RFC 9113, section 8.1.1)."""


class Section:
    """A checked field section."""

    __slots__ = (
        "alike",
        "authority",
        "content_length",
        "fields",
        "kind",
        "method",
        "path",
        "plain_response",
        "response_facts",
        "route",
        "says_ok",
        "scheme",
        "status",
    )

    def __init__(self, kind: frozenset[bytes], pseudo: dict[bytes, bytes], fields: tuple[Field, ...], content_length: int) -> None:
        self.kind = kind
        """REQUEST, RESPONSE or TRAILERS."""
        self.method = pseudo.get(b":method", b"")
        """The pseudo field `:method`. It is empty where absent, as the other pseudo fields are."""
        self.scheme = pseudo.get(b":scheme", b"")
        """The pseudo field `:scheme`."""
        self.path = pseudo.get(b":path", b"")
        """The pseudo field `:path`, with its query."""
        self.authority = pseudo.get(b":authority", b"")
        """The pseudo field `:authority`."""
        self.status = pseudo.get(b":status", b"")
        """The pseudo field `:status` of a response."""
        self.fields = fields
        """The regular fields in order."""
        self.content_length = content_length
        """Bytes; -1 if the section does not say."""
        self.plain_response = kind is RESPONSE and self.status[:1] != b"1" and content_length < 0
        """Whether this is a response's head after which only the stream's state needs a look: it is not an informational one, and has no
        length to be kept."""
        self.alike: dict[Any, Any] | None = None
        """What a server has found out of all heads that differ from this one in their paths alone, if it is known which do. The server's
        routes know what is in it."""
        self.route: Any = None
        """What a server does with requests of this head, once it has found that out. The server's routes set it and know its type."""
        self.response_facts: Any = None
        """What a client has read from this head of a response, once it has. The client's protocol sets it and knows its type."""
        self.says_ok = False
        """Whether a client has read from these trailers that the call succeeded."""

    def at(self, path: bytes) -> "Section":
        """The head of a request that differs in its path alone."""
        other: Any = object.__new__(Section)
        other.kind = self.kind
        other.method = self.method
        other.scheme = self.scheme
        other.path = path
        other.authority = self.authority
        other.status = b""
        other.fields = self.fields
        other.content_length = self.content_length
        other.plain_response = other.says_ok = False
        other.alike = self.alike
        other.route = other.response_facts = None
        return other


class Template:
    """A field section that recurs from call to call. HTTP/2's encoder puts its fields into the dynamic table on first use; afterwards its
    block is a few index bytes that are looked up by the template's identity."""

    __slots__ = ("fields", "http1")

    def __init__(self, *fields: Field) -> None:
        self.fields = fields
        """The fields in order."""
        self.http1: tuple[int, bytes] | None = None
        """What a server has made of this head of a response for HTTP/1.1, once it has."""


def list_size(fields: Iterable[Field]) -> int:
    """Bytes of a field section as HTTP/2 counts them against SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113, section 6.5.2)."""
    return sum(len(name) + len(value) + _FIELD_OVERHEAD for name, value in fields)


def is_field(name: bytes, value: bytes) -> bool:
    """Whether a name and its value may be a regular field of a request."""
    return NAME.fullmatch(name) is not None and is_good(value)


def is_good(value: bytes) -> bool:
    """Whether a value may stand in a request's field."""
    return not is_bad(value, REQUEST)


def is_bad(value: bytes, kind: frozenset[bytes]) -> bool:
    """Whether a value may not stand in a field (RFC 9113, section 8.2.1). Callers spare a value that is plainly good the search.

    White space around a value is forbidden. It is harmless in what comes back from a server that we chose to call, and grpcio's servers
    send messages of errors with it: there it is kept as it is.
    """
    if _BAD_CHARACTER.search(value) is not None:
        return True
    return kind is REQUEST and (value.startswith(_WHITE) or value.endswith(_WHITE))
