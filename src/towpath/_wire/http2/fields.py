"""From header blocks to field sections: what a request, a response or a trailer may contain (RFC 9113, sections 8.2 and 8.3).

A distinct section is checked once. HPACK hands over the leading fields, which came from pure index references, as one object that recurs
from call to call. The checked section is remembered on that object, so that a repeated head costs only its literals.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from towpath._wire.hpack import HeaderBlock
from towpath._wire.http.fields import NAME, REQUEST, RESPONSE, TRAILERS, Field, MalformedSection, Section, is_bad

CONNECTION_SPECIFIC: Final = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})
"""Fields of HTTP/1.1's connections, which no section may contain (RFC 9113, section 8.2.2)."""

known_names: set[bytes] = set()
"""Names that passed the checks. At most `_MOST_KNOWN_NAMES`, since a peer chooses them."""

_MOST_KNOWN_NAMES: Final = 1024
"""Names in the set at most."""

OF_THE_HEAD: Final = frozenset(
    {
        *(b"te", b"content-length", b"content-type", b"expect", b"grpc-encoding", b"grpc-accept-encoding"),
        *(b"origin", b"access-control-request-method", b"access-control-request-headers"),
    }
)
"""Fields that decide what a head means. A section with one of them among its literals is never split into head and literals. So what a
server or client derives from a head can be remembered on its section, and holds whatever the literals are. Two are gRPC's, since
this HTTP/2 is written for RPC. The last three are those of pages from other origins (CORS)."""
_LONGEST_LENGTH: Final = 19
"""A content-length has fewer digits than this; 2**63 has as many."""


def request(block: HeaderBlock) -> tuple[Section, Sequence[Field]]:
    """A request's head, and the literal fields that follow it and vary from call to call."""
    return _section(block, REQUEST)


def response(block: HeaderBlock) -> tuple[Section, Sequence[Field]]:
    """A response's head, and the literal fields that follow it and vary from call to call."""
    return _section(block, RESPONSE)


def trailers(block: HeaderBlock) -> tuple[Section, Sequence[Field]]:
    """A trailer section, which has no pseudo fields, and the literal fields that follow it and vary from call to call."""
    return _section(block, TRAILERS)


def _section(block: HeaderBlock, kind: frozenset[bytes]) -> tuple[Section, Sequence[Field]]:
    section = block.known.section
    if section is None or section.kind is not kind:
        return _fresh(block, kind)
    extra = block.extra
    for name, value in extra:
        if name not in known_names:
            return _fresh(block, kind)
        if not value.isalnum() and is_bad(value, kind):
            raise MalformedSection(f"the value of {_shown(name)} has a forbidden character")
    return section, extra


def _fresh(block: HeaderBlock, kind: frozenset[bytes]) -> tuple[Section, Sequence[Field]]:
    known, extra = block.known, block.extra
    if any(name[:1] == b":" or name in OF_THE_HEAD for name, _ in extra):
        return _parse((*known.fields, *extra), kind), ()
    section = known.section
    if section is None or section.kind is not kind:
        section = _parse(known.fields, kind)
    for name, value in extra:
        _check(name, value, kind)
    known.section = section
    return section, extra


def _parse(fields: Iterable[Field], kind: frozenset[bytes]) -> Section:
    pseudo: dict[bytes, bytes] = {}
    regular: list[Field] = []
    content_length = -1
    for name, value in fields:
        if name[:1] == b":":
            if not value.isalnum() and is_bad(value, kind):
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


def _check(name: bytes, value: bytes, kind: frozenset[bytes]) -> None:
    if not value.isalnum() and is_bad(value, kind):
        raise MalformedSection(f"the value of {_shown(name)} has a forbidden character")
    if name in known_names:
        return
    if name in CONNECTION_SPECIFIC:
        raise MalformedSection(f"{_shown(name)} is specific to HTTP/1.1 connections")
    if not NAME.fullmatch(name):
        raise MalformedSection(f"field name {_shown(name)} is empty, in upper case or has a forbidden character")
    if len(known_names) < _MOST_KNOWN_NAMES and name not in OF_THE_HEAD:
        known_names.add(name)


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
