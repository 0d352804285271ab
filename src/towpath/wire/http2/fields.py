"""Field sections: what a request, a response or a trailer may contain (RFC 9113, sections 8.2 and 8.3), checked once per distinct section.

HPACK hands over the leading fields that came from pure index references as one object that recurs from call to call. A section that was
checked is remembered on it, so that a repeated head costs nothing but its literals. `Section.memo` offers the same to the protocol above.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from towpath.wire.hpack import HeaderBlock

Field = tuple[bytes, bytes]

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_CHARACTER = re.compile(rb"[\x00\r\n]")
_WHITE = (b" ", b"\t")
_CONNECTION_SPECIFIC = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})
# The kinds of section, each by the pseudo fields that it may have.
REQUEST: Final = frozenset({b":method", b":scheme", b":path", b":authority"})
RESPONSE: Final = frozenset({b":status"})
TRAILERS: Final[frozenset[bytes]] = frozenset()

# Names that passed the checks. Bounded, since a peer chooses them.
_known_names: set[bytes] = set()
_MOST_KNOWN_NAMES: Final = 1024

# Fields that say what a head is. A section with one of them among its literals is never split into head and literals, so that whoever
# remembers what a head means (`Section.memo`) need not look at the literals. The last two are gRPC's: this HTTP/2 is written for RPC.
_OF_THE_HEAD: Final = frozenset({b"te", b"content-length", b"content-type", b"grpc-encoding", b"grpc-accept-encoding"})
_LONGEST_LENGTH: Final = 19  # digits; 2**63 has as many


class MalformedSection(Exception):
    """The section breaks HTTP's rules: a stream error of type PROTOCOL_ERROR (section 8.1.1)."""


class Section:
    """A checked field section: the pseudo fields by name (empty where absent), the regular fields in order, and a place for the layer
    above to remember what it derived from them (`memo`)."""

    __slots__ = ("authority", "content_length", "fields", "kind", "memo", "method", "path", "plain_response", "scheme", "status")

    def __init__(self, kind: frozenset[bytes], pseudo: dict[bytes, bytes], fields: tuple[Field, ...], content_length: int) -> None:
        self.kind = kind
        self.method = pseudo.get(b":method", b"")
        self.scheme = pseudo.get(b":scheme", b"")
        self.path = pseudo.get(b":path", b"")
        self.authority = pseudo.get(b":authority", b"")
        self.status = pseudo.get(b":status", b"")
        self.fields = fields
        self.content_length = content_length
        # A response's head after which only the stream's state needs a look: not an informational one, and with no length to be kept.
        self.plain_response = kind is RESPONSE and self.status[:1] != b"1" and content_length < 0
        self.memo: object | None = None


def request(block: HeaderBlock) -> tuple[Section, Sequence[Field]]:
    """A request's head, and the literal fields that follow it and vary from call to call."""
    return _section(block, REQUEST)


def response(block: HeaderBlock) -> tuple[Section, Sequence[Field]]:
    """A response's head, likewise."""
    return _section(block, RESPONSE)


def trailers(block: HeaderBlock) -> tuple[Section, Sequence[Field]]:
    """A trailer section, likewise; it has no pseudo fields."""
    return _section(block, TRAILERS)


def _section(block: HeaderBlock, kind: frozenset[bytes]) -> tuple[Section, Sequence[Field]]:
    section = block.known.memo
    if not isinstance(section, Section) or section.kind is not kind:
        return _fresh(block, kind)
    extra = block.extra
    for name, value in extra:
        if name not in _known_names:
            return _fresh(block, kind)
        if not value.isalnum() and _is_bad(value, kind):
            raise MalformedSection(f"the value of {_shown(name)} has a forbidden character")
    return section, extra


def _fresh(block: HeaderBlock, kind: frozenset[bytes]) -> tuple[Section, Sequence[Field]]:
    known, extra = block.known, block.extra
    if any(name[:1] == b":" or name in _OF_THE_HEAD for name, _ in extra):
        return _parse((*known.fields, *extra), kind), ()
    section = known.memo
    if not isinstance(section, Section) or section.kind is not kind:
        section = _parse(known.fields, kind)
    for name, value in extra:
        _check(name, value, kind)
    known.memo = section
    return section, extra


def _parse(fields: Iterable[Field], kind: frozenset[bytes]) -> Section:
    pseudo: dict[bytes, bytes] = {}
    regular: list[Field] = []
    content_length = -1
    for name, value in fields:
        if name[:1] == b":":
            if not value.isalnum() and _is_bad(value, kind):
                raise MalformedSection(f"the value of {_shown(name)} has a forbidden character")
            if name not in kind:
                raise MalformedSection(f"pseudo field {_shown(name)} does not belong here")
            if regular:
                raise MalformedSection(f"pseudo field {_shown(name)} follows a regular field")
            if name in pseudo:
                raise MalformedSection(f"pseudo field {_shown(name)} occurs twice")
            pseudo[name] = value
            continue
        _check(name, value, kind)
        if name == b"te" and value != b"trailers":
            raise MalformedSection("te may only be 'trailers'")
        if name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < _LONGEST_LENGTH else -2
            if length == -2 or content_length not in (-1, length):
                raise MalformedSection("content-length is not one number")
            content_length = length
        regular.append((name, value))
    _check_pseudo(pseudo, kind)
    return Section(kind, pseudo, tuple(regular), content_length)


def is_field(name: bytes, value: bytes) -> bool:
    """Whether a name and its value may be a regular field of a request."""
    return _NAME.fullmatch(name) is not None and is_good(value)


def is_good(value: bytes) -> bool:
    """Whether a value may stand in a request's field."""
    return not _is_bad(value, REQUEST)


def _is_bad(value: bytes, kind: frozenset[bytes]) -> bool:
    """Whether a value may not stand in a field (section 8.2.1); callers spare what is plainly good, such as a timeout, the search.

    White space around it is forbidden, but harmless in what comes back from a server that we chose to call, and grpcio's servers send
    messages of errors with it: there it is kept as it is.
    """
    if _BAD_CHARACTER.search(value) is not None:
        return True
    return kind is REQUEST and (value.startswith(_WHITE) or value.endswith(_WHITE))


def _check(name: bytes, value: bytes, kind: frozenset[bytes]) -> None:
    if not value.isalnum() and _is_bad(value, kind):
        raise MalformedSection(f"the value of {_shown(name)} has a forbidden character")
    if name in _known_names:
        return
    if name in _CONNECTION_SPECIFIC:
        raise MalformedSection(f"{_shown(name)} is specific to HTTP/1.1 connections")
    if not _NAME.fullmatch(name):
        raise MalformedSection(f"field name {_shown(name)} is empty, in upper case or has a forbidden character")
    if len(_known_names) < _MOST_KNOWN_NAMES and name not in _OF_THE_HEAD:
        _known_names.add(name)


def _check_pseudo(pseudo: dict[bytes, bytes], kind: frozenset[bytes]) -> None:
    required: tuple[bytes, ...] = ()
    if kind is RESPONSE:
        status = pseudo.get(b":status", b"")
        if not (len(status) == 3 and status.isdigit()):
            raise MalformedSection(":status is missing or not three digits")
    elif kind is REQUEST and pseudo.get(b":method") == b"CONNECT":
        if b":scheme" in pseudo or b":path" in pseudo:
            raise MalformedSection("CONNECT takes neither :scheme nor :path")
        required = (b":authority",)
    elif kind is REQUEST:
        required = (b":method", b":scheme", b":path")
    for name in required:
        if not pseudo.get(name):
            raise MalformedSection(f"pseudo field {_shown(name)} is missing or empty")


def _shown(name: bytes) -> str:
    return repr(name[:64])[1:]
